"""The strictest readers of a streamed response: the official SDK's types and its accumulator,
and the published Open Responses schema.
"""

import json
from typing import Any

from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from service.answers.responses import ModelResponse
from tests.open_responses import check_open_event, check_open_response

MAX_LINE_BYTES = 65_535
# Events of these types have a whole text or picture.
_WHOLE = (
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.done",
    "response.reasoning_summary_text.done",
    "response.reasoning_summary_part.done",
    "response.completed",
    "response.incomplete",
    "response.failed",
)
_ADAPTER: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
Event = dict[str, Any]


def begun(**fields: Any) -> ModelResponse:
    """Return a new response to a request without any options."""
    plain = {"reasoning": {"effort": None, "summary": None}, "text": {"format": {"type": "text"}}}
    made = {"id": "resp_1", "model": "gpt-4o", "created_at": 1_700_000_000, **plain, **fields}
    return ModelResponse(**made)


def parsed(stream: bytes) -> list[Event]:
    """Return the events of a stream; comments are left out."""
    blocks = stream.split(b"\n\n")
    assert blocks.pop() == b"", "the last event has no end"
    events = []
    for block in blocks:
        if block.startswith(b":"):
            continue
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        assert data.startswith(b"data: ")
        assert b"\r" not in block
        assert event["type"] in _WHOLE or len(data) < MAX_LINE_BYTES, event["type"]
        events.append(event)
    return events


def checked(stream: bytes) -> list[Event]:
    """Return the events of a whole stream, after checking everything that its readers rely on."""
    events = parsed(stream)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    first = [event["type"] for event in events[:2]]
    is_background = events[0]["response"]["background"]
    assert first == ["response.created", f"response.{'queued' if is_background else 'in_progress'}"]
    last = events[-1]["type"]
    assert last in ("response.completed", "response.incomplete", "error")
    assert (last == "error") is ("response.failed" in {event["type"] for event in events[:-1]})
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        check_open_event(event)
        state.handle_event(_ADAPTER.validate_python(_with_known_code(event)))
    _check_items(events)
    return events


def check_response(response: dict[str, Any]) -> Response:
    """Return a response object as the SDK reads it, with its types checked."""
    check_open_response(response)
    return Response.model_validate(_with_known_code({"response": response})["response"])


def last_response(events: list[Event]) -> dict[str, Any]:
    """Return the response object of the last event that has one."""
    return dict([event for event in events if "response" in event][-1]["response"])


def types_of(events: list[Event]) -> list[str]:
    """Return the types of events without their common prefix."""
    return [event["type"].removeprefix("response.") for event in events]


def text_of(events: list[Event]) -> str:
    """Return the text of the deltas put together."""
    return "".join(
        event["delta"] for event in events if event["type"] == "response.output_text.delta"
    )


def _check_items(events: list[Event]) -> None:
    """Check that added, done and final items agree, and deltas with the done text."""
    added = {e["output_index"]: e["item"] for e in events if e["type"].endswith("item.added")}
    done = {e["output_index"]: e["item"] for e in events if e["type"].endswith("item.done")}
    final = last_response(events)["output"]
    assert list(added) == sorted(done) == list(range(len(final)))  # calls may end in another order
    for index, item in enumerate(final):
        assert added[index]["id"] == done[index]["id"] == item["id"]
        assert item["status"] != "in_progress"
        deltas = "".join(e.get("delta", "") for e in events if e.get("output_index") == index)
        match item["type"]:
            case "message":
                parts = item["content"]
                assert deltas == "".join(part.get("text", part.get("refusal")) for part in parts)
            case "reasoning":
                parts = [*item["summary"], *item.get("content", ())]
                assert deltas == "".join(part["text"] for part in parts)
            case "function_call":
                assert deltas == item["arguments"]
            case "custom_tool_call":
                assert deltas == item["input"]


def _with_known_code(event: Event) -> Event:
    """Return an event with one of OpenAI's error codes in place of ours, for strict types."""
    error = event.get("response", {}).get("error")
    if not error:
        return event
    response = {**event["response"], "error": {**error, "code": "server_error"}}
    return {**event, "response": response}
