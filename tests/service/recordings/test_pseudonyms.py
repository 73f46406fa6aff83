import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.recordings.pseudonyms import Cipher
from tests.chance import FAST
from tests.rows import each_row

KEY = b"0123456789abcdef"
TEXTS = st.text(
    st.sampled_from('abcsnz SANDBOX sandbox:/ {"size":12} \ue200\ue202\ue201【】†é茶😀\n')
)


@FAST
@given(TEXTS, st.integers(0, 40))
def test_what_begins_alike_still_does_and_is_as_long(text: str, at: int) -> None:
    whole = Cipher(KEY).of(text)
    assert len(whole) == len(text)
    assert Cipher(KEY).of(text[:at]) == whole[:at]
    growing = Cipher(KEY)
    assert [growing.of(text[:end]) for end in range(len(text) + 1)][-1] == whole


@FAST
@given(TEXTS, TEXTS)
def test_what_differs_still_does(one: str, other: str) -> None:
    cipher = Cipher(KEY)
    assert (cipher.of(one) == cipher.of(other)) == (one == other)


def test_letters_and_digits_become_others_of_their_class_and_all_else_stays() -> None:
    text = "Grüße an Zoë, Привет мир! 你好 한글 12-34 😀 tab\t"
    told = Cipher(KEY).of(text)
    for before, after in zip(text, told, strict=True):
        if before.isalnum() and before not in "sa":
            assert after != before
            assert len(after.encode()) == len(before.encode())
            assert (after.isdecimal(), after.isupper()) == (before.isdecimal(), before.isupper())
        elif not before.isalnum():
            assert after == before


def test_another_key_gives_another_text_and_none_is_drawn() -> None:
    assert len({Cipher(key).of("conversation") for key in (KEY, b"x" * 16, None, None)}) == 4


@each_row(
    "text",
    [
        "](sandbox:/",
        "<<ImageDisplayed>>",
        "<tool_call>",
        "https://",
        "file-service://file-",
        "sediment://file_",
        "file-service://file_upload",
        "\ue200cite\ue202turn",
        "【12:3†】",
        "— , . ! 😀",
    ],
)
def test_what_stages_look_for_stays(text: str) -> None:
    assert Cipher(KEY).of(text) == text


def test_a_marker_is_the_same_wherever_it_stands() -> None:
    cipher, marker = Cipher(KEY), "【1†My will】"
    told = cipher.of(marker)
    assert told != marker
    assert told in cipher.of(f"Something {marker} else")
    assert told in cipher.of(f"Other words before {marker}")


def test_an_id_is_the_same_with_and_without_a_scheme() -> None:
    cipher = Cipher(KEY)
    ids = {
        cipher.of(f"file-service://{name}").partition("://")[2] for name in ("file_abc", "file_abc")
    }
    ids |= {cipher.of("sediment://file_abc").partition("://")[2], cipher.of("file_abc")}
    assert len(ids) == 1
    assert "abc" not in ids.pop()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["size", "n"]), inner)
    ),
    max_leaves=8,
)


def shape(value: Any) -> Any:
    """Return a JSON value without its leaves; names of arguments are kept."""
    match value:
        case dict():
            return {key: shape(each) for key, each in value.items()}
        case list():
            return [shape(each) for each in value]
        case bool() | None:
            return value
        case str():
            return bool(value)
        case _:
            return 0


@FAST
@given(VALUES, st.booleans())
def test_json_in_a_text_stays_json_of_the_same_shape(value: Any, is_ascii: bool) -> None:
    text = json.dumps({"prompt": value}, ensure_ascii=is_ascii)
    assert shape(json.loads(Cipher(KEY).of(text))) == shape({"prompt": value})


def test_no_letter_stands_for_itself() -> None:
    cipher = Cipher()
    for letter in string.ascii_letters + string.digits:
        if letter != "s":
            assert cipher.of(f"x{letter}")[1] != letter
