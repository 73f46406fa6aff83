from typing import Any

import pytest

from service.stages.translate.late_pictures import IMAGE_GEN, LatePictures, is_tool_arguments
from service.vocabulary.events import BodyEnd, BodyEnded, Message

ARGUMENTS = '{"size":"1920x1088","n":1}'
SIGNS: list[dict[str, Any]] = [
    {"image_gen_async": True},
    {"image_gen_task_id": "task-1"},
    {"async_task_type": "image_gen"},
    {"trigger_async_ux": True},
    {"ui_card_shimmer": {"x": 1}},
]


def message(role: str = "tool", **fields: Any) -> Message:
    given = {
        "id": "t1",
        "role": role,
        "name": None,
        "content_type": "text",
        "text": "Processing image",
        "status": "finished_successfully",
        "recipient": "all",
        "channel": None,
        "is_end_turn": False,
        "pointers": (),
        "content": {},
        "metadata": {},
        **fields,
    }
    return Message(**given)


def is_pending(
    late: LatePictures,
    how: BodyEnd = BodyEnd.CLEAN,
    *,
    has_answer: bool = False,
    has_picture: bool = False,
) -> bool:
    return late.is_pending(how, has_answer=has_answer, has_picture=has_picture)


@pytest.mark.parametrize("metadata", SIGNS)
def test_a_tool_s_sign_is_enough(metadata: dict[str, Any]) -> None:
    late = LatePictures()
    assert not is_pending(late)
    late.see(message(metadata=metadata))
    assert is_pending(late, has_answer=True)
    assert not is_pending(late, has_picture=True)


@pytest.mark.parametrize(
    ("how", "is_awaited"),
    [
        (BodyEnd.CLEAN, True),
        (BodyEnd.CUT, True),
        (BodyEnd.SILENT, True),
        (BodyEnd.BROKEN, False),
        (BodyEnd.SHUTDOWN, False),
    ],
)
def test_it_is_awaited_unless_the_turn_is_broken(how: BodyEnd, is_awaited: bool) -> None:
    late = LatePictures()
    late.see(message(metadata=SIGNS[0]))
    assert is_pending(late, how) is is_awaited


def test_a_call_counts_only_in_a_turn_that_draws_and_says_nothing() -> None:
    late = LatePictures()
    late.see(message("assistant", recipient="t2uay3k.sj1i4kz"))
    assert not is_pending(late)
    late.use_case = IMAGE_GEN
    assert is_pending(late)
    assert not is_pending(late, has_answer=True)


def test_a_tool_that_failed_is_not_awaited() -> None:
    late = LatePictures()
    late.see(message(metadata=SIGNS[0]))
    late.see(message(metadata={"is_error": True, "image_gen_async": True}, text="No."))
    assert late.error == "No."
    assert not is_pending(late)


def test_a_wait_happens_once() -> None:
    late = LatePictures()
    late.see(message(metadata={"image_gen_task_id": "task-1"}))
    body = BodyEnded(BodyEnd.CUT)
    assert late.end_wait() is None
    late.begin_wait(body)
    assert (late.is_waiting, late.task_ids) == (True, {"task-1"})
    assert late.end_wait() == body
    assert not late.is_waiting
    assert not is_pending(late)


# --- arguments ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ARGUMENTS, True),
        ('{"prompt": "x", "referenced_image_ids": ["file_1"]}', True),
        ('{"size": "big"}', False),
        ('{"size": "1x1", "n": 1, "name": "x"}', False),
        ('{"size":', False),
        ("[1]", False),
        ("Hello", False),
    ],
)
def test_arguments_are_told_from_json_answers(text: str, expected: bool) -> None:
    assert is_tool_arguments(text) is expected


@pytest.mark.parametrize("pieces", [[ARGUMENTS], list(ARGUMENTS), ["{", '"si', ARGUMENTS[4:]]])
def test_arguments_are_held_however_they_are_cut(pieces: list[str]) -> None:
    late = LatePictures()
    assert [late.hold("a", piece, is_finished=False) for piece in pieces] == [""] * len(pieces)
    assert late.hold("a", "", is_finished=True) == ""
    assert is_pending(late)
    assert late.release(has_picture=False) == [("a", ARGUMENTS)]


def test_arguments_are_dropped_when_the_picture_came() -> None:
    late = LatePictures()
    late.hold("a", ARGUMENTS, is_finished=True)
    assert late.release(has_picture=True) == []


@pytest.mark.parametrize("text", ["Hello", "{}x", '{"name": 1', "{1", '{"sized', ' {"size"'])
def test_what_cannot_be_arguments_goes_out_at_once(text: str) -> None:
    assert LatePictures().hold("a", text, is_finished=False) == text


def test_a_json_answer_is_let_go_when_it_is_finished() -> None:
    late = LatePictures()
    assert late.hold("a", '{"size": 1', is_finished=False) == ""
    assert late.hold("a", ', "cat": 2}', is_finished=True) == '{"size": 1, "cat": 2}'


def test_a_turn_for_text_holds_nothing() -> None:
    late = LatePictures()
    late.use_case = "text"
    assert late.hold("a", ARGUMENTS, is_finished=True) == ARGUMENTS


def test_a_long_beginning_is_let_go() -> None:
    text = '{"prompt": "' + "x" * 5000
    assert LatePictures().hold("a", text, is_finished=False) == text
