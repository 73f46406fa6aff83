"""`/dashboard/billing/…`: what balance buttons ask for (openai-wire 11, rule 51).

Nothing is counted or sold here, so there is no balance to tell; but front ends show an
error where none is told, and one-api turns a channel off whose balance is not above
nothing. So they get what one-api itself answers for a key without a limit.
"""

from aiohttp import web

from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from service.answers.gateway import BilledUsage, Subscription

NO_LIMIT_USD = 100_000_000
NO_END = 4_102_444_800  # 2100, in seconds of the Unix clock


async def subscription(request: web.Request) -> web.Response:
    """Answer that nothing limits this key.

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
    """Answer that nothing was spent, whatever days are asked for.

    Raises:
        AuthError: the credential is missing.
    """
    credential_of(request)
    return json_response(BilledUsage())
