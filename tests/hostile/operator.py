"""Requests below `/admin/`, with the admin key and without."""

import json
from typing import Any

from tests.hostile.case import JSON, MOST_CHARS, Hostile, Section, short

ADMIN_KEY = "the admin key of the bench"
OPENS = f"Bearer {ADMIN_KEY}"


def _asked(
    name: str,
    call: str,
    why: str,
    param: str | None = None,
    *,
    status: int = 400,
    body: Any = None,
    key: str | None = OPENS,
    **more: Any,
) -> Hostile:
    """Return a call such as `GET keys`, sent with the right key unless another is given."""
    method, _, path = call.partition(" ")
    codes = {200: None, 400: "invalid_request", 401: "invalid_api_key", 403: "permission_error"}
    more = {"code": codes.get(status, "not_found"), **more}
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    said = [f"{method} /admin/{short(path)}"]
    said += [raw.decode("utf-8", "replace")[:MOST_CHARS]] if raw else []
    said += [f"Authorization: {short(key)}" if key else "no key"] if key != OPENS else []
    headers = {**JSON, "Authorization": key, **more.pop("headers", {})}
    return Hostile(
        name,
        more.pop("shown", "; ".join(said)),
        status,
        param=param,
        why=why,
        method=method,
        path=f"/admin/{path}",
        body=raw,
        headers=headers,
        **more,
    )


NO_ROOM = "nothing is compared with it but as a whole"
NAMED = "the error names it"
NEW: dict[str, Any] = {"name": "x", "account": "none"}
# Fewer than ten wrong keys, since more within a minute are 429; `tests/handlers/admin` has those.
OPERATOR = Section(
    "Routes of the operator",
    "This gateway has an admin key, which opens them. Without one they are the 404 of any unknown "
    "path. Each is sent with the right key, unless the row says so.",
    (
        _asked("no admin key", "GET keys", "there is nobody to answer", status=401, key=None),
        _asked("a caller's token in its place", "GET accounts", NO_ROOM, status=401, key="Bearer fk-secret"),
        _asked("a gateway key in its place", "GET keys", "a key's holder is no operator", status=401, key="Bearer {key}"),
        _asked("the beginning of the admin key", "GET keys", NO_ROOM, status=401, key=OPENS[:-1]),
        _asked("an admin key of six kilobytes", "GET calls", "it is hashed like any other", status=401, key="Bearer " + "a" * 6000),
        _asked("the admin key as a name and password", "GET keys", "it is no bearer", status=401, key="Basic YWRtaW46YWRtaW4="),
        _asked("the admin key in the address", f"GET keys?key={ADMIN_KEY.replace(' ', '%20')}", "nothing is read from the address", status=401, key=None),
        _asked("the admin key in another header", "GET keys", "only `Authorization` is read", status=401, key=None, headers={"x-api-key": ADMIN_KEY}, shown="x-api-key: …"),
        _asked("the admin key in a cookie", "POST sign-ins", "nothing is read from cookies, so no page of a stranger acts", status=401, key=None, headers={"Cookie": "key=x"}, shown="Cookie: key=…"),
        _asked("the right key from a stranger's page", "POST keys", "only pages of this gateway may call", status=403, body=NEW, headers={"Sec-Fetch-Site": "cross-site"}, shown="Sec-Fetch-Site: cross-site"),
        _asked("a route that is none", "GET secrets", "there is nothing", status=404),
        _asked("a step upwards", "GET ../v1/files/../../admin/none", "there is nothing", status=404),
        _asked("an account that leads upwards", "DELETE accounts/..%2f..%2fkeys", "an id is looked up in a list", status=404),
        _asked("a key id that is a pattern", "DELETE keys/*", "an id is looked up in a list", status=404),
        _asked("a key by its name", "DELETE keys/good", "by its id only", status=404),
        _asked("a sign-in that is a key of the store", "GET sign-ins/..%2ftoken:access:x", "it is looked up below its own prefix", status=404),
        _asked("a sign-in of three thousand characters", f"GET sign-ins/{'a' * 3000}", "there is none", status=404),
        _asked("a key for an account of nobody", "POST keys", NAMED, "account", body=NEW),
        _asked("a key without a name", "POST keys", NAMED, "name", body={**NEW, "name": ""}),
        _asked("a name that breaks a line", "POST keys", NAMED, "name", body={**NEW, "name": "a\r\nX-Evil: 1"}),
        _asked("a name that turns the text around", "POST keys", NAMED, "name", body={**NEW, "name": "a\u202eb"}),
        _asked("a name of a megabyte", "POST keys", "64 KiB are enough for a key", status=413, code="body_size_exceeded", body={**NEW, "name": "a" * 500_000}),
        _asked("a budget of nothing", "POST keys", NAMED, "budgets.requests_per_day", body={**NEW, "budgets": {"requests_per_day": 0}}),
        _asked("a budget below nothing", "POST keys", NAMED, "budgets.tokens_per_week", body={**NEW, "budgets": {"tokens_per_week": -5}}),
        _asked("a budget that is no number", "POST keys", NAMED, "budgets.tokens_per_month", body={**NEW, "budgets": {"tokens_per_month": "many"}}),
        _asked("a budget that is half a number", "POST keys", NAMED, "budgets.requests_per_week", body={**NEW, "budgets": {"requests_per_week": 1.5}}),
        _asked("a budget beyond all numbers", "POST keys", NAMED, "budgets.requests_per_month", body={**NEW, "budgets": {"requests_per_month": 10**30}}),
        _asked("a budget of another time", "POST keys", NAMED, "budgets", body={**NEW, "budgets": {"requests_per_year": 1}}),
        _asked("a limit below nothing", "POST keys", NAMED, "requests_per_minute", body={**NEW, "requests_per_minute": -1}),
        _asked("a thousand models", "POST keys", NAMED, "models", body={**NEW, "models": ["m"] * 1000}),
        _asked("a field of the record that is not to be given", "POST keys", "nothing that is unknown is taken", body={**NEW, "digest": "0" * 64}),
        _asked("a body that is no JSON", "POST keys", "it is not read any further", body=b"\xff\xfe{"),
        _asked("a body nested without end", "POST sign-ins", "nesting is bounded", body=b"[" * 60_000),
        _asked("a page after one that never was", "GET calls?after=%27%20OR%201=1--", NAMED, "after"),
        _asked("a page without end", "GET calls?limit=1000000", NAMED, "limit"),
        _asked("a filter that is SQL", "GET calls?key=%27%20OR%20%271%27=%271", "it is a value, and no call has it", status=200),
        _asked("a filter that is a pattern of Redis", "GET calls?model=*%5Ba-z%5D", "it is a value, and no call has it", status=200),
        _asked("a filter of three thousand characters", f"GET calls?model={'a' * 3000}", NAMED, "model"),
        _asked("a time before all times", "GET calls?since=-1", NAMED, "since"),
        _asked("a time of a hundred digits", f"GET totals?until={'9' * 100}", NAMED, "until"),
        _asked("sums of every hour that ever was", "GET totals?since=0&step=hour", "a thousand steps are one answer", "since"),
        _asked("sums by a field of the record", "GET totals?by=account", NAMED, "by"),
    ),
)  # fmt: skip
