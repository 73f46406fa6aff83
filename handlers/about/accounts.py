"""`POST /getAccountID` (spec 5)."""

from http import HTTPStatus

from aiohttp import web

from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from service.keys import ACCOUNTS, TOKENS
from service.vocabulary.credentials import TokenKind
from service.vocabulary.errors import KeyScopeError, UpstreamRefusedError


async def account_ids(request: web.Request) -> web.Response:
    """Answer with the credential's account ids by plan, `{"plus": [ids], "team": [ids]}`.

    Raises:
        AuthError: the credential is missing or known to be dead.
        KeyScopeError: it is a gateway key.
        TokenServiceError: the token service has a passing fault.
        UpstreamError: the upstream refused or broke.
    """
    credential = credential_of(request)
    if credential.gateway_key is not None:
        raise KeyScopeError("The account ids behind a gateway key are not told to its holder.")
    tokens, accounts = request.app[TOKENS], request.app[ACCOUNTS]
    caller = await tokens.caller(credential)
    try:
        plans = await accounts.by_plan(caller)
    except UpstreamRefusedError as error:
        is_renewable = credential.kind is TokenKind.REFRESH
        if error.upstream_status != HTTPStatus.UNAUTHORIZED or not is_renewable:
            raise
        plans = await accounts.by_plan(await tokens.renew(credential, caller))
    return json_response(plans)
