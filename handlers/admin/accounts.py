"""`/admin/accounts` and `/admin/sign-ins`: who has signed in, and signing in and out (spec 15, 17)."""

import asyncio
import math

from aiohttp import web
from msgspec import Struct

from handlers.about.usage import with_account
from handlers.admin.fields import flag_in, name_of, read_fields
from handlers.edge.json_replies import json_response
from service.admin.ports import SignIn
from service.answers import admin
from service.answers.gateway import AccountUsage
from service.keys import ALLOWANCES, CHOICE, MANAGED_KEYS, SIGN_INS
from service.vocabulary.credentials import UpstreamKind
from service.vocabulary.errors import AuthError, NotFoundError, RequestError
from service.vocabulary.gateway_keys import StoredAccount

_OFF = "codex.base_url is empty: set it, so that this gateway has the upstream of such accounts."


class SignInFields(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /admin/sign-ins`; it may be left out."""

    name: str | None = None


async def list_accounts(request: web.Request) -> web.Response:
    """Answer with all accounts.

    Raises:
        StorageError: the file of keys cannot be read.
    """
    accounts = request.app[MANAGED_KEYS].accounts.listing()
    return json_response(admin.AccountList([await _shown(request, each) for each in accounts]))


async def account_usage(request: web.Request) -> web.Response:
    """Answer what is used of an account's allowance.

    Raises:
        NotFoundError: there is no such account, or its upstream has no allowances.
        RequestError: it signed in at an issuer that this gateway does not speak to, or its login
            has ended: no other key would help, so it is no 401.
        TokenServiceError: the token service has a passing fault.
        UpstreamError: the upstream refused or broke, and nothing is known of the account.
    """
    try:
        credential = request.app[MANAGED_KEYS].credential_of(account_of(request))
        allowance = await request.app[ALLOWANCES].of(credential)
    except AuthError as error:
        raise RequestError(error.message, code="signed_out") from error
    return json_response(with_account(AccountUsage(), allowance))


async def remove_account(request: web.Request) -> web.Response:
    """End an account's login and remove it; with `revoke_keys` its keys as well.

    Raises:
        NotFoundError: there is no such account.
        RequestError: a parameter is wrong.
        UpstreamError: the login could not be ended, and nothing was removed.
        StorageError: the file of keys cannot be read or written.
    """
    account = account_of(request)
    revokes = flag_in(request.query, "revoke_keys")
    keeps = flag_in(request.query, "keep_tokens")
    await request.app[SIGN_INS].remove(account, keeps_tokens=keeps)
    names = _key_names(request, account) if revokes else []
    for name in names:
        await asyncio.to_thread(request.app[MANAGED_KEYS].revoke, name)
    return json_response(admin.DeletedAccount(account.id, names))


async def begin_sign_in(request: web.Request) -> web.Response:
    """Answer with a code to type in; the sign-in then goes on in the background.

    Raises:
        NotFoundError: this gateway does not have the upstream of such accounts.
        RequestError: the body is wrong, or another account has the name.
        QueueFullError: too many sign-ins are waiting.
        UpstreamError: there is no code to be had.
    """
    if UpstreamKind.CODEX not in request.app[CHOICE].taken:
        raise NotFoundError(_OFF)
    fields = await read_fields(request, SignInFields, SignInFields())
    name = None if fields.name is None else name_of(fields.name)
    return json_response(await _told(request, await request.app[SIGN_INS].begin(name)))


async def get_sign_in(request: web.Request) -> web.Response:
    """Answer how far a sign-in has come.

    Raises:
        NotFoundError: there is no such sign-in.
    """
    return json_response(await _told(request, await _sign_in(request)))


async def end_sign_in(request: web.Request) -> web.Response:
    """End a sign-in that is waiting, and answer with it.

    Raises:
        NotFoundError: there is no such sign-in.
    """
    sign_in = await _sign_in(request)
    await request.app[SIGN_INS].end(sign_in.id)
    return json_response(await _told(request, await _sign_in(request)))


def account_of(request: web.Request) -> StoredAccount:
    """Return the account that the path names.

    Raises:
        NotFoundError: there is no such account.
        StorageError: the file of keys cannot be read.
    """
    account = request.app[MANAGED_KEYS].accounts.find(request.match_info["id"])
    if account is None:
        raise NotFoundError("There is no such account; GET /admin/accounts lists those there are.")
    return account


async def _sign_in(request: web.Request) -> SignIn:
    sign_in = await request.app[SIGN_INS].find(request.match_info["id"])
    if sign_in is None:
        raise NotFoundError("There is no such sign-in, or it ended long ago; begin a new one.")
    return sign_in


async def _told(request: web.Request, sign_in: SignIn) -> admin.SignIn:
    account = request.app[MANAGED_KEYS].accounts.find(sign_in.account) if sign_in.account else None
    return admin.SignIn(
        id=sign_in.id,
        state=sign_in.state.value,
        user_code=sign_in.user_code,
        address=sign_in.address,
        expires_at=math.floor(sign_in.expires_at),
        account=await _shown(request, account) if account else None,
        problem=sign_in.problem,
    )


async def _shown(request: web.Request, account: StoredAccount) -> admin.Account:
    try:
        request.app[MANAGED_KEYS].credential_of(account)
        is_elsewhere = False
    except AuthError:
        is_elsewhere = True
    is_over = await request.app[SIGN_INS].is_over(account)
    return admin.Account(
        id=account.id,
        name=account.name,
        email=account.masked_email,
        plan=account.plan or None,
        issuer=account.issuer,
        state="elsewhere" if is_elsewhere else "over" if is_over else "signed_in",
        created_at=account.created_at,
        keys=_key_names(request, account),
    )


def _key_names(request: web.Request, account: StoredAccount) -> list[str]:
    keys = request.app[MANAGED_KEYS]
    return [key.name for key in keys.listing() if keys.account_of(key) == account.id]
