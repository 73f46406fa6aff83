"""Properties of whole turns, for any turn and any garbage."""

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from service.vocabulary.events import BodyEnd, SentHistory
from tests.chance import FAST, SIZES, chopped, examples
from tests.feeding import deltas, read, sent_history
from tests.oracle import render
from tests.oracle.growth import Growth
from tests.oracle.text import answer_text, content, is_visible
from tests.rows import each_row

# --- whole turns ----------------------------------------------------------------

CITE = "\ue200cite\ue202turn0search{}\ue201"
WORDS = [
    "Tea ",
    "is",
    "\n\n",
    "【",
    "】 ",
    "† ",
    "茶",
    "😀",
    "**b**",
    "]",
    "(",
    "](",
    "[a](https://e.org/)",
]
WORDS += ["s", "sand", "sandbox", "\ue203", "\ue204", "1", "`", "\u2028", "】", "e\u0301"]
WORDS += [
    ":",
    "::",
    ":c",
    "\n",
    ":contentReference[oaicite:3]{index=3}",
    ":contentReference[oaicite:12]",
]
WORDS += ['\n:::writing{variant="email" id="1"}\nDear 茶,\n\nsail.\n:::\n', "\n::: note\n"]
MARKS = ["【{}†source】", "【{}†来源】", CITE]
# The kinds of markers that are words of the sentence or formulas, each with those of their
# references.
WORD_MARKS = {
    '\ue200entity\ue202["people", "Ada {}", 0]\ue201': "entity",
    '\ue200product_entity\ue202["turn0product{}","Kettle"]\ue201': "product_entity",
    "\ue200url\ue202Manual {}\ue202turn0search0\ue201": "url",
    "\ue200video\ue202Boats {}\ue202turn0youtube0\ue201": "video",
    '\ue200genui\ue202{{"math_block_widget_always_prefetch_v2":{{"content":"x^{}"}}}}\ue201': "",
}


@st.composite
def page_reference(draw, mark: str, number: int, start: int) -> dict[str, Any]:
    """A reference of a citation: its page, perhaps a supporting one, perhaps an `alt`."""
    url = f"https://e.org/{number}"
    more = [{"title": "M", "url": f"https://more.org/{number}"}] if draw(st.booleans()) else []
    item = {"title": draw(st.sampled_from(["T", "T|U"])), "url": url, "supporting_websites": more}
    alt = draw(st.sampled_from([None, f"([e]({url}))"]))
    kind = "grouped_webpages"
    return {"type": kind, "matched_text": mark, "start_idx": start, "alt": alt, "items": [item]}


@st.composite
def word_reference(draw, mark: str, kind: str, number: int, start: int) -> dict[str, Any]:
    """A reference of a word of the sentence, which may name it in several ways, or not at all."""
    own = {
        "alt": draw(st.sampled_from([None, mark, "Alt"])),
        "name": draw(st.sampled_from([None, "\ue200x", "Name"])),
        "title": draw(st.sampled_from([None, "Title"])),
        "url": draw(st.sampled_from([None, f"https://w.org/{number}"])),
    }
    return {"type": kind, "matched_text": mark, "start_idx": start, **own}


@st.composite
def answer(draw, message_id: str, *, is_last: bool) -> list[dict[str, Any]]:
    """Steps of one visible message: its text in pieces, its references somewhere among them."""
    text, citations, references = "", [], []
    for number in range(1, draw(st.integers(1, 6))):
        text += "".join(draw(st.lists(st.sampled_from(WORDS), max_size=4)))
        form = draw(st.sampled_from([*MARKS, *WORD_MARKS]))
        mark, start = form.format(number), len(text)
        text += mark
        if draw(st.booleans()):
            continue
        if mark.startswith("【"):
            extra = {"cited_message_idx": number}
            metadata = {
                "type": "webpage",
                "url": f"https://e.org/{number}",
                "title": "T",
                "extra": extra,
            }
            citations.append({"start_ix": start, "end_ix": 0, "metadata": metadata})
        elif form == CITE and draw(st.booleans()):
            references.append(draw(page_reference(mark, number, start)))
        elif kind := WORD_MARKS.get(form):
            references.append(draw(word_reference(mark, kind, number, start)))
    steps: list[dict[str, Any]] = [
        {"id": message_id, "text": "", "metadata": {"message_type": "next"}}
    ]
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    for begin, end in zip([0, *places], [*places, len(text)], strict=True):
        steps.append({"id": message_id, "more": text[begin:end]})
    known = {"citations": citations, "content_references": references}
    steps[draw(st.integers(0, len(steps) - 1))]["metadata"] = known
    steps[0].setdefault("metadata", {})["message_type"] = "next"
    return [*steps, {"id": message_id, "status": "finished_successfully", "end_turn": is_last}]


