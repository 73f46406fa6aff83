"""The rows of what Codex's back end answers with one object: orders of pictures, and compactions.

POST images/generations, images/edits    {"data": [{"b64_json": …}], "size": …}    (codex 5)
POST responses/compact                   {"output": [{"type": "compaction", …}]}   (codex 2.1)
"""

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from tests.faults.codex_turns import COMPLETED, CREATED, item_event
from tests.faults.companions import answers
from tests.faults.endpoints import CODEX_COMPACT, CODEX_EDITS, CODEX_ORDERS
from tests.faults.rows import Row
from tests.faults.table import (
    COMPLETE,
    EMPTY,
    FAILED,
    JSON,
    REFUSED,
    SAID,
    Ending,
    Fault,
    turn_fault,
)
from tests.faults.turns import TRIES, Frame, GoodTurn
from tests.faults.upstream import JSON_HEAD, PNG, Script
from tests.scripted_upstream import Head

DRAWN = {"created": 1, "data": [{"b64_json": base64.b64encode(PNG).decode()}], "size": "3x2"}
COMPACTED = {"output": [{"type": "compaction", "encrypted_content": "gAAAAsealed"}]}
BY_TOOL = (
    CREATED,
    item_event(
        *("done", 0),
        type="image_generation_call",
        id="ig_1",
        status="completed",
        result=base64.b64encode(PNG).decode(),
    ),
    COMPLETED,
)
REST = 5_000
RENAMED = {410: 404, 413: 400, 422: 400}
CODES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "permission_error",
    404: "not_found",
    410: "not_found",
    413: "context_length_exceeded",
    422: "invalid_request",
    429: "rate_limit_exceeded",
}
NO_WAY = ("404", "405", "501")
"""Statuses that say that pictures are not drawn in this way."""
_UNREAD = ("an empty object", "fields of other types")
_BROKEN = (
    *("reset", "closed", "no HTTP", "a chunk of no size", "shorter than it says"),
    *("a chunk of no size, later", "gzip that is none"),
)


def _object(name: str, place: str, answer: dict[str, Any], *, is_drawn: bool) -> GoodTurn:
    frame = Frame(orjson.dumps(answer), "", has_picture=is_drawn, is_end=True)
    return GoodTurn(name, (frame,), place=place)


ORDER = _object("order", "codex images", DRAWN, is_drawn=True)
EDIT = _object("edit", "codex edits", DRAWN, is_drawn=True)
COMPACTION = _object("compaction", "codex compact", COMPACTED, is_drawn=False)


def whole_answers(turn: GoodTurn) -> Iterator[Fault]:
    """Whatever a place for one object answers: what can pass is asked once more."""
    for name, script in answers():
        if name in NO_WAY and turn.draws:
            continue  # is tried in another way
        tries = TRIES if name in _BROKEN or name.endswith(("502", "503", "504")) else 1
        yield Fault(name, {"turn": script}, _ending(name), {"turn": tries})


def _ending(name: str) -> Ending:
    if name in _BROKEN:
        return FAILED
    if name in _UNREAD:
        return EMPTY
    if name.isdigit() and int(name) in CODES:
        status = int(name)
        return Ending("refused", RENAMED.get(status, status), CODES[status], words=SAID)
    return replace(REFUSED, status=503) if name == "503" else REFUSED


def drawn_otherwise(_turn: GoodTurn) -> Iterator[Fault]:
    """Where pictures are not ordered, or not with such a field, the model draws by its tool."""
    drawn = replace(COMPLETE, has_picture=True)
    told = Ending("refused", 400, "invalid_request", words=SAID)
    neither = Script(({"detail": SAID},), Head(400, JSON))
    for status in NO_WAY:
        none = Script(({"detail": SAID},), Head(int(status), JSON))
        visits = {"turn": 1, "codex": 1}
        yield Fault(status, {"turn": none, "codex": Script(BY_TOOL)}, drawn, visits)
        yield Fault(f"{status}, neither", {"turn": none, "codex": neither}, told, visits)
    for name, body, ending in (
        ("no picture", {"data": []}, EMPTY),
        ("a picture of nothing", {"data": [{"b64_json": 7}, None]}, EMPTY),
    ):
        yield turn_fault(name, (body,), ending, head=JSON_HEAD)


def picture_limits(_turn: GoodTurn) -> Iterator[Fault]:
    """Pictures have a rest of their own: the account's words go on (spec 14.4)."""
    error = {"type": "usage_limit_reached", "message": SAID, "resets_in_seconds": REST}
    told = Ending("refused", 429, "rate_limit_exceeded", words=SAID, rests=REST)
    yield turn_fault("used up", ({"error": error},), told, head=Head(429, JSON))


ORDER_ROWS = (
    Row("Codex: orders of pictures", whole_answers, turns=(ORDER,), pictures=(CODEX_ORDERS,)),
    Row("Codex: edits of pictures", whole_answers, turns=(EDIT,), pictures=(CODEX_EDITS,)),
    Row("Codex: drawn by the tool", drawn_otherwise, turns=(ORDER,), pictures=(CODEX_ORDERS,)),
    Row("Codex: limits of pictures", picture_limits, turns=(ORDER,), pictures=(CODEX_ORDERS,)),
    Row("Codex: compaction", whole_answers, turns=(COMPACTION,), texts=(CODEX_COMPACT,)),
)
