"""A scrubbed stream means the same and tells nothing: for every transcript and for random turns."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.recordings.replay import Replay, replay
from service.recordings.scrub import is_kept, scrub
from service.vocabulary.events import ConversationNamed, MessageSnapshot, ResumeOffered
from tests.chance import FAST, examples
from tests.oracle import render
from tests.rows import each_row
from tests.service.stages.test_properties import JSON_TOKENS, crowd, turn

KEY = b"0123456789abcdef"
WORD = re.compile(r"\w{5,}")


def shape(told: Replay) -> list[Any]:
    """Return the parts that must stay the same: all kinds of records, in order, and the ending."""
    ended = told.ended
    steps = [
        [
            *((frame.name, frame.stray) for frame in step.frames),
            *(type(each).__name__ for each in (*step.events, *step.deltas, *step.rendered)),
        ]
        for step in told.steps
    ]
    failure = ended.failure and (ended.failure.status, ended.failure.code)
    return [steps, ended.outcome, ended.finish_reason, failure, ended.counts, len(told.content)]


def said(value: Any, key: str | None = None, outer: str | None = None) -> Iterator[str]:
    """Yield the texts of a JSON value that are not words of the protocol."""
    match value:
        case dict():
            for name, each in value.items():
                yield from said(each, name, key)
        case list():
            for each in value:
                yield from said(each, key, outer)
        case str() if not is_kept(value, key, outer):
            yield value


def objects(body: bytes, told: Replay) -> Iterator[dict[str, Any]]:
    """Yield the objects of a body, with deltas as the messages that they make."""
    for line in body.splitlines():
        try:
            value = json.loads(line.removeprefix(b"data: "))
        except ValueError:
            continue
        if isinstance(value, dict) and not {"v", "o"} & value.keys():
            yield value
    for step in told.steps:
        for each in step.events:
            match each:
                case MessageSnapshot(message):
                    yield {"id": message.id, "c": message.content, "metadata": message.metadata}
                case ResumeOffered(token) | ConversationNamed(token):
                    yield {"token": token}
                case _:
                    pass


def kept(value: Any, key: str | None = None, outer: str | None = None) -> Iterator[str]:
    """Yield keys, and the texts of a JSON value that are words of the protocol."""
    match value:
        case dict():
            for name, each in value.items():
                yield name
                yield from kept(each, name, key)
        case list():
            for each in value:
                yield from kept(each, key, outer)
        case str() if is_kept(value, key, outer):
            yield value


def words(texts: Iterator[str]) -> set[str]:
    return {word for text in texts for word in WORD.findall(text)}


def private_words(body: bytes, told: Replay) -> set[str]:
    """Return the words of all texts of a body, without those that the protocol uses as well."""
    values = list(objects(body, told))
    private = {word for value in values for word in words(said(value))}
    return private - {word for value in values for word in words(kept(value))}


# The words that a text keeps because a stage looks for them; and paths, which are words of the
# protocol.
LOOKED_FOR = {
    *("sandbox", "ImageDisplayed", "file_upload", "https", "turn0search", "filecite", "navlist"),
    *("sediment", "service", "sandb", "sandbo", "event"),
    *("prompt", "referenced_image_ids", "quality", "transparent_background", "background"),
    *("image_group", "message", "content", "parts", "metadata", "finished_text", "citations"),
    *("Processing", "image", "contentReference", "oaicite", "writing", "entity", "video", "genui"),
    *("product_entity", "updates", "replacement", "search_query", "false"),
}


def is_looked_for(word: str) -> bool:
    """Tell whether a word is one of these, or the beginning of one that was cut."""
    return any(each.startswith(word) for each in LOOKED_FOR)


@each_row("name", render.names())
def test_a_scrubbed_transcript_means_the_same_and_says_nothing(name: str) -> None:
    transcript = render.load(name)
    for generation in render.generations(transcript):
        body = b"".join(render.rendered(name, generation))
        told = scrub(body, KEY)
        before = replay(body)
        assert shape(replay(told)) == shape(before)
        left = private_words(body, before) & set(WORD.findall(told.decode("utf-8", "replace")))
        assert {word for word in left if not is_looked_for(word)} == set(), told


@examples(30)
@given(turn() | crowd(), st.integers(0, 10**6), st.sampled_from(["v0", "v1"]))
def test_a_scrubbed_turn_means_the_same(steps: list[Any], seed: int, generation: str) -> None:
    body = b"".join(render.render({"steps": steps}, generation, seed))
    assert shape(replay(scrub(body, KEY))) == shape(replay(body))


@FAST
@given(st.lists(st.sampled_from(JSON_TOKENS), max_size=60))
def test_scrubbing_garbage_never_raises(tokens: list[str]) -> None:
    body = "".join(tokens).encode("utf-8", "surrogatepass")
    told = scrub(body, KEY)
    replay(told)
    assert told.count(b"\n\n") == body.count(b"\n\n")


@each_row(
    ("before", "after"),
    [
        (b"data: [DONE]\r\n\r\n", b"data: [DONE]\r\n\r\n"),
        (
            b"event: ping\ndata: 2024-05-01 12:34:56.789012\n\n",
            b"event: ping\ndata: 2024-05-01 12:34:56.789012\n\n",
        ),
        (b": user 4711\n\n", b": xxxx xxxx\n\n"),
        (b"id: 4711\nretry: 3000\n\n", b"id: xxxx\nretry: 3000\n\n"),
        (b"event: My will\ndata: 1\n\n", b"event: xx xxxx\ndata: 1\n\n"),
        (b"<h1>Ada's page</h1>", b"<xx>xxx'x xxxx</xx>"),
        (b'{"detail": "cut of', b'{"xxxxxx": "xxx xx'),
        (b'\xef\xbb\xbfdata: "v1"\n\n', b'\xef\xbb\xbfdata: "v1"\n\n'),
        (b'data: {"c":\ndata: 3}\n\n', b'data: {"c":3}\n\n'),
        (b'{\n"n": 1\n}\n', b'{"n": 1}\n'),
        (
            b'data: {"at":1719000000.5,"n":12345678,"w":1024}\n\n',
            b'data: {"at":2000000000.0,"n":10000000,"w":1024}\n\n',
        ),
    ],
)
def test_lines_keep_what_is_of_the_protocol(before: bytes, after: bytes) -> None:
    assert scrub(before, KEY) == after


def test_a_name_that_an_action_carries_is_nobodys_website() -> None:
    message = {"id": "m", "author": {"role": "tool", "name": "ada_example_org__jit_plugin.find"}}
    message |= {"recipient": "python", "content": {"content_type": "text", "parts": []}}
    told = json.loads(scrub(json.dumps({"message": message}).encode(), KEY))["message"]
    assert "__jit_plugin" in told["author"]["name"]
    assert "example" not in told["author"]["name"]
    assert told["recipient"] == "python"


@each_row("name", ["https://ada.example.org/will", "eyJhbGciOiJIUzI1NiJ9", "Ada L."])
def test_what_stands_where_words_of_the_protocol_do_is_no_exception(name: str) -> None:
    body = json.dumps({"type": "x", "status": name, "title": name, "user": {name: 1}})
    told = json.loads(scrub(body.encode(), KEY))
    assert {told["status"], told["title"], *told["user"]} == {told["title"]}
    assert told["title"] != name


def test_each_scrubbing_has_a_key_of_its_own() -> None:
    body = b'{"title":"conversation"}'
    assert scrub(body) != scrub(body)


def test_a_long_stream_is_scrubbed_in_time() -> None:
    text = "Lorem ipsum dolor sit amet " * 200
    steps = [{"id": "a", "text": text[: 20 * n]} for n in range(len(text) // 20)]
    body = b"".join(render.render({"steps": steps}, "v0"))
    began = time.process_time()
    assert replay(scrub(body, KEY)).content.count(" ") == replay(body).content.count(" ")
    assert time.process_time() - began < 20
