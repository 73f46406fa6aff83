"""All tables of the support list, and what the rest of the official API is answered."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.compatibility.answers import (
    ADD,
    ADD_CASES,
    COMPACT,
    COMPACT_CASES,
    CONVERSATION_CASES,
    CONVERSATION_ITEM_CASES,
    COUNT_INPUT,
    COUNT_INPUT_CASES,
    INPUT_ITEM_CASES,
    RESPONSE,
    RESPONSE_CASES,
    RETRIEVE_CASES,
    UPDATE,
    UPDATE_CASES,
)
from tests.compatibility.case import Case
from tests.compatibility.chats import CHAT, CHAT_CASES, COMPLETION, COMPLETION_CASES
from tests.compatibility.claude import COUNT, COUNT_CASES, MESSAGE, MESSAGE_CASES
from tests.compatibility.pictures import (
    EDIT,
    EDIT_CASES,
    LIST_CASES,
    ORDER,
    ORDER_CASES,
    UPLOAD,
    UPLOAD_CASES,
    VARIATION,
    VARIATION_CASES,
)
from tests.compatibility.sounds import (
    SPEECH,
    SPEECH_CASES,
    TRANSCRIPTION,
    TRANSCRIPTION_CASES,
)


@dataclass(frozen=True)
class Table:
    """One endpoint: `call` as the SDK has it, a request that is right, and the cases of its fields.

    `path` is the call's own with ids in it; `sends` says where fields go.
    """

    short: str
    call: str
    sends: str
    base: dict[str, Any]
    cases: list[Case]
    path: str = ""

    @property
    def method(self) -> str:
        return self.call.partition(" ")[0]

    @property
    def place(self) -> str:
        return self.path or self.call.partition(" ")[2]

    def named(self) -> Iterator[tuple[Case, str]]:
        """Yield each case with the name of its row and test, in the order of the page."""
        seen: Counter[str] = Counter()
        for case in sorted(self.cases, key=lambda case: case.field):
            name = ".".join([self.short, *re.findall(r"\w+", case.field)])
            seen[name] += 1
            yield case, name if seen[name] == 1 else f"{name}.{seen[name]}"


TABLES = (
    Table("chat", "POST /chat/completions", "json", CHAT, CHAT_CASES),
    Table("completions", "POST /completions", "json", COMPLETION, COMPLETION_CASES),
    Table("responses", "POST /responses", "json", RESPONSE, RESPONSE_CASES),
    Table("compact", "POST /responses/compact", "json", COMPACT, COMPACT_CASES),
    Table(
        "response",
        "GET /responses/{response_id}",
        "query",
        {},
        RETRIEVE_CASES,
        "/responses/{background}",
    ),
    Table("input_tokens", "POST /responses/input_tokens", "json", COUNT_INPUT, COUNT_INPUT_CASES),
    Table(
        "input_items",
        "GET /responses/{response_id}/input_items",
        "query",
        {},
        INPUT_ITEM_CASES,
        "/responses/{response}/input_items",
    ),
    Table("conversations", "POST /conversations", "json", {}, CONVERSATION_CASES),
    Table(
        "conversation",
        "POST /conversations/{conversation_id}",
        "json",
        UPDATE,
        UPDATE_CASES,
        "/conversations/{other}",
    ),
    Table(
        "new_items",
        "POST /conversations/{conversation_id}/items",
        "json",
        ADD,
        ADD_CASES,
        "/conversations/{other}/items",
    ),
    Table(
        "items",
        "GET /conversations/{conversation_id}/items",
        "query",
        {},
        CONVERSATION_ITEM_CASES,
        "/conversations/{conversation}/items",
    ),
    Table("generations", "POST /images/generations", "json", ORDER, ORDER_CASES),
    Table("edits", "POST /images/edits", "form", EDIT, EDIT_CASES),
    Table("variations", "POST /images/variations", "form", VARIATION, VARIATION_CASES),
    Table("speech", "POST /audio/speech", "json", SPEECH, SPEECH_CASES),
    Table(
        "transcriptions",
        "POST /audio/transcriptions",
        "form",
        TRANSCRIPTION,
        TRANSCRIPTION_CASES,
    ),
    Table("upload", "POST /files", "form", UPLOAD, UPLOAD_CASES),
    Table("files", "GET /files", "query", {}, LIST_CASES),
    Table("messages", "POST /messages", "json", MESSAGE, MESSAGE_CASES),
    Table("count_tokens", "POST /messages/count_tokens", "json", COUNT, COUNT_CASES),
)
