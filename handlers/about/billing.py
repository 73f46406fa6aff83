"""`/dashboard/billing/…`: the calls of balance buttons (openai-wire 11, rule 51).

The gateway neither counts nor sells anything, so there is no balance. But front ends show an error
without one, and one-api disables a channel whose balance is not positive. So these calls get
one-api's own answers for a key without a limit.
"""

from aiohttp import web

from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from service.answers.gateway import BilledUsage, Subscription

NO_LIMIT_USD = 100_000_000
NO_END = 4_102_444_800  # the year 2100, in seconds since 1970


async def subscription(request: web.Request) -> web.Response:
    """Answer that the key has no limit.

    Raises:
        AuthError: the credential is missing.
    """
    credential_of(request)
    return json_response(
        Subscription(
            has_payment_method=True,
            soft_limit_usd=NO_LIMIT_USD,
            hard_limit_usd=NO_LIMIT_USD,
            system_hard_limit_usd=NO_LIMIT_USD,
            access_until=NO_END,
        )
    )


async def usage(request: web.Request) -> web.Response:
    """Answer that nothing was spent, for any days.

    Raises:
        AuthError: the credential is missing.
    """
    credential_of(request)
    return json_response(BilledUsage())
