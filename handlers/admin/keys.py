"""`/admin/keys`: gateway keys with their limits and what is used of them (spec 17)."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from handlers.admin.fields import name_of, read_fields
from handlers.edge.json_replies import json_response
from handlers.reading.common_fields import model_name
from handlers.reading.json_body import quoted, refusal
from service.answers import admin
from service.keys import KEY_BUDGETS, MANAGED_KEYS
from service.vocabulary.credentials import NO_BUDGETS, Budgets
from service.vocabulary.errors import NotFoundError
from service.vocabulary.gateway_keys import GatewayKey, KeyTerms
from service.vocabulary.ledger.budgets import BudgetUse

MAX_MODELS = 100
Limit = Annotated[int, Meta(ge=0, le=10**9)]
Budget = Annotated[int, Meta(ge=1, le=10**15)]
Models = Annotated[tuple[str, ...], Meta(max_length=MAX_MODELS)]


class BudgetFields(Struct, frozen=True, forbid_unknown_fields=True):
    """The budgets of a key; null and what is left out mean none."""

    requests_per_5_hours: Budget | None = None
    requests_per_day: Budget | None = None
    requests_per_week: Budget | None = None
    requests_per_month: Budget | None = None
    tokens_per_5_hours: Budget | None = None
    tokens_per_day: Budget | None = None
    tokens_per_week: Budget | None = None
    tokens_per_month: Budget | None = None


class NewKeyFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /admin/keys`."""

    name: str
    account: str
    requests_per_minute: Limit = 0
    concurrent_requests: Limit = 0
    models: Models = ()
    shows_account: bool = False
    budgets: BudgetFields | None = None


class KeyChangeFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /admin/keys/{id}`: what is left out stays; `budgets` replaces all of them."""

    name: str | UnsetType = UNSET
    requests_per_minute: Limit | UnsetType = UNSET
    concurrent_requests: Limit | UnsetType = UNSET
    models: Models | UnsetType = UNSET
    shows_account: bool | UnsetType = UNSET
    budgets: BudgetFields | UnsetType | None = UNSET


async def list_keys(request: web.Request) -> web.Response:
    """Answer with all keys and what is used of their budgets.

    Raises:
        StorageError: the file of keys cannot be read.
    """
    keys = request.app[MANAGED_KEYS].listing()
    return json_response(admin.KeyList(await _shown(request, keys)))


async def add_key(request: web.Request) -> web.Response:
    """Make a key for an account, and answer with it; it is told only here.

    Raises:
        RequestError: a field is wrong, or there is a key of this name.
        StorageError: the file of keys cannot be read or written.
    """
    fields, keys = await read_fields(request, NewKeyFields), request.app[MANAGED_KEYS]
    terms = KeyTerms(
        name=name_of(fields.name),
        requests_per_minute=fields.requests_per_minute,
        concurrent_requests=fields.concurrent_requests,
        models=_models(fields.models),
        shows_account=fields.shows_account,
        budgets=_budgets(fields.budgets),
    )
    account = keys.accounts.find(fields.account)
    if account is None:
        problem = f"there is no account {quoted(fields.account)}; GET /admin/accounts lists them"
        raise refusal("account", problem)
    try:
        secret = await asyncio.to_thread(keys.add_for_account, terms, account)
    except ValueError as error:
        raise refusal("name", str(error)) from error
    made = [key for key in keys.listing() if key.name == terms.name]
    (key,) = await _shown(request, made)
    return json_response(admin.NewKey(key, secret))


async def change_key(request: web.Request) -> web.Response:
    """Give a key another name, other limits, models or budgets, and answer with it.

    Raises:
        NotFoundError: there is no such key.
        RequestError: a field is wrong, or another key has the name.
        StorageError: the file of keys cannot be read or written.
    """
    old, fields = _key(request), await read_fields(request, KeyChangeFields)
    terms = KeyTerms(**{name: getattr(old, name) for name in KeyTerms.__struct_fields__})
    given = {name: value for name, value in structs.asdict(fields).items() if value is not UNSET}
    if isinstance(fields.name, str):
        given["name"] = name_of(fields.name)
    if isinstance(fields.models, tuple):
        given["models"] = _models(fields.models)
    if not isinstance(fields.budgets, UnsetType):
        given["budgets"] = _budgets(fields.budgets)
    keys = request.app[MANAGED_KEYS]
    try:
        new = await asyncio.to_thread(keys.change, old.id, structs.replace(terms, **given))
    except ValueError as error:
        raise refusal("name", str(error)) from error
    (key,) = await _shown(request, [new])
    return json_response(key)


async def revoke_key(request: web.Request) -> web.Response:
    """Revoke a key: its next request is refused.

    Raises:
        NotFoundError: there is no such key.
        StorageError: the file of keys cannot be read or written.
    """
    key = _key(request)
    try:
        await asyncio.to_thread(request.app[MANAGED_KEYS].revoke, key.id)
    except ValueError:
        raise _unknown() from None  # another request was faster
    return json_response(admin.DeletedKey(key.id))


def _key(request: web.Request) -> GatewayKey:
    wanted = request.match_info["id"]
    found = (key for key in request.app[MANAGED_KEYS].listing() if key.id == wanted)
    if (key := next(found, None)) is None:
        raise _unknown()
    return key


def _unknown() -> NotFoundError:
    return NotFoundError("There is no such key; GET /admin/keys lists those there are.")


def _models(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model_name(name) for name in given))


def _budgets(given: BudgetFields | None) -> Budgets:
    if given is None:
        return NO_BUDGETS
    return Budgets(**{name: value or 0 for name, value in structs.asdict(given).items()})


async def _shown(request: web.Request, keys: Sequence[GatewayKey]) -> list[admin.Key]:
    """Return keys as they are shown; what is used of all of them is asked for at once."""
    uses = await request.app[KEY_BUDGETS].uses(keys)
    return [
        admin.Key(
            id=key.id,
            name=key.name,
            account=request.app[MANAGED_KEYS].account_of(key),
            created_at=key.created_at,
            requests_per_minute=key.requests_per_minute,
            concurrent_requests=key.concurrent_requests,
            models=list(key.models),
            shows_account=key.shows_account,
            budgets={name: limit for name, limit in structs.asdict(key.budgets).items() if limit},
            used=[used_budget(use) for use in uses.get(key.id, ())],
        )
        for key in keys
    ]


def used_budget(use: BudgetUse) -> admin.UsedBudget:
    """Return the used part of a budget as it is shown."""
    return admin.UsedBudget(use.name, use.unit, use.window, use.limit, use.used, use.renews_at)
