from service.stages.decode.messages import MessageKind
from service.stages.translate.progress import Progress


def growing() -> Progress:
    progress = Progress()
    progress.kind = MessageKind.ANSWER
    progress.growth.append("It")
    progress.has_text = True
    return progress


def test_an_answer_grows_while_a_part_of_it_is_out_and_more_may_come() -> None:
    assert growing().is_growing
    assert not Progress().is_growing
    for change in ("is_dropped", "is_finished"):
        progress = growing()
        setattr(progress, change, True)
        assert not progress.is_growing


def test_no_other_message_and_none_that_turned_back_counts_as_growing() -> None:
    progress = growing()
    progress.growth.replace("I")
    assert not progress.is_growing
    call = growing()
    call.kind = MessageKind.TOOL_CALL
    assert not call.is_growing
