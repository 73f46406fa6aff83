"""The account of a Codex credential, by its plan; implements `Accounts`."""

from service.vocabulary.credentials import Caller, account_in

_ALWAYS = ("plus", "team")


class CodexAccounts:
    """Reads the account from the token, which names one only."""

    async def by_plan(self, caller: Caller) -> dict[str, list[str]]:
        """Return account ids by plan type; `plus` and `team` are always there."""
        plans: dict[str, list[str]] = {plan: [] for plan in _ALWAYS}
        told = account_in(caller.access_token)
        if told.account_id and told.plan:
            plans.setdefault(told.plan, []).append(told.account_id)
        return plans
