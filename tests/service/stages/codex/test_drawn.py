"""Pictures of an order, whole and in events."""

from collections.abc import Iterator
from typing import Any

from service.stages.codex.drawn import DrawnPictures
from service.stages.codex.events import ReadCodex
from service.vocabulary.events import BodyEnd, BodyEnded, Delta, Outcome, TurnEnded
from service.vocabulary.native import PictureFacts, PictureMade, PicturePreview, UsageKnown
from tests.codex_feeding import NOW, SECRET, body

USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"image_tokens": 6, "text_tokens": 3},
    "output_tokens": 100,
}
USED = UsageKnown(9, 100, picture_tokens=6)
DETAILS = {"size": "1024x1024", "quality": "low", "background": "opaque", "output_format": "webp"}


def partial(content: str, index: int) -> dict[str, Any]:
    kind = "image_generation.partial_image"
    return {"type": kind, "b64_json": content, "partial_image_index": index, **DETAILS}


def completed(content: str, **more: Any) -> dict[str, Any]:
    told = {"b64_json": content, "usage": USAGE, **DETAILS, **more}
    return {"type": "image_edit.completed", **told}


def read(raw: bytes, count: int = 1, how: BodyEnd = BodyEnd.CLEAN) -> list[Delta]:
    def all_of() -> Iterator[Delta]:
        reader, drawn = ReadCodex([SECRET]), DrawnPictures(NOW, count, [SECRET])
        for event in (*reader.feed(raw), *reader.end(BodyEnded(how))):
            yield from drawn.feed(event)

    return list(all_of())


def outcome(deltas: list[Delta]) -> Outcome:
    assert sum(isinstance(delta, TurnEnded) for delta in deltas) == 1
    assert isinstance(deltas[-1], TurnEnded)
    return deltas[-1].outcome


def test_previews_pictures_and_tokens_come_in_their_order() -> None:
    events = [partial("YQ==", 0), partial("Yg==", 1), completed("Yw==", revised_prompt="a boat")]
    private = {"type": "keepalive"}
    given = read(body([private, *events, partial("ZA==", 0), completed("ZQ==")]), 2)
    assert given[:-1] == [
        PicturePreview(0, 0, "YQ=="),
        PicturePreview(0, 1, "Yg=="),
        PictureMade(PictureFacts(0, DETAILS), "Yw==", "a boat"),
        USED,
        PicturePreview(1, 0, "ZA=="),
        PictureMade(PictureFacts(1, DETAILS), "ZQ=="),
        USED,
    ]
    assert outcome(given) is Outcome.COMPLETE


def test_fewer_pictures_than_were_ordered_are_a_cut() -> None:
    raw = body([completed("YQ==")])
    assert outcome(read(raw, 2)) is outcome(read(raw, 2, BodyEnd.CUT)) is Outcome.CUT
    assert outcome(read(raw)) is Outcome.COMPLETE
    assert outcome(read(body([partial("YQ==", 0)]))) is Outcome.CUT


def test_one_body_in_place_of_a_stream_is_read_all_the_same() -> None:
    raw = (
        b'{"created": 1, "data": [{"b64_json": "YQ=="}, {"b64_json": "Yg=="}, {"url": "x"}], '
        b'"size": "512x512", "usage": {"input_tokens": 1, "output_tokens": 2}}'
    )
    given = read(raw, 2)
    assert given[:-1] == [
        PictureMade(PictureFacts(0, {"size": "512x512"}), "YQ=="),
        PictureMade(PictureFacts(1, {"size": "512x512"}), "Yg=="),
        UsageKnown(1, 2),
    ]
    assert outcome(given) is Outcome.COMPLETE


def test_an_answer_without_pictures_is_empty() -> None:
    for data in ([], None, [{"b64_json": 7}], "x"):
        given = list(DrawnPictures(NOW, 1).whole({"data": data}))
        assert outcome(given) is Outcome.EMPTY


def test_an_error_ends_it_with_its_own_words() -> None:
    error = {"type": "error", "error": {"code": "moderation_blocked", "message": f"No {SECRET}."}}
    given = read(body([partial("YQ==", 0), error, completed("Yw==")]))
    assert isinstance(given[0], PicturePreview)
    assert outcome(given) is Outcome.FAILED
    failure = given[-1].failure if isinstance(given[-1], TurnEnded) else None
    assert failure is not None
    assert SECRET not in failure.message
    detail = read(b'{"detail": "Not Found"}')
    assert outcome(detail) in (Outcome.FAILED, Outcome.REFUSED)


def test_unknown_events_are_counted() -> None:
    given = read(body([{"type": "image_generation.dreamt", "n": 1}, completed("YQ==")]))
    assert isinstance(given[-1], TurnEnded)
    assert given[-1].counts == {"type image_generation.dreamt": 1}


def test_any_cut_of_the_bytes_gives_the_same() -> None:
    events = [partial("YQ==", 0), completed("Yw==", revised_prompt="a böat"), completed("ZQ==")]
    raw = body(events, newline="\r\n")
    whole = read(raw, 2)
    for size in (1, 2, 7, 64):
        reader, drawn = ReadCodex([SECRET]), DrawnPictures(NOW, 2, [SECRET])
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
        found = [event for piece in pieces for event in reader.feed(piece)]
        found += reader.end(BodyEnded(BodyEnd.CLEAN))
        assert [delta for event in found for delta in drawn.feed(event)] == whole


def test_text_with_an_error_in_it_is_read_by_its_text_alone_however_it_is_cut() -> None:
    text = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": "Hi"}
    raw = body([text, {**text, "error": {"message": "Pay"}}, text, completed("YQ==")])
    assert outcome(read(raw)) is Outcome.COMPLETE
    reader, drawn, given = ReadCodex([SECRET]), DrawnPictures(NOW, 1, [SECRET]), []
    for at in range(len(raw)):
        for event in reader.feed(raw[at : at + 1]):
            given += drawn.feed(event)
    assert outcome(given) is Outcome.COMPLETE
