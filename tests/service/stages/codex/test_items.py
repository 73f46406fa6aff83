"""Items one by one; their order in a turn is in `test_answer.py`."""

from service.stages.codex.items import Call, Message, Picture, Reasoning, ToolItem
from service.stages.codex.raw_events import Event
from service.vocabulary.events import FunctionArguments, FunctionCallStarted
from service.vocabulary.native import (
    FunctionCallEnded,
    MessageEnded,
    MessageStarted,
    PictureFailed,
    ReasoningEnded,
    ReasoningStarted,
    ToolItemEnded,
    ToolItemStarted,
)
from tests.rows import each_row


@each_row("item", [None, {}, {"content": 3}, {"content": [3, {"text": []}]}])
def test_an_item_of_any_shape_begins_and_ends(item):
    assert list(Message().finish(item)) == [MessageStarted(), MessageEnded()]
    assert list(Reasoning().finish(item)) == [ReasoningStarted(), ReasoningEnded()]
    assert list(Picture(0).finish(item)) == [PictureFailed(0)]
    assert list(Call(lambda: 0, {}, is_custom=False).finish(item)) == []
    tool = ToolItem(0)
    assert list(tool.begin({})) == [ToolItemStarted(0, {})]
    assert list(tool.finish(item)) == [ToolItemEnded(0, item or {})]


def test_the_id_of_a_tool_item_goes_to_nobody():
    tool = ToolItem(0)
    begun = list(tool.begin({"id": "ws_1", "type": "web_search_call"}))
    assert begun == [ToolItemStarted(0, {"type": "web_search_call"})]
    assert list(tool.finish({"id": "ws_1", "type": "web_search_call", "action": {}})) == [
        ToolItemEnded(0, {"type": "web_search_call", "action": {}})
    ]


def test_a_call_without_a_call_id_is_known_by_its_own():
    call = Call(lambda: 3, {}, is_custom=False)
    assert list(call.begin({"id": "fc_1", "name": "f"})) == [FunctionCallStarted(3, "fc_1", "f")]
    assert list(call.feed(Event("response.function_call_arguments.done", arguments="{}"))) == []
    assert list(call.finish(None)) == [FunctionArguments(3, "{}"), FunctionCallEnded(3)]


@each_row(
    "annotation",
    [
        {},
        {"type": "file_citation", "start_index": 0, "end_index": 1, "url": "https://e.org"},
        {"type": "url_citation", "start_index": 2, "end_index": 1, "url": "https://e.org"},
        {"type": "url_citation", "start_index": -1, "end_index": 1, "url": "https://e.org"},
        {"type": "url_citation", "start_index": True, "end_index": 1, "url": "https://e.org"},
        {"type": "url_citation", "start_index": 0, "end_index": 1, "url": ""},
        {"type": "url_citation", "start_index": 0, "end_index": 1, "url": "javascript:alert(1)"},
    ],
)
def test_a_citation_that_names_no_page_or_place_is_none(annotation):
    event = Event("response.output_text.annotation.added", annotation=annotation)
    assert list(Message().feed(event)) == []


def test_the_parts_of_an_item_are_bounded():
    message = Message()
    events = [Event("response.output_text.delta", content_index=n, delta="x") for n in range(1500)]
    said = [delta for event in events for delta in message.feed(event)]
    assert len(said) == 1001
