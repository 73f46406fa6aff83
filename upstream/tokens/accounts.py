"""The accounts that a credential may use, by plan (protocol 6.8); implements `Accounts`."""

from typing import Any

from service.vocabulary.credentials import Caller
from upstream.http.backend import Backend

_PATH = "accounts/check/v4-2023-04-27"
_DEFAULT = "default"  # repeats one of the other entries
_ALWAYS = ("plus", "team")


class UpstreamAccounts:
    """Asks the upstream for a caller's accounts."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def by_plan(self, caller: Caller) -> dict[str, list[str]]:
        """Return account ids by plan, for example `{"plus": ["a1"], "team": []}`.

        `plus` and `team` are always there.

        Raises:
            UpstreamError: the upstream refused or broke.
        """
        answer = await self._backend.call(caller, "GET", _PATH)
        plans: dict[str, list[str]] = {plan: [] for plan in _ALWAYS}
        for account_id, plan in _entries(answer):
            ids = plans.setdefault(plan, [])
            if account_id not in ids:
                ids.append(account_id)
        return plans


def _entries(answer: dict[str, Any]) -> list[tuple[str, str]]:
    accounts, order = answer.get("accounts"), answer.get("account_ordering")
    if not isinstance(accounts, dict):
        return []
    keys = [key for key in order if key in accounts] if isinstance(order, list) else []
    entries = []
    for key in dict.fromkeys([*keys, *accounts]):
        account = accounts[key].get("account") if isinstance(accounts[key], dict) else None
        if not isinstance(account, dict):
            continue
        named, plan = account.get("account_id"), account.get("plan_type")
        account_id = named if isinstance(named, str) and named else key
        if account_id != _DEFAULT and isinstance(plan, str) and plan:
            entries.append((account_id, plan))
    return entries
