from service.stages.encode.response_output import OutputItems, response_of
from service.vocabulary.events import FunctionArguments, Outcome, ReasoningText, TurnEnded
from service.vocabulary.rendered import ContentText


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
