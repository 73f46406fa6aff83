from typing import Any

from service.stages.translate.late_pictures import (
    IMAGE_GEN,
    MAX_NOTICE_CHARS,
    LatePictures,
    is_queue_notice,
    is_tool_arguments,
)
from service.vocabulary.endings import Seen, TurnState, Word
from service.vocabulary.events import Message
from tests.rows import each_row

ARGUMENTS = '{"size":"1920x1088","n":1}'
SIGNS: list[dict[str, Any]] = [
    {"image_gen_async": True},
    {"image_gen_task_id": "task-1"},
    {"async_task_type": "image_gen"},
    {"trigger_async_ux": True},
    {"ui_card_shimmer": {"x": 1}},
]
# Measured in October 2025; the second is its translation by the website.
WEBSITE = (
    "Processing image\n\nLots of people are creating images right now, so this might take a bit. "
    "We'll notify you when your image is ready."
)
NOTICES = [
    WEBSITE,
    "正在处理图片\n\n目前有很多人在创建图片，因此可能需要一点时间。图片准备好后我们会通知你。",
    "Your picture is in the queue.",
    "It is in line; I will let you know as soon as it is done.",
    "The image is being generated.",
    "Your images have been queued",
    "Generating your image…",
    "It will appear here once your picture is ready.",
]


def message(role: str = "tool", **fields: Any) -> Message:
    given = {
        "id": "t1",
        "role": role,
        "name": None,
        "content_type": "text",
        "text": "Processing image",
        "is_finished": True,
        "recipient": "all",
        "channel": None,
        "is_end_turn": False,
        "pointers": (),
        "content": {},
        "metadata": {},
        **fields,
    }
    return Message(**given)


def is_pending(late: LatePictures, *heard: Word, seen: Seen = Seen.EVENTS, said: str = "") -> bool:
    turn = TurnState()
    turn.see(seen)
    for word in heard:
        turn.hear(word)
    return late.is_pending(turn, said)


def drawing(use_case: str = IMAGE_GEN) -> LatePictures:
    late = LatePictures()
    late.learn_use_case(use_case)
    return late


@each_row("role", ["tool", "assistant"])
@each_row("metadata", SIGNS)
def test_a_task_that_a_message_tells_of_is_enough(role: str, metadata: dict[str, Any]) -> None:
    late = LatePictures()
    assert not is_pending(late, Word.CONFIRMATION)
    late.see(message(role, metadata=metadata))
    assert late.has_task
    assert is_pending(late, seen=Seen.TEXT)
    assert is_pending(late, Word.END_TURN, seen=Seen.TEXT)
    assert late.task_ids == ({"task-1"} if "image_gen_task_id" in metadata else set())


def test_what_the_user_sent_is_no_sign() -> None:
    late = LatePictures()
    late.see(message("user", metadata=SIGNS[1]))
    assert not is_pending(late, Word.CONFIRMATION)


def test_a_call_counts_in_a_turn_that_draws_and_says_nothing() -> None:
    late = LatePictures()
    late.see(message("assistant", recipient="t2uay3k.sj1i4kz"))
    assert not is_pending(late)
    late.learn_use_case(IMAGE_GEN)
    assert is_pending(late)
    assert not is_pending(late, seen=Seen.TEXT)


@each_row("use_case", ["image gen", "image_gen", "Image Gen"])
def test_the_use_case_alone_counts_in_a_turn_that_is_over_without_a_last_word(
    use_case: str,
) -> None:
    late = drawing(use_case)
    assert not is_pending(late)  # it may have been cut before anything was launched
    assert is_pending(late, Word.CONFIRMATION)
    assert is_pending(late, Word.CONFIRMATION, seen=Seen.TEXT)
    assert is_pending(late, Word.END_TURN)
    assert not is_pending(late, Word.END_TURN, seen=Seen.TEXT)  # a refusal
    assert not is_pending(late, Word.CONFIRMATION, Word.END_TURN, seen=Seen.TEXT, said="No.")
    assert is_pending(late, Word.END_TURN, seen=Seen.TEXT, said=WEBSITE)
    late.learn_use_case("")
    assert is_pending(late, Word.CONFIRMATION)
    late.learn_use_case("text")
    assert not is_pending(late, Word.CONFIRMATION)


