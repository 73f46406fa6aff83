"""Each implementation of these ports takes the arguments that the port declares."""

import inspect

from service.ledger import ports
from service.ledger.budgets import HeldBudgets
from storage.ledger.redis_calls import RedisCalls
from storage.ledger.sqlite_calls import SqliteCalls
from storage.state.store import DegradingStore
from tests.ledger import BudgetMemory
from tests.rows import each_row
from tests.service.test_ports import assert_takes_as_promised

IMPLEMENTATIONS = [
    (ports.BudgetStore, DegradingStore),
    (ports.BudgetStore, BudgetMemory),
    (ports.KeyBudgets, HeldBudgets),
    (ports.CallLog, SqliteCalls),
    (ports.CallStore, SqliteCalls),
    (ports.CallStore, RedisCalls),
]


def test_every_port_has_an_implementation() -> None:
    protocols = {
        each
        for each in vars(ports).values()
        if inspect.isclass(each) and each.__module__ == ports.__name__
    }
    assert protocols == {port for port, _ in IMPLEMENTATIONS}


@each_row(("port", "implementation"), IMPLEMENTATIONS)
def test_it_takes_what_the_port_promises(port: type, implementation: type) -> None:
    assert_takes_as_promised(port, implementation)
