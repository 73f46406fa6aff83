from msgspec import to_builtins

from service.pipeline.joined import make_renderer
from service.stages.encode.response_output import OutputItems, response_of
from service.stages.render.bot_format import ITEMS
from service.vocabulary.events import FunctionArguments, Outcome, ReasoningText, TurnEnded
from service.vocabulary.rendered import ContentText
from tests.feeding import deltas
from tests.oracle import render


def test_the_id_of_an_item_leads_to_its_response() -> None:
    output = OutputItems("resp_abc", {})
    output.feed(ReasoningText("Hm."))
    output.feed(ContentText("Hi"))
    ids = [item.id for item in output.output]
    assert ids == ["rs_abc000", "msg_abc001"]
    assert {response_of(item_id) for item_id in ids} == {"resp_abc"}


def test_an_id_that_is_none_of_ours_leads_nowhere() -> None:
    assert response_of("x") == response_of("") == "resp_"


def test_empty_text_begins_nothing() -> None:
    output = OutputItems("resp_abc", {})
    assert output.feed(ContentText("")) == []
    assert output.feed(FunctionArguments(0, "{}")) == []
    assert output.output == []
    assert output.open_item is None


def test_what_is_open_at_the_end_is_closed_by_it() -> None:
    output = OutputItems("resp_abc", {})
    output.feed(ContentText("Hi"))
    events = output.feed(TurnEnded(Outcome.COMPLETE, "stop"))
    assert events[-1].type == "response.output_item.done"
    assert output.close() == []


def test_a_search_of_the_website_is_an_item_between_the_others() -> None:
    transcript = {
        "steps": [
            {"id": "a1", "text": "I look.", "status": "finished_successfully", "end_turn": False},
            {"id": "k1", "recipient": "web.run", "text": '{"search_query":[{"q":"boats"}]}'},
            {"id": "k1", "status": "finished_successfully", "end_turn": False},
            {"id": "k2", "recipient": "bio", "text": "x", "status": "finished_successfully"},
            {"id": "a2", "text": "Boats float.", "finish": True},
            {"done": True},
        ]
    }
    output, events = OutputItems("resp_abc", {}), []
    renderer = make_renderer(ITEMS)
    for delta in deltas(render.render(transcript, "v1")):
        events += [event for piece in renderer.feed(delta) for event in output.feed(piece)]
    told = to_builtins(output.output)
    assert [item["type"] for item in told] == ["message", "web_search_call", "message"]
    assert told[1]["status"] == "completed"
    assert told[1]["action"]["query"] == "boats"
    assert [event.type for event in events if "web_search" in event.type] == [
        f"response.web_search_call.{step}" for step in ("in_progress", "searching", "completed")
    ]
