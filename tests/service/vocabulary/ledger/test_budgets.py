"""What is used of a budget."""

import pytest

from service.vocabulary.ledger.budgets import BudgetUse, Unit, Window


@pytest.mark.parametrize(("used", "is_used_up"), [(99, False), (100, True), (101, True)])
def test_a_budget_is_used_up_at_its_limit(used: int, is_used_up: bool) -> None:
    use = BudgetUse(Unit.REQUESTS, Window.FIVE_HOURS, 100, used, None)
    assert use.is_used_up is is_used_up
    assert use.name == "requests_per_5_hours"
