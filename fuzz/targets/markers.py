"""Target: translate and markers, on one message with references, its text cut anywhere."""

import random
import re
from collections.abc import Iterator
from typing import Any

from fuzz.inputs import split, texts
from service.pipeline.joined import make_answer
from service.stages.decode.messages import read_message
from service.vocabulary.events import (
    BodyEnd,
    BodyEnded,
    Delta,
    DoneReceived,
    MessageSnapshot,
    SentHistory,
    TextAppended,
    UpstreamEvent,
)
from tests.feeding import Reading, read
from tests.oracle import render
from tests.oracle.text import MARKER, answer_text

MAX_BYTES = 1024
TOKENS = tuple(
    token.encode()
    for token in (
        *("\ue200", "\ue201", "\ue202", "\ue203", "\ue204", "\ue205", "\ue206", "【", "】", "†"),
        *("【1†source】", "【12:3†来源】", "\ue200cite\ue202turn0search1\ue201", "](sandbox:/"),
        *("sandbox:/mnt/data/a.png", "](", ")", "[", "\n", "s", "sandbox", " ", "茶", "😀", "```"),
        *(
            '\ue200entity\ue202["people", "Ada", 0]\ue201',
            "\ue200url\ue202a\ue202turn0search0\ue201",
        ),
        *('\ue200genui\ue202{"math_block_widget_always_prefetch_v2":{"content":"x"}}\ue201', ":"),
        *(":contentReference[oaicite:0]{index=0}", ":contentReference[oaicite:", "::", "|"),
        *(':::writing{variant="email"}\n', "\n:::\n", "\n:::writing{a}\nb\n:::\n"),
    )
)
PRIVATE = re.compile("[\ue200-\ue206]")
_ODD = re.compile(r"[【\ue200-\ue202\ue205]|sandbox:|【[^】]{200}|:::|:content")
_WELL = re.compile(
    r"(?:^|(?<=\n)):::writing\{[a-z=\"]*\}\n[^:\ue200-\ue206]*\n:::\n|:contentReference\[oaicite:\d{1,9}\]\{[a-z=0-9]*\}"
)
_PLAIN = re.compile(r"[^【】\]s:\ue200-\ue206\ud800-\udfff]*")
# Lengths and forms that the definition does not cover.
_BEYOND = re.compile(
    r"【\d{7}|【\d*:\d{7}|【[^】]*\n|【[^】]{300}|\ue200[^\ue201]{1000}|(?i:math)|\ue200(?:url|video)\ue202[^\ue201]*[\n\[\]]"
)
_FORMULA = re.compile(
    r'\ue200genui\ue202\{"(?i:math)\w*":\{"content":"[\w=^+](?:[\w =^+]*[\w=^+])?"\}\}\ue201',
    re.ASCII,
)


def check(data: bytes) -> None:
    """Check that any cut gives the same text, no marker is left, and the oracle agrees."""
    choice, body = split(data)
    text = body.decode("utf-8", "ignore")
    metadata = _metadata(text, choice)
    whole = _reading([text], metadata)
    assert _reading(texts(text, choice), metadata) == whole, "another cut, another text"
    assert PRIVATE.search(whole.content) is None, "a marker came through"
    if _PLAIN.fullmatch(text):
        assert whole.content == text, "plain text was changed"
    if not _ODD.search(_WELL.sub("", MARKER.sub("x", text))) and not _is_beyond(text):
        for profile in ("web", "bot"):
            told = _reading([text], metadata, profile).content
            expected = answer_text(_final(text, metadata), profile)
            assert told == expected, f"not what the oracle says in {profile}"


def _is_beyond(text: str) -> bool:
    """Tell whether the definition leaves the text open: a formula has to be well written, too."""
    return _BEYOND.search(_FORMULA.sub("", text)) is not None


def _metadata(text: str, choice: int) -> dict[str, Any]:
    """Return references for some of the markers."""
    chance = random.Random(choice)
    citations, references = [], []
    for number, found in enumerate(MARKER.finditer(text)):
        marker, url = found.group(), f"https://e.org/{number}"
        known = chance.choice(("no", "yes", "alt"))
        if known == "no":
            continue
        if index := re.match(r"【(\d{1,6})†", marker):
            extra = {"cited_message_idx": int(index[1])}
            metadata = {"type": "webpage", "url": url, "title": "T", "extra": extra}
            citations.append({"start_ix": found.start(), "end_ix": 0, "metadata": metadata})
            continue
        references.append(
            {
                "type": "grouped_webpages",
                "matched_text": marker,
                "start_idx": found.start(),
                "alt": f"([e]({url}))" if known == "alt" else None,
                "items": [{"title": "T", "url": url}],
            }
        )
    return {"citations": citations, "content_references": references}


def _message(text: str, metadata: dict[str, Any], status: str) -> dict[str, Any]:
    return {
        "id": "a1",
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": [text]},
        "status": status,
        "end_turn": status != "in_progress",
        "metadata": metadata,
    }


def _final(text: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return _message(text, metadata, "finished_successfully")


def _events(cut: list[str], metadata: dict[str, Any]) -> Iterator[UpstreamEvent]:
    first, last = _message("", metadata, "in_progress"), _final("".join(cut), metadata)
    for raw in (first, last):
        if (message := read_message(raw)) is not None:
            if raw is last:
                yield from (TextAppended("a1", piece) for piece in cut)
            yield MessageSnapshot(message)
    yield DoneReceived()
    yield BodyEnded(BodyEnd.CLEAN)


def _reading(cut: list[str], metadata: dict[str, Any], profile: str = "web") -> Reading:
    answer = make_answer(SentHistory())

    def produced() -> Iterator[Delta]:
        for event in _events(cut, metadata):
            yield from answer.feed(event)
        yield from answer.feed(BodyEnded(BodyEnd.WAITED))

    return read(produced(), profile)


def seeds() -> dict[str, bytes]:
    """Return the texts of transcripts about citations and links."""
    found = {}
    for name in render.names():
        steps = render.load(name).get("steps", ())
        words = [step.get("text") or step.get("more") for step in steps]
        text = "".join(word for word in words if isinstance(word, str)).encode("utf-8", "ignore")
        if name.startswith(("p5", "s7", "s1")) and 0 < len(text) < MAX_BYTES:
            found[name] = b"0a" + text
    return found
