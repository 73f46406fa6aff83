import json
from typing import Any

from service.stages.decode.known_words import plain_word, sketch, sketch_of, unknown_words
from service.stages.decode.messages import read_message
from tests.oracle import render
from tests.oracle.growth import Growth
from tests.rows import each_row


def words(**fields: Any) -> list[str]:
    message = read_message(
        {
            "id": "m",
            "author": {"role": "assistant"},
            "content": {"content_type": "text", "parts": [""]},
            **fields,
        }
    )
    assert message is not None
    return unknown_words(message)


@each_row(
    ("fields", "expected"),
    [
        ({}, []),
        ({"recipient": None, "channel": None}, []),
        ({"recipient": "web.run", "channel": "commentary"}, []),
        ({"recipient": "api_example_org__jit_plugin.find"}, []),
        ({"recipient": "ghostrider/ImageGen"}, []),
        ({"author": {"role": "oracle"}}, ["role oracle"]),
        ({"author": {}}, ["role (none)"]),
        ({"channel": "aside"}, ["channel aside"]),
        ({"content": {"content_type": "hologram"}}, ["content type hologram"]),
        ({"recipient": "x9f.draw"}, ["recipient x9f.draw"]),
        ({"author": {"role": "tool", "name": "x9f.draw"}}, ["tool x9f.draw"]),
        (
            {"content": {"content_type": "multimodal_text", "parts": [{"content_type": "smell"}]}},
            ["part type smell"],
        ),
        ({"content": {"content_type": "multimodal_text", "parts": [{"text": "a"}, "b"]}}, []),
    ],
)
def test_words_that_are_on_no_list_are_told(fields: dict[str, Any], expected: list[str]) -> None:
    assert words(**fields) == expected


def test_all_that_transcripts_name_is_known_but_for_what_is_new_on_purpose() -> None:
    strange: dict[str, set[str]] = {}
    for name in render.names():
        growth = Growth()
        for step in render.load(name).get("steps", ()):
            if "id" in step:
                growth.feed(step)
        for raw in growth.finals():
            if (message := read_message(raw)) is not None and (found := unknown_words(message)):
                strange.setdefault(name, set()).update(found)
    assert strange == {
        "p2-11-channel-unknown": {"channel scratch"},
        "p2-2-roles-that-are-never-visible": {"role moderator"},
        "p2-3-brand-new-type": {"content type brand_new_type"},
        "p2-3-multimodal-text-answer": {"part type a_new_thing"},
        "p2-6-plugin": {"recipient weather.getForecast", "tool weather.getForecast"},
        "p2-6-unknown-tool": {"recipient zz9.plural_z", "tool zz9.plural_z"},
        "p8-2-by-async-task-type": {"tool zz9"},
        "p8-2-by-part-metadata": {"tool zz9"},
        "p8-2-by-preceding-recipient": {"tool zz9"},
        "s7-2-action-of-a-gpt": {"tool weather.getForecast"},
        "s1-2-a-role-that-turns-into-another": {"role assistants"},
        "s7-2-plugin-that-its-call-tells": {"tool weather.getForecast"},
        "s7-2-plugin-that-its-reply-tells": {"recipient weather.getForecast"},
    }


@each_row(
    ("word", "expected"),
    [
        ("hologram", "hologram"),
        ("t2uay3k.sj1i4kz", "t2uay3k.sj1i4kz"),
        ("", "(none)"),
        ("a b", "(not a plain word)"),
        ("file_00000000abcd", "(not a plain word)"),
        ("5b0c7c1e-0000-4000-8000-000000000001", "(not a plain word)"),
        ("abcdefab-tool", "(not a plain word)"),
        ("eyJhbGciOi", "(not a plain word)"),
        ("a" * 60, "(not a plain word)"),
        ("名", "(not a plain word)"),
        ("a\nb", "(not a plain word)"),
    ],
)
def test_only_plain_words_are_shown(word: str, expected: str) -> None:
    assert plain_word(word) == expected


def test_a_sketch_has_keys_and_kinds_of_values_and_no_words() -> None:
    value = {"title": "My will", "n": 12.5, "ok": True, "no": None, "a b": 1}
    value |= {"deep": {"one": {"two": "x"}}, "list": ["x", "y"]}
    assert json.loads(sketch(value)) == {
        "title": "",
        "n": 0,
        "ok": True,
        "no": None,
        "(not a plain word)": 0,
        "deep": {"one": {}},
        "list": [""],
    }


def test_a_sketch_is_bounded() -> None:
    wide = {f"key{chr(97 + n // 26)}{chr(97 + n % 26)}": "x" * 1000 for n in range(500)}
    assert len(sketch({"a": wide, **wide})) < 700
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    assert sketch({"a": deep}) == '{"a": [[]]}'


def test_a_sketch_of_a_message_is_of_its_content_and_metadata() -> None:
    message = read_message({"id": "m", "content": {"content_type": "x"}, "metadata": {"k": "v"}})
    assert message is not None
    assert json.loads(sketch_of(message)) == {
        "content": {"content_type": ""},
        "metadata": {"k": ""},
    }
