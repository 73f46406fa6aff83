"""Items that stand for a history."""

from typing import Any

import pytest

from service.stages.codex.answer import MAX_ITEMS
from service.stages.codex.compacted import compacted
from service.vocabulary.events import Outcome, TurnEnded
from service.vocabulary.native import ToolItemEnded, UsageKnown

ITEM = {"type": "compaction", "encrypted_content": "gAAAA"}


def outcome(body: dict[str, Any]) -> Outcome:
    *_, last = compacted(body)
    assert isinstance(last, TurnEnded)
    return last.outcome


def test_items_come_without_their_ids_and_the_usage_if_there_is_one() -> None:
    usage = {"input_tokens": 5, "output_tokens": 2}
    user = {"type": "message", "role": "user", "content": []}
    body = {"output": [{"id": "msg_1", **user}, {"id": "cmp_1", **ITEM}], "usage": usage}
    *items, used, last = compacted(body)
    assert items == [ToolItemEnded(0, user), ToolItemEnded(1, ITEM)]
    assert used == UsageKnown(5, 2)
    assert isinstance(last, TurnEnded)
    assert last.outcome is Outcome.COMPLETE


@pytest.mark.parametrize("output", [None, [], "x", [7, None]])
def test_without_items_it_is_empty(output: Any) -> None:
    assert outcome({"output": output}) is Outcome.EMPTY


def test_there_are_not_too_many() -> None:
    *items, _ = compacted({"output": [ITEM] * (MAX_ITEMS + 5)})
    assert len(items) == MAX_ITEMS
