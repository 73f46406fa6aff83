import json
from typing import Any

from openai.types.image_edit_stream_event import ImageEditStreamEvent
from openai.types.image_gen_stream_event import ImageGenStreamEvent
from pydantic import TypeAdapter

from service.answers.images import Picture
from service.stages.encode.images import ImageEvents, PictureShown
from service.vocabulary.events import Failure, Outcome, TurnEnded, TurnFacts
from service.vocabulary.rendered import TokenCounts
from tests.rows import each_row

PICTURE = Picture(b64_json="aGk=", revised_prompt="a cat")
COUNTS = TokenCounts(3, 4, 0)
KINDS = [
    ("image_generation", False, ImageGenStreamEvent),
    ("image_edit", True, ImageEditStreamEvent),
]


def told(stream: bytes) -> list[dict[str, Any]]:
    blocks = stream.split(b"\n\n")
    assert blocks.pop() == b""
    events = []
    for block in blocks:
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        events.append(event)
    return events


@each_row(("kind", "is_edit", "official"), KINDS)
def test_previews_and_pictures_are_the_sdk_s_events(
    kind: str, is_edit: bool, official: Any
) -> None:
    events = ImageEvents(1_700_000_000, "1024x1024", is_edit=is_edit)
    stream = events.feed_batch(
        [
            PictureShown(PICTURE, "png", preview=0),
            PictureShown(PICTURE, "webp", {"size": "512x512"}, COUNTS),
            TurnFacts("c", "m", "slug"),
            TurnEnded(Outcome.COMPLETE, "stop"),
        ]
    )
    partial, completed = told(stream + events.finish(None))
    for event in (partial, completed):
        TypeAdapter(official).validate_python(event, strict=True)
        assert event["b64_json"] == "aGk="
    assert [event["size"] for event in (partial, completed)] == ["1024x1024", "512x512"]
    assert (partial["type"], partial["partial_image_index"]) == (f"{kind}.partial_image", 0)
    assert (completed["type"], completed["output_format"]) == (f"{kind}.completed", "webp")
    assert completed["usage"]["total_tokens"] == 7
    assert events.gathered.facts.upstream_model == "slug"


def test_a_failure_is_an_error_event() -> None:
    failure = Failure(400, "No.", "invalid_request_error", "content_policy_violation")
    [event] = told(ImageEvents(1, "auto", is_edit=False).fail(failure))
    code = "content_policy_violation"
    details = {"message": "No.", "type": "invalid_request_error", "param": None, "code": code}
    assert event == {"type": "error", "error": details}


def test_silence_is_filled_with_comments() -> None:
    events = ImageEvents(1, "auto", is_edit=False)
    assert events.opening.startswith(b":")
    assert events.keep_alive().startswith(b":")
    assert events.text("Here it is.") == b""
