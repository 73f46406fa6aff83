"""`/dashboard/billing/…`: the calls of balance buttons (openai-wire 11, rule 51).

The gateway sells nothing. A gateway key with budgets shows the one of which least is left: a dollar
stands for a request, or for a token. Every other caller gets one-api's own answers for a key without
a limit, because front ends show an error without a balance, and one-api disables a channel whose
balance is not positive.
"""

from aiohttp import web

from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from service.answers.gateway import BilledUsage, Subscription
from service.keys import KEY_BUDGETS
from service.vocabulary.ledger.budgets import BudgetUse

NO_LIMIT_USD = 100_000_000
NO_END = 4_102_444_800  # the year 2100, in seconds since 1970


async def subscription(request: web.Request) -> web.Response:
    """Answer with the limit of a key's budget, and when it is renewed.

    Raises:
        AuthError: the credential is missing.
    """
    use = await _scarcest(request)
    limit = NO_LIMIT_USD if use is None else use.limit
    return json_response(
        Subscription(
            has_payment_method=True,
            soft_limit_usd=limit,
            hard_limit_usd=limit,
            system_hard_limit_usd=limit,
            access_until=(use and use.renews_at) or NO_END,
        )
    )


async def usage(request: web.Request) -> web.Response:
    """Answer with what is used of a key's budget now, whichever days are asked for.

    Raises:
        AuthError: the credential is missing.
    """
    use = await _scarcest(request)
    return json_response(BilledUsage(total_usage=0 if use is None else use.used * 100))


async def _scarcest(request: web.Request) -> BudgetUse | None:
    """Return the budget of the caller's key of which the smallest part is left, None without one."""
    uses = await request.app[KEY_BUDGETS].of(credential_of(request))
    return max(uses, key=lambda use: use.used / use.limit, default=None)
