"""Bytes of an upstream in, the caller's answer out, through the real stages.

    read(chunks, ...) -> Reading     the answer as collected by a caller
    problems_with(reading, expect)   its differences from a transcript's `expect`

`expect` of a transcript may hold

    content        by profile: a text; a list of allowed texts; or
                   {has, lacks, match}: parts and a regular expression for the whole
    reasoning      the same, once
    annotations    [url, title, start, end] of each url_citation, in order (web)
    finish_reason, outcome   a value, or a list of allowed values
    error          {code, status, has, lacks, retry_after} of the failure
    assets         [kind, pointer, {other fields}] of everything wanted, in order (web)
    facts          fields of the last known `TurnFacts`

Everything wanted is answered with `http://gw/<kind>/<n>`, n counted by kind, or
with the problem that the transcript's `problems` has for its pointer.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, structs

from service.pipeline.joined import make_answer, make_reader, make_renderer
from service.stages.render.bot_format import RAW, WEB
from service.vocabulary.events import (
    AssetReady,
    AssetWanted,
    BodyEnd,
    BodyEnded,
    CitationResolved,
    Delta,
    Failure,
    ReasoningText,
    SentHistory,
    Source,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.rendered import BotFormat, ContentCited, ContentText, PictureForm, Rendered

# Bot mode with every switch off; `bot_mode` has none for links to files (spec 7.3).
BOT = BotFormat(
    shows_tools=False,
    shows_citations=False,
    shows_file_links=True,
    shows_notices=False,
    pictures=PictureForm.NONE,
)
NOT_IN_TIME = "The picture did not come in time."  # no late picture ever comes here
# A turn that continues elsewhere ends here: there is no other body, and both waits end empty.
NOTHING_LATER = (BodyEnded(BodyEnd.UNRESUMED), BodyEnded(BodyEnd.WAITED, NOT_IN_TIME)) * 3
FORMATS = {"web": WEB, "bot": BOT, "raw": RAW}


class Reading(Struct, frozen=True):
    """The caller's answer at the end of a turn."""

    content: str
    reasoning: str
    annotations: list[tuple[str, str, int, int]]
    outcome: str
    finish_reason: str | None
    failure: Failure | None
    assets: list[AssetWanted]
    facts: TurnFacts


class AnswerAssets:
    """Answers every wanted asset at once; one instance per turn."""

    def __init__(self, problems: dict[str, str]) -> None:
        self._problems = problems
        self.wanted: list[AssetWanted] = []

    def feed(self, delta: Delta) -> Delta:
        if not isinstance(delta, AssetWanted):
            return delta
        self.wanted.append(delta)
        if problem := self._problems.get(delta.pointer):
            return AssetReady(delta, "", problem=problem)
        number = sum(1 for each in self.wanted if each.kind is delta.kind)
        return AssetReady(delta, f"http://gw/{delta.kind.value}/{number}", name="name")


def deltas(
    chunks: Iterable[bytes],
    sent: SentHistory = SentHistory(),  # noqa: B008 - it is immutable
    end: BodyEnd = BodyEnd.CLEAN,
) -> Iterator[Delta]:
    """Yield the deltas of a body that arrives in these chunks."""
    reader, answer = make_reader(), make_answer(sent)
    for chunk in chunks:
        for event in reader.feed(chunk):
            yield from answer.feed(event)
    for event in (*reader.end(BodyEnded(end, "How the body ended.")), *NOTHING_LATER):
        yield from answer.feed(event)


def read(
    produced: Iterable[Delta], profile: str = "web", problems: dict[str, str] | None = None
) -> Reading:
    """Return the answer that a caller of this profile collects."""
    assets, render = AnswerAssets(problems or {}), make_renderer(FORMATS[profile])
    rendered = [piece for delta in produced for piece in render.feed(assets.feed(delta))]
    return reading_of(rendered, assets.wanted)


def reading_of(rendered: list[Rendered], wanted: list[AssetWanted]) -> Reading:
    """Return the answer that a caller collects from these pieces."""
    ends = [piece for piece in rendered if isinstance(piece, TurnEnded)]
    assert len(ends) == 1, f"{len(ends)} ends of one turn"
    assert rendered[-1] is ends[0], "something comes after the end of the turn"
    facts = [piece for piece in rendered if isinstance(piece, TurnFacts)]
    return Reading(
        content="".join(
            piece.text for piece in rendered if isinstance(piece, ContentText | ContentCited)
        ),
        reasoning="".join(piece.text for piece in rendered if isinstance(piece, ReasoningText)),
        annotations=annotations(rendered),
        outcome=ends[0].outcome.value,
        finish_reason=ends[0].finish_reason,
        failure=ends[0].failure,
        assets=wanted,
        facts=facts[-1] if facts else TurnFacts(),
    )


