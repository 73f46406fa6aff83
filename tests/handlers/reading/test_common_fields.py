"""The fields that several endpoints share, tested through a chat."""

import pytest
from msgspec import Struct

from handlers.reading.common_fields import RANGES, Arrival, check_ranges
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Profile
from tests.handlers.reading.test_chat_fields import asked, refused
from tests.rows import each_row


@each_row("model", ["", "  ", "m" * 256, "a\nb", "\ud800", None, 4])
def test_a_model_is_a_short_printable_name(model: object) -> None:
    assert refused(model=model).param == "model"


def test_ignored_fields_are_named_in_bounded_number() -> None:
    assert len(asked(**{f"x{at}": 1 for at in range(1_000)}).ignored_fields) == 32


@each_row(
    ("stop", "read"),
    [
        ("END", ("END",)),
        (["a", "b", "a"], ("a", "b")),
        ([], ()),
        ("", ()),
        (["", "x"], ("x",)),
        (list("abcd"), tuple("abcd")),
    ],
)
def test_stop_is_a_string_or_a_list(stop: object, read: tuple[str, ...]) -> None:
    assert asked(stop=stop).stop == read


@each_row("stop", [[str(at) for at in range(17)], "x" * 513])
def test_stop_is_bounded(stop: object) -> None:
    assert refused(stop=stop).param == "stop"


def test_ids_of_a_conversation_are_taken_when_they_look_like_ids() -> None:
    request = asked(conversation_id="67-ab_C", parent_message_id="m-1")
    assert (request.conversation_id, request.parent_message_id) == ("67-ab_C", "m-1")
    assert asked(conversation_id="").conversation_id is None
    for value in ("../me", "a/b", "a" * 129, "a b"):
        assert refused(conversation_id=value).param == "conversation_id"
        assert refused(parent_message_id=value).param == "parent_message_id"


def test_the_profile_is_the_fields_then_the_headers_then_the_servers() -> None:
    bot = Arrival("r", 0, "https://g.example", Profile.BOT)
    raw = Arrival("r", 0, "https://g.example", Profile.BOT, "raw")
    assert asked(bot).profile is Profile.BOT
    assert asked(raw).profile is Profile.RAW
    assert asked(raw, render_profile="web").profile is Profile.WEB
    assert asked(raw, render_profile="").profile is Profile.RAW


def test_an_unknown_profile_names_the_choices() -> None:
    error = refused(render_profile="html")
    assert error.param == "render_profile"
    assert "'web', 'bot', 'raw'" in error.message
    header = Arrival("r", 0, "https://g.example", Profile.BOT, "html")
    assert refused(header).param == "x-render-profile"


class _Numbers(Struct):
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


@each_row("name", RANGES)
def test_a_number_outside_of_what_openai_takes_is_refused(name: str) -> None:
    least, most = RANGES[name]
    for value in (None, least, most, (least + most) / 2):
        check_ranges(_Numbers(**{name: value}))
    for value in (least - 0.1, most + 0.1):
        with pytest.raises(RequestError) as caught:
            check_ranges(_Numbers(**{name: value}))
        assert caught.value.param == name
