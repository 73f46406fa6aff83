"""Items that stand for a history -> deltas (codex 2.1).

{"output": [{"type": "message", "role": "user", …}, {"type": "compaction", …}]}
"""

from collections.abc import Iterator, Mapping
from typing import Any

from service.stages.codex.answer import MAX_ITEMS, usage_in
from service.stages.codex.items import without_id
from service.vocabulary.endings import Seen, TurnState, Word
from service.vocabulary.events import BodyEnd, Delta
from service.vocabulary.native import ToolItemEnded


def compacted(body: Mapping[str, Any]) -> Iterator[Delta]:
    """Yield each item of a compaction's answer; an answer without items is empty."""
    listed = body.get("output")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    state = TurnState()
    for number, item in enumerate(items[:MAX_ITEMS]):
        state.see(Seen.ITEM | Seen.EVENTS)
        yield ToolItemEnded(number, without_id(item))
    if (known := usage_in(body.get("usage"))) is not None:
        yield known
    state.hear(Word.CONFIRMATION)
    yield state.end(BodyEnd.CLEAN).ended()