OTHERS: dict[str, dict[str, Any]] = {
    "code": {"recipient": "python", "language": "python", "code": ""},
    "code to all": {"language": "sql", "code": ""},
    "call": {"recipient": "web.run", "text": ""},
    "action": {"recipient": "a.org__jit_plugin.get", "text": ""},
    "canvas": {"recipient": "canmore.create_textdoc", "language": "json", "code": ""},
    "bio": {"recipient": "bio", "text": ""},
    "result": {"role": "tool", "name": "python", "output": ""},
    "hidden": {"text": "", "metadata": {"is_visually_hidden_from_conversation": True}},
    "tool": {"role": "tool", "name": "web.run", "text": ""},
}
CALLS = ["x = 1", '{"q":"😀"}', "[a](sandbox:/mnt/x)", "【1†source】"]
DOCUMENTS = [
    '{"name":"Tea","type":"document","content":"a\\n\\"b\\" 茶"}',
    '{"name":"T","type":"code/python","content":"x = \\u8336"}',
]


@st.composite
def other(draw, message_id: str) -> list[dict[str, Any]]:
    """Steps of a message that is not an answer."""
    done = {"id": message_id, "status": "finished_successfully", "end_turn": False}
    kind = draw(st.sampled_from(sorted(OTHERS)))
    text = draw(st.sampled_from(DOCUMENTS if kind == "canvas" else CALLS))
    half = draw(st.integers(1, len(text) - 1))
    first = {"id": message_id, **OTHERS[kind]}
    key = next(each for each in ("code", "text", "output") if each in first)
    return [{**first, key: text[:half]}, {"id": message_id, "more": text[half:]}, done]


@st.composite
def turn(draw) -> list[dict[str, Any]]:
    """A whole turn of messages, one after the other."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 4))):
        name = f"m{number}"
        steps += draw(answer(name, is_last=False) if draw(st.booleans()) else other(name))
        if draw(st.booleans()):
            steps.append({"event": {"type": "message_marker", "message_id": name}})
    return [*steps, *draw(answer("last", is_last=True)), {"done": True}]


@pytest.mark.whole
@examples(150)
@given(turn(), st.integers(0, 10**6), SIZES)
def test_both_generations_and_all_cuts_give_the_text_of_the_definition(steps, seed, sizes):
    growth = Growth()
    for step in steps:
        if "id" in step:
            growth.feed(step)
    finals = growth.finals()
    assume(any(answer_text(each) for each in finals if is_visible(each)))
    expected = {profile: content(finals, profile) for profile in ("web", "bot", "raw")}
    event(f"{len(expected['web']) // 50 * 50} characters")
    for generation in ("v0", "v1"):
        body = b"".join(render.render({"steps": steps}, generation, seed))
        for profile, text in expected.items():
            assert read(deltas([body]), profile).content == text, profile
        whole_reading = read(deltas([body]))
        assert whole_reading.outcome == "complete"
        for url, _, start, end in whole_reading.annotations:
            assert url.replace("more.org", "e.org") in text_at(expected["web"], start, end)
        assert read(deltas(chopped(body, sizes))) == whole_reading


def text_at(text: str, start: int, end: int) -> str:
    """Return the text of a citation; a word shows no address, so any will do."""
    told = text[start:end]
    return (
        told
        if "](" in told
        else "https://w.org/1 https://w.org/2 https://w.org/3 https://w.org/4 https://w.org/5"
    )


@st.composite
def crowd(draw) -> list[dict[str, Any]]:
    """Steps of several messages that grow side by side, variants and echoes among them."""
    queues = []
    for number in range(draw(st.integers(2, 4))):
        name = draw(st.sampled_from(["u1", "h2", "x"])) + str(number)
        queues.append(draw(answer(name, is_last=draw(st.booleans())) | other(name)))
    steps: list[dict[str, Any]] = []
    while queues:
        queue = draw(st.sampled_from(queues))
        steps.append(queue.pop(0))
        queues = [each for each in queues if each]
    return [*steps, {"done": True}]


@pytest.mark.whole
@examples(100)
@given(crowd(), st.integers(0, 10**6), SIZES)
def test_messages_side_by_side_mean_the_same_in_both_generations_and_all_cuts(steps, seed, sizes):
    sent = SentHistory(frozenset({"u10", "h21"}), frozenset({"Tea ", "is"}))
    readings = []
    for generation in ("v0", "v1"):
        body = b"".join(render.render({"steps": steps}, generation, seed))
        readings += [read(deltas([body], sent)), read(deltas(chopped(body, sizes), sent))]
    assert readings == [readings[0]] * 4


# --- garbage --------------------------------------------------------------------

JSON_TOKENS = [
    *('data: {"message":', 'data: {"v":', '"a"', "{", "}", "[", "]", ",", ":", "null", "1e999"),
    *('"message"', '"id"', '"author"', '"role"', '"assistant"', '"content"', '"parts"', '"text"'),
    *('"type"', '"error"', '"p"', '"o"', '"append"', '"patch"', "\n\n", "\n", "event: delta\n"),
    *('data: "v1"\n\n', "data: [DONE]\n\n", "event: delta_encoding\n", '"moderation"', "-1", "NaN"),
    *('"\\ud800"', "\ue200", "【1†", "\x00", "data: ", '"metadata"', '"detail"', "true", "9" * 400),
]


@FAST
@given(
    st.lists(st.sampled_from(JSON_TOKENS), max_size=60),
    st.sampled_from([how for how in BodyEnd if how is not BodyEnd.WAITED]),
    SIZES,
)
def test_garbage_ends_a_turn_like_anything_else(tokens, end, sizes):
    body = "".join(tokens).encode()
    assert read(deltas(chopped(body, sizes), end=end)) == read(deltas([body], end=end))


@FAST
@given(
    st.binary(max_size=300), st.sampled_from([how for how in BodyEnd if how is not BodyEnd.WAITED])
)
def test_random_bytes_end_a_turn_like_anything_else(body, end):
    read(deltas([body], end=end))


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a JSON value."""
    found = [way]
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        found += places(child, (*way, key))
    return found