def annotations(rendered: list[Rendered]) -> list[tuple[str, str, int, int]]:
    """Return (url, title, start, end) of every citation, in code points of the content."""
    position = 0
    places: dict[int, tuple[int, int]] = {}
    sources: dict[int, tuple[Source, ...]] = {}
    for piece in rendered:
        if isinstance(piece, ContentCited):
            places[piece.slot] = (position, position + len(piece.text))
            sources[piece.slot] = piece.sources
        elif isinstance(piece, CitationResolved):
            sources[piece.slot] = piece.sources
        if isinstance(piece, ContentText | ContentCited):
            position += len(piece.text)
    return [
        (source.url, source.title, *places[slot])
        for slot in sorted(places, key=places.__getitem__)
        for source in sources[slot]
        if source.url
    ]


def sent_history(transcript: dict[str, Any]) -> SentHistory:
    """Return the history that a transcript's turn sent."""
    sent = transcript.get("sent", [{"role": "user", "id": "u1", "text": "Hi"}])
    return SentHistory(
        message_ids=frozenset(each["id"] for each in sent),
        assistant_texts=frozenset(each["text"] for each in sent if each["role"] == "assistant"),
        file_ids=frozenset(transcript.get("sent_files", ())),
    )


def problems_with(reading: Reading, expect: dict[str, Any], profile: str) -> list[str]:
    """Return a line for each difference from what is expected."""
    lines = list(_wrong_text("content", reading.content, expect.get("content", {}).get(profile)))
    lines += _wrong_text("reasoning", reading.reasoning, expect.get("reasoning"))
    for key in ("outcome", "finish_reason"):
        if key in expect and getattr(reading, key) not in _choices(expect[key]):
            lines.append(f"{key}: {getattr(reading, key)!r}, not {expect[key]!r}")
    if reading.finish_reason is not None and reading.failure is not None:
        lines.append("both a finish reason and a failure")
    lines += _wrong_failure(reading.failure, expect.get("error"))
    if profile == "web":
        lines += _wrong_annotations(reading, expect.get("annotations"))
        lines += _wrong_assets(reading.assets, expect.get("assets"))
    for key, value in expect.get("facts", {}).items():
        if getattr(reading.facts, key) != value:
            lines.append(f"{key}: {getattr(reading.facts, key)!r}, not {value!r}")
    return lines


def _choices(expected: Any) -> list[Any]:
    return expected if isinstance(expected, list) else [expected]


def _wrong_text(what: str, text: str, expected: Any) -> Iterator[str]:
    if expected is None:
        return
    if not isinstance(expected, dict):
        if text not in _choices(expected):
            yield f"{what}: {text!r}, not {expected!r}"
        return
    if "match" in expected and not re.fullmatch(expected["match"], text):
        yield f"{what}: {text!r} does not match {expected['match']!r}"
    yield from (f"{what}: {text!r} lacks {p!r}" for p in expected.get("has", ()) if p not in text)
    yield from (f"{what}: {text!r} has {p!r}" for p in expected.get("lacks", ()) if p in text)


def _wrong_failure(failure: Failure | None, expected: dict[str, Any] | None) -> Iterator[str]:
    if expected is None or failure is None:
        if (expected is None) != (failure is None):
            yield f"failure: {failure!r}, not {expected!r}"
        return
    found = {
        "code": failure.code,
        "status": failure.status,
        "retry_after": failure.retry_after_seconds,
    }
    for key, value in found.items():
        if key in expected and value != expected[key]:
            yield f"error {key}: {value!r}, not {expected[key]!r}"
    if expected.get("has", "") not in failure.message:
        yield f"error message: {failure.message!r} lacks {expected['has']!r}"
    if "lacks" in expected and expected["lacks"] in failure.message:
        yield f"error message: {failure.message!r} has {expected['lacks']!r}"


def _wrong_annotations(reading: Reading, expected: list[list[Any]] | None) -> Iterator[str]:
    found = [list(each) for each in reading.annotations]
    if expected is not None and found != expected:
        yield f"annotations: {found!r}, not {expected!r} in {reading.content!r}"


def _wrong_assets(wanted: list[AssetWanted], expected: list[list[Any]] | None) -> Iterator[str]:
    if expected is None:
        return
    if len(wanted) != len(expected):
        yield f"assets: {wanted!r}, not {expected!r}"
        return
    for each, (kind, pointer, *fields) in zip(wanted, expected, strict=True):
        if each.kind.value != kind or each.pointer not in _choices(pointer):
            yield f"asset: {each!r}, not {kind} {pointer}"
        for key, value in fields[0].items() if fields else ():
            if structs.asdict(each)[key] != value:
                yield f"asset {key}: {structs.asdict(each)[key]!r}, not {value!r}"
