import msgspec

from service.answers.response_events import ArgumentsDelta


def test_an_event_knows_the_type_that_it_is_sent_with() -> None:
    event = ArgumentsDelta(output_index=0, item_id="fc_1", delta="{")
    assert event.type == msgspec.to_builtins(event)["type"]
    assert event.type == "response.function_call_arguments.delta"
