"""`POST /getAccountID` (spec 5)."""

from aiohttp import web

from handlers.headers import credential_of
from handlers.responses import json_response
from service.keys import ACCOUNTS, TOKENS


async def account_ids(request: web.Request) -> web.Response:
    """Answer the credential's account ids by plan, `{"plus": [ids], "team": [ids]}`.

    Raises:
        AuthError: the credential is missing or known to be dead.
        TokenServiceError: the token service has a passing fault.
        UpstreamError: the upstream refused or broke.
    """
    caller = await request.app[TOKENS].caller(credential_of(request))
    return json_response(await request.app[ACCOUNTS].by_plan(caller))
