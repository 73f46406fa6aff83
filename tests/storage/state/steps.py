"""Steps of budgets in a random order, to be done by a store and in memory alike."""

import random
from collections.abc import Awaitable, Callable

from service.vocabulary.credentials import Budgets
from service.vocabulary.ledger.budgets import (
    BudgetStep,
    Change,
    Spent,
    Taken,
    Unit,
    Window,
    budget_step,
    take,
    uses_of,
)

START = 1_796_040_000.0  # 2026-11-30, a few hours before December
PAUSES = (0.0, 0.3, 45.0, 3_600.0, 18_100.0, 30_000.0, 90_000.0, 600_000.0, -3.0, -90_000.0)

Spend = Callable[[str, BudgetStep], Awaitable[Taken]]


async def compare(spend: Spend, seed: int, number: int = 60) -> None:
    """Do random steps by a store and in memory, and compare what is left of the budgets."""
    chance, now, spent = random.Random(seed), START, Spent()
    names = [f"{unit}_per_{window}" for unit in Unit for window in Window]
    for _ in range(number):
        now += chance.choice(PAUSES)
        budgets = Budgets(**{name: chance.choice([0, 0, 2, 5, 40]) for name in names})
        changes = [
            Change(now - chance.choice([0, 70, 4_000]), chance.choice([0, -1, 1]), tokens)
            for tokens in chance.choices([0, 1, 7], k=chance.randrange(3))
        ]
        step = budget_step(budgets, now, changes, chance.choice([0, 1, 1, 3, 50]))
        let_in = take(spent, step)
        taken = await spend(f"key-{seed}", step)
        assert taken.let_in == let_in
        every = Budgets(**dict.fromkeys(names, 1_000))
        assert uses_of(every, taken.spent, now) == uses_of(every, spent, now)