def test_a_tool_that_failed_is_not_awaited() -> None:
    late = LatePictures()
    late.see(message(metadata=SIGNS[0]))
    late.see(message(metadata={"is_error": True, "image_gen_async": True}, text="No."))
    assert late.error == "No."
    assert not is_pending(late)


# --- notices --------------------------------------------------------------------------


@each_row("text", NOTICES)
def test_a_queue_notice_is_no_answer_of_a_turn_that_draws(text: str) -> None:
    assert is_queue_notice(text)
    late = drawing()
    for end in range(1, len(text) + 1):
        assert late.hold("a", text[:end], is_finished=False) == ""
    assert late.hold("a", text, is_finished=True) == ""
    assert late.notice == text
    assert is_pending(late, Word.END_TURN)
    assert late.decided() == []
    assert late.release(has_picture=False) == late.release(has_picture=True) == []
    assert LatePictures().hold("a", text, is_finished=True) == text


@each_row(
    "text",
    [
        "Here is your picture.",
        "I can't create that image because it goes against our content policy.",
        "I'm sorry, I cannot let you know when it is ready.",
        "You have reached your limit; the image is being created for others in line.",
        "Shall I let you know when your image is ready?",
        "无法排队。",
        "Processing image " * 40,
    ],
)
def test_other_texts_of_a_turn_that_draws_are_answers(text: str) -> None:
    assert not is_queue_notice(text)
    late = drawing()
    assert late.hold("a", text, is_finished=True) == text


def test_a_message_with_a_task_is_a_notice_whatever_it_says_unless_it_shows_a_picture() -> None:
    late = LatePictures()
    late.see(message("assistant", metadata=SIGNS[1]))
    assert late.hold("t1", "Soon.", is_finished=False) == ""
    assert late.hold("t1", "Soon.", is_finished=True) == ""
    assert late.notice == "Soon."
    shown = message("assistant", metadata=SIGNS[1], pointers=({"asset_pointer": "sediment://x"},))
    late.see(shown)
    assert late.hold("t1", "Here it is.", is_finished=True) == "Here it is."


def test_what_is_held_as_a_notice_may_turn_out_as_an_answer() -> None:
    late = drawing()
    assert late.hold("a", "I draw", is_finished=False) == ""
    assert late.decided() == [("a", "I draw")]
    assert late.hold("b", "I draw", is_finished=False) == ""
    assert late.hold("b", "I draw a cat.", is_finished=True) == "I draw a cat."
    long = "x" * (MAX_NOTICE_CHARS + 1)
    assert late.hold("c", long, is_finished=False) == long


# --- arguments ------------------------------------------------------------------------


@each_row(
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


@each_row("pieces", [[ARGUMENTS], list(ARGUMENTS), ["{", '"si', ARGUMENTS[4:]]])
def test_arguments_are_held_however_they_are_cut(pieces: list[str]) -> None:
    late = LatePictures()
    text = ""
    for piece in pieces:
        text += piece
        assert late.hold("a", text, is_finished=False) == ""
    assert late.hold("a", text, is_finished=True) == ""
    assert is_pending(late)
    assert late.decided() == []
    assert late.release(has_picture=False) == [("a", ARGUMENTS)]
    assert late.release(has_picture=False) == []


def test_arguments_are_dropped_when_the_picture_came() -> None:
    late = LatePictures()
    late.hold("a", ARGUMENTS, is_finished=True)
    assert late.release(has_picture=True) == []


@each_row("text", ["Hello", "{}x", '{"name": 1', "{1", '{"sized', ' {"size"'])
def test_what_cannot_be_arguments_goes_out_at_once(text: str) -> None:
    assert LatePictures().hold("a", text, is_finished=False) == text


def test_a_json_answer_is_let_go_when_it_is_finished() -> None:
    late = LatePictures()
    assert late.hold("a", '{"size": 1', is_finished=False) == ""
    whole = '{"size": 1, "cat": 2}'
    assert late.hold("a", whole, is_finished=True) == whole


def test_a_turn_for_text_holds_nothing() -> None:
    late = drawing("text")
    assert late.hold("a", ARGUMENTS, is_finished=True) == ARGUMENTS


def test_a_long_beginning_is_let_go() -> None:
    text = '{"prompt": "' + "x" * 5000
    assert LatePictures().hold("a", text, is_finished=False) == text
