import json

from handlers.background.lost_output import LostOutput
from service.stages.encode.responses import ResponseEvents
from service.vocabulary.events import FunctionArguments, FunctionCallStarted, Outcome, TurnEnded
from service.vocabulary.rendered import ContentText
from tests.response_events import begun, parsed


def test_what_had_arrived_is_in_the_output_and_closed() -> None:
    events = ResponseEvents(begun())
    sent = events.opening
    sent += events.feed_batch([FunctionCallStarted(0, "call_1", "add"), FunctionArguments(0, "{}")])
    sent += events.feed_batch([ContentText("Hel")]) + events.feed_batch([ContentText("lo")])
    lost = LostOutput()
    lost.feed(sent)
    call, message = lost.items
    assert (call.status, message.status) == ("incomplete", "incomplete")
    assert json.loads(events_text(lost))["text"] == "Hello"
    end = parsed(lost.end(begun(status="failed")))
    assert [event["type"] for event in end] == [
        *["response.output_item.done"] * 2,
        "response.failed",
        "error",
    ]
    numbers = [event["sequence_number"] for event in (*parsed(sent), *end)]
    assert numbers == list(range(len(numbers)))


def events_text(lost: LostOutput) -> str:
    """Return the first part of the last item, as JSON."""
    done = parsed(lost.end(begun()))[1]
    return json.dumps(done["item"]["content"][0])


def test_what_was_finished_stays_as_it_was() -> None:
    events = ResponseEvents(begun())
    sent = events.opening + events.feed_batch(
        [ContentText("Hello"), TurnEnded(Outcome.COMPLETE, "stop")]
    )
    lost = LostOutput()
    lost.feed(sent)
    assert lost.items == events.response().output
