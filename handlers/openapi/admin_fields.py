"""The notes on request fields of `/admin/…`; their types and bounds are in the readers' records."""

from typing import Any

from msgspec import Struct

from handlers.admin.accounts import SignInFields
from handlers.admin.fields import MAX_NAME_CHARS
from handlers.admin.keys import BudgetFields, KeyChangeFields, NewKeyFields

_LIMITS: dict[str, dict[str, Any]] = {
    "name": {"description": "What it is called.", "minLength": 1, "maxLength": MAX_NAME_CHARS},
    "requests_per_minute": {"description": "Requests a minute; 0 is no limit."},
    "concurrent_requests": {"description": "Requests at once; 0 is no limit."},
    "models": {"description": "The models that it may ask for; empty: any."},
    "shows_account": {"description": "Whether its holder sees the account's limits."},
    "budgets": {"description": "Requests and tokens for a time; without one there is no limit."},
}
_BUDGET = "{unit} that may be used in {window}; null is no limit."
_WINDOWS = {
    "5_hours": "any five hours",
    "day": "a day of UTC",
    "week": "a week from Monday, in UTC",
    "month": "a month of the calendar, in UTC",
}
ADMIN_FIELDS: dict[type[Struct], dict[str, dict[str, Any]]] = {
    SignInFields: {
        "name": {
            "description": "What the account is called; without it a name is made.",
            "maxLength": MAX_NAME_CHARS,
        }
    },
    NewKeyFields: {
        **_LIMITS,
        "account": {"description": "The id of the account that it stands for."},
    },
    KeyChangeFields: _LIMITS,
    BudgetFields: {
        f"{unit}_per_{name}": {"description": _BUDGET.format(unit=unit.title(), window=window)}
        for unit in ("requests", "tokens")
        for name, window in _WINDOWS.items()
    },
}
