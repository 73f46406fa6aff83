"""Protocol 8.2, "Recognising an output image", sign by sign."""

from typing import Any

from service.stages.decode.messages import read_message
from service.stages.translate.pictures import Pictures, generated_pictures, result_pictures
from service.vocabulary.events import Message, SentHistory
from tests.rows import each_row

POINTER = "sediment://file_0000000000000000000000000000abcd"


def made(part: dict[str, Any], role: str = "tool", **fields: Any) -> Message:
    raw = {
        "id": "m",
        "author": {"role": role, "name": fields.pop("name", "some.tool")},
        "content": {"content_type": "multimodal_text", "parts": [part]},
        "status": fields.pop("status", "finished_successfully"),
        **fields,
    }
    message = read_message(raw)
    assert message is not None
    return message


def part(pointer: str = POINTER, **fields: Any) -> dict[str, Any]:
    return {"content_type": "image_asset_pointer", "asset_pointer": pointer, **fields}


GENERATED = {"metadata": {"generation": {"height": 1024}}, "height": 1024, "width": 512}


@each_row(
    ("message", "recipient"),
    [
        (made(part(metadata={"dalle": {"prompt": ""}})), None),
        (made(part(**GENERATED)), None),
        (made(part(), metadata={"async_task_type": "image_gen"}), None),
        (made(part(), metadata={"image_gen_title": "x"}), None),
        (made(part(), name="dalle.text2im"), None),
        (made(part()), "t2uay3k.sj1i4kz"),
        (made(part(**GENERATED), role="assistant"), None),
    ],
)
def test_any_one_sign_makes_an_output_picture(message: Message, recipient: str | None) -> None:
    assert [p.pointer for p in generated_pictures(message, recipient)] == [POINTER]


@each_row(
    "message",
    [
        made(part()),
        made(part(**GENERATED), role="user"),
        made(part("sediment://file_upload", **GENERATED)),
        made(part("https://example.org/x.png", **GENERATED)),
        made(part("sediment://", **GENERATED)),
        made({"content_type": "image_asset_pointer", "asset_pointer": None, **GENERATED}),
    ],
)
def test_without_a_sign_or_a_real_pointer_there_is_none(message: Message) -> None:
    assert generated_pictures(message, None) == []


def test_what_follows_the_id_is_cut_off() -> None:
    (picture,) = generated_pictures(made(part(POINTER + "#file_x?y", **GENERATED)), None)
    assert picture.pointer == POINTER
    assert picture.file_id == "file_0000000000000000000000000000abcd"
    assert (picture.width, picture.height) == (512, 1024)


@each_row(("prompt", "revised"), [("A cat", "A cat"), ("", None), (None, None)])
def test_the_revised_prompt_is_dalle_s_if_it_has_one(prompt: Any, revised: str | None) -> None:
    (picture,) = generated_pictures(made(part(metadata={"dalle": {"prompt": prompt}})), None)
    assert picture.revised_prompt == revised


def test_a_smaller_generation_or_an_unfinished_message_is_a_preview() -> None:
    smaller = part(metadata={"generation": {"height": 512}}, height=1024)
    assert generated_pictures(made(smaller), None)[0].is_preview
    assert generated_pictures(made(part(**GENERATED), status="in_progress"), None)[0].is_preview
    assert not generated_pictures(made(part(**GENERATED)), None)[0].is_preview


def test_pictures_of_a_result_are_its_images_only() -> None:
    entries = [
        {"message_type": "image", "image_url": "file-service://file-A", "width": 3},
        {"message_type": "stream", "text": "x"},
        {"message_type": "image", "image_url": None},
        "noise",
    ]
    message = made(part(), metadata={"aggregate_result": {"messages": entries}})
    assert [p.pointer for p in result_pictures(message)] == ["file-service://file-A"]
    assert result_pictures(made(part(), metadata={"aggregate_result": None})) == []


def test_a_picture_is_wanted_once_and_never_one_that_was_sent() -> None:
    pictures = Pictures(SentHistory(file_ids=frozenset({"file_sent"})))
    done = made(part(**GENERATED))
    assert [each.pointer for each in pictures.of_message(done, None)] == [POINTER]
    assert list(pictures.of_message(done, None)) == []
    assert list(pictures.of_message(made(part("sediment://file_sent", **GENERATED)), None)) == []
    assert list(pictures.last()) == []


def test_a_preview_is_wanted_at_the_end_unless_something_better_came() -> None:
    pictures = Pictures(SentHistory())
    preview = made(part("sediment://file_1", **GENERATED), status="in_progress")
    assert list(pictures.of_message(preview, None)) == []
    assert [each.pointer for each in pictures.last()] == ["sediment://file_1"]
    assert list(pictures.last()) == []


def test_previews_are_wanted_once_each_where_the_caller_takes_them() -> None:
    pictures = Pictures(SentHistory(wants_previews=True))
    preview = made(part("sediment://file_1", **GENERATED), status="in_progress")
    told = [each for _ in range(2) for each in pictures.of_message(preview, None)]
    assert [(each.pointer, each.is_preview) for each in told] == [("sediment://file_1", True)]
    assert [each.is_preview for each in pictures.last()] == [False]
