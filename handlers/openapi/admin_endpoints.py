"""The table's rows for `/admin/…`, which are there only with `server.admin_key` (spec 17)."""

from enum import StrEnum
from functools import partial

from handlers.admin.accounts import (
    account_usage,
    begin_sign_in,
    end_sign_in,
    get_sign_in,
    list_accounts,
    remove_account,
)
from handlers.admin.calls import DEFAULT_PAGE, list_calls, list_totals
from handlers.admin.door import for_admin
from handlers.admin.fields import MAX_SECONDS
from handlers.admin.keys import add_key, change_key, list_keys, revoke_key
from handlers.openapi.endpoint import Endpoint, Parameter, Place
from handlers.openapi.parameters import page_limit, path_id
from service.answers import admin, gateway
from service.vocabulary.credentials import UpstreamKind
from service.vocabulary.events import Outcome
from service.vocabulary.ledger.calls import MAX_PAGE, Dialect, Group, Step

_ACCOUNT_ID = path_id("The id of an account.")
_SIGN_IN_ID = path_id("The id of a sign-in.")
_KEY_ID = path_id("The id of a key.")


def _flag(name: str, description: str) -> Parameter:
    return Parameter(name, "query", description, {"type": "string", "enum": ["true", "false"]})


def _moment(name: str, description: str) -> Parameter:
    schema = {"type": "integer", "minimum": 0, "maximum": MAX_SECONDS}
    return Parameter(name, "query", description, schema)


def _word(name: str, description: str, words: type[StrEnum]) -> Parameter:
    return Parameter(name, "query", description, {"type": "string", "enum": [*map(str, words)]})


_SINCE = _moment("since", "The earliest time, in seconds since 1970.")
_UNTIL = _moment("until", "The time before which it ends, in seconds since 1970.")
_OF_CALLS = (
    Parameter("key", "query", "The id of a gateway key."),
    Parameter("model", "query", "The model that was asked for."),
    _word("outcome", "How the answer ended.", Outcome),
)


_STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
_Row = partial(Endpoint, tag="Admin", place=Place.ROOT, is_for_admin=True)

ADMIN_ENDPOINTS = (
    _Row(
        method="get",
        path="/admin/accounts",
        id="listAccounts",
        handler=for_admin(list_accounts),
        summary="The accounts that signed in.",
        answer=admin.AccountList,
    ),
    _Row(
        method="get",
        path="/admin/accounts/{id}/usage",
        id="getAccountUsage",
        handler=for_admin(account_usage),
        summary="What is used of an account's allowance.",
        answer=gateway.AccountUsage,
        parameters=(_ACCOUNT_ID,),
        errors=(400, 404, 502, 503, 504),
    ),
    _Row(
        method="delete",
        path="/admin/accounts/{id}",
        id="removeAccount",
        handler=for_admin(remove_account),
        summary="End an account's login, and remove it.",
        answer=admin.DeletedAccount,
        parameters=(
            _ACCOUNT_ID,
            _flag("revoke_keys", "Whether its keys are revoked, too."),
            _flag("keep_tokens", "Whether its tokens stay valid at the issuer."),
        ),
        errors=(400, 404, 502),
    ),
    _Row(
        method="post",
        path="/admin/sign-ins",
        id="beginSignIn",
        handler=for_admin(begin_sign_in),
        summary="Begin to sign an account in by a code.",
        request="SignInRequest",
        answer=admin.SignIn,
        errors=(400, 404, 413, 502),
    ),
    _Row(
        method="get",
        path="/admin/sign-ins/{id}",
        id="getSignIn",
        handler=for_admin(get_sign_in),
        summary="How far a sign-in has come.",
        answer=admin.SignIn,
        parameters=(_SIGN_IN_ID,),
        errors=(404,),
    ),
    _Row(
        method="delete",
        path="/admin/sign-ins/{id}",
        id="endSignIn",
        handler=for_admin(end_sign_in),
        summary="End a sign-in that is waiting.",
        answer=admin.SignIn,
        parameters=(_SIGN_IN_ID,),
        errors=(404,),
    ),
    _Row(
        method="get",
        path="/admin/keys",
        id="listKeys",
        handler=for_admin(list_keys),
        summary="The gateway keys, and what is used of their budgets.",
        answer=admin.KeyList,
    ),
    _Row(
        method="post",
        path="/admin/keys",
        id="addKey",
        handler=for_admin(add_key),
        summary="Make a gateway key for an account; it is told only here.",
        request="NewKeyRequest",
        answer=admin.NewKey,
        errors=(400, 413),
    ),
    _Row(
        method="post",
        path="/admin/keys/{id}",
        id="changeKey",
        handler=for_admin(change_key),
        summary="Change a key's name, limits, models or budgets.",
        request="KeyChangeRequest",
        answer=admin.Key,
        parameters=(_KEY_ID,),
        errors=(400, 404, 413),
    ),
    _Row(
        method="delete",
        path="/admin/keys/{id}",
        id="revokeKey",
        handler=for_admin(revoke_key),
        summary="Revoke a key.",
        answer=admin.DeletedKey,
        parameters=(_KEY_ID,),
        errors=(404,),
    ),
    _Row(
        method="get",
        path="/admin/calls",
        id="listCalls",
        handler=for_admin(list_calls),
        summary="The log of calls, the newest first.",
        answer=admin.CallList,
        parameters=(
            *(_SINCE, _UNTIL, *_OF_CALLS),
            Parameter("account", "query", "The hash of an account."),
            _word("upstream", "The upstream that answered.", UpstreamKind),
            _word("dialect", "The API in which it was asked.", Dialect),
            Parameter("status", "query", "The status of the answer.", _STATUS),
            page_limit(DEFAULT_PAGE, MAX_PAGE),
            Parameter("after", "query", "What `next` of the page before says."),
        ),
        errors=(400,),
    ),
    _Row(
        method="get",
        path="/admin/totals",
        id="listTotals",
        handler=for_admin(list_totals),
        summary="Calls, tokens and times to the first token, by hour or day.",
        answer=admin.TotalList,
        parameters=(
            *(_SINCE, _UNTIL, *_OF_CALLS),
            _word("step", "The length of time of each sum.", Step),
            _word("by", "What sums are told apart by.", Group),
        ),
        errors=(400,),
    ),
)
