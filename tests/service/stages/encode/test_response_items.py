import msgspec

from service.answers.response_events import OutputTextDelta
from service.answers.responses import OutputText
from service.stages.encode.response_items import (
    CallItem,
    CustomCallItem,
    MessageItem,
    ReasoningItem,
)
from service.vocabulary.requests import Function


def test_a_growing_item_cuts_long_text_into_several_events() -> None:
    item = MessageItem("msg_1", 0)
    events = item.grow("x" * 12_000)
    assert [len(event.delta) for event in events if isinstance(event, OutputTextDelta)] == [
        5_000,
        5_000,
        2_000,
    ]
    assert item.record().content == [OutputText("x" * 12_000)]
    assert item.chars == 12_000


def test_an_item_is_told_as_it_was_when_it_was_told() -> None:
    item = MessageItem("msg_1", 0)
    item.grow("Hel")
    before = item.record()
    item.grow("lo")
    item.cite("https://a.example", "A", 0, 5)
    assert before.content == [OutputText("Hel", [])]
    assert item.record().content[0].text == "Hello"


def test_an_interrupted_thought_says_so_in_its_part() -> None:
    item = ReasoningItem("rs_1", 3)
    item.grow("Hm")
    item.status = "incomplete"
    end = [msgspec.to_builtins(event) for event in item.closed()]
    assert end[1]["status"] == "incomplete"
    assert end[2]["item"]["status"] == "incomplete"
    assert {event["output_index"] for event in end} == {3}


def test_a_call_tells_its_name_and_id_from_the_start() -> None:
    added = CallItem("fc_1", 0, "call_1", Function("look", "")).added()
    assert msgspec.to_builtins(added)["item"] == {
        "id": "fc_1",
        "type": "function_call",
        "status": "in_progress",
        "call_id": "call_1",
        "name": "look",
        "arguments": "",
    }


def test_a_call_tells_its_name_and_namespace_apart() -> None:
    function = Function("mcp__list", "", namespace="mcp", own_name="list")
    *_, done = CallItem("fc_1", 0, "call_1", function).closed()
    item = msgspec.to_builtins(done)["item"]
    assert (item["name"], item["namespace"]) == ("list", "mcp")


def test_a_custom_tool_is_called_with_its_input() -> None:
    item = CustomCallItem("ctc_1", 2, "call_1", Function("apply_patch", "", is_custom=True))
    item.status = "completed"
    events = [item.added(), *item.grow("*** Begin"), *item.closed()]
    assert [event.type for event in events] == [
        "response.output_item.added",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.output_item.done",
    ]
    assert msgspec.to_builtins(events[2])["input"] == "*** Begin"
    assert msgspec.to_builtins(events[3])["item"] == {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "status": "completed",
        "call_id": "call_1",
        "name": "apply_patch",
        "input": "*** Begin",
    }