def with_other(value: Any, way: tuple[Any, ...], other_value: Any) -> Any:
    """Return the value with another one at the end of the way."""
    if not way:
        return other_value
    changed = copy.copy(value)
    changed[way[0]] = with_other(value[way[0]], way[1:], other_value)
    return changed


ODD = [
    None,
    True,
    -1,
    1.5,
    "",
    "odd",
    [],
    {},
    [None],
    ["x"],
    {"x": 1},
    [[]],
    [{}],
    {"": None},
    10**30,
]


@examples(400)
@given(st.data(), st.sampled_from(render.names()), st.sampled_from(["v0", "v1"]))
def test_a_field_of_an_unexpected_type_never_raises(data, name, generation):
    transcript = render.load(name)
    assume(generation in render.generations(transcript))
    lines = b"".join(render.render(transcript, generation)).split(b"\n")
    numbers = [n for n, line in enumerate(lines) if line.startswith(b'data: {"')]
    assume(numbers)
    number = data.draw(st.sampled_from(numbers))
    try:
        value = json.loads(lines[number].removeprefix(b"data: "))
    except json.JSONDecodeError:
        return
    changed = with_other(
        value, data.draw(st.sampled_from(places(value))), data.draw(st.sampled_from(ODD))
    )
    lines[number] = b"data: " + json.dumps(changed).encode()
    for profile in ("web", "bot", "raw"):
        read(deltas([b"\n".join(lines)], sent_history(transcript)), profile)


@each_row(
    "line",
    [
        pytest.param('data: {"a":' + "[" * 100_000, id="deep and open"),
        pytest.param('data: {"a":' + "[" * 5000 + "]" * 5000 + "}", id="deep"),
        pytest.param(
            'data: {"message":' + '{"content":' * 3000 + "1" + "}" * 3001, id="deep object"
        ),
        pytest.param(
            'data: {"p":"/message/content/parts/99999999999","o":"append","v":"x"}', id="far"
        ),
        pytest.param('data: {"p":"' + "/a" * 5000 + '","o":"append","v":"x"}', id="long path"),
        pytest.param('data: {"o":"truncate","p":"/message/content/parts/0","v":-1}', id="negative"),
        pytest.param('data: {"o":"truncate","p":"/message/content/parts/0","v":1e300}', id="huge"),
        pytest.param('data: {"c":1e300,"o":"append","p":"","v":"x"}', id="strange channel"),
        pytest.param(
            'data: {"o":"patch","p":"","v":'
            + '[{"o":"patch","v":' * 2000
            + "[]"
            + "}]" * 2000
            + "}",
            id="patches in patches",
        ),
        pytest.param('data: {"p":"/__proto__/x","o":"add","v":1}', id="proto"),
        pytest.param("data: " + "9" * 10_000, id="a long number"),
    ],
)
def test_hostile_events_between_others_cost_nothing(line):
    script = {
        "steps": [
            {"id": "a1", "text": "Hel"},
            {"event": {"type": "message_marker"}},
            {"lines": ["event: delta", line, ""]},
            {"id": "a2", "role": "tool", "text": "PRIVATE", "whole": True},
            {"id": "a1", "text": "Hello", "finish": True, "whole": True},
            {"done": True},
        ]
    }
    for generation in ("v0", "v1"):
        reading = read(deltas([b"".join(render.render(script, generation))]))
        assert (reading.content, reading.outcome) == ("Hello", "complete")
