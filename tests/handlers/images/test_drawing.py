from handlers.images.drawing import Drawn, unwatched
from service.orders.images import Drawing
from service.stages.render.bot_format import WEB
from service.vocabulary.errors import QueueFullError
from service.vocabulary.events import (
    AnswerText,
    AssetKind,
    AssetReady,
    AssetWanted,
    Delta,
    Failure,
    Outcome,
    TurnEnded,
)

PICTURE = AssetReady(AssetWanted(AssetKind.PICTURE, "file-service://f", "c", "m"), "u", "x.png")
END = TurnEnded(Outcome.COMPLETE, "stop")
CUT = TurnEnded(Outcome.CUT, None, Failure(502, "cut", "upstream_error", "upstream_cut"))


def drawing(*deltas: Delta) -> Drawing:
    made = Drawing(WEB)
    made.feed_batch(deltas)
    return made


def test_an_order_is_what_its_first_picture_is() -> None:
    said, drew = drawing(AnswerText("No."), END), drawing(PICTURE, CUT)
    drawn = Drawn([said, drew], [QueueFullError("Too many.")])
    assert (drawn.first, drawn.made, drawn.failure) == (drew, [drew], None)
    assert drawn.outcome is Outcome.CUT


def test_an_order_without_a_picture_is_its_first_failure() -> None:
    drawn = Drawn([drawing(AnswerText("No."), END)], [QueueFullError("Too many.")])
    assert drawn.failure is not None
    assert drawn.failure.message == "Too many."
    assert drawn.outcome is Outcome.REFUSED
    said = Drawn([drawing(AnswerText("No."), END)], [])
    assert (said.outcome, Drawn([drawing(CUT)], []).outcome) == (Outcome.REFUSED, Outcome.CUT)


async def test_nothing_is_done_about_a_turn_that_is_not_watched() -> None:
    made = drawing(PICTURE)
    await unwatched(made)
    assert made.pictures == [PICTURE]
