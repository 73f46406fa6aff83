"""Events of the upstream that this version does not know, by kind.

The upstream changes without notice. Each new kind is counted, logged once with a sample stripped of
words and ids, and listed by `/readyz` for the operator.
"""

import logging
import re
import time
from collections.abc import Mapping

from msgspec import Struct

from service.observing.metrics import Metrics

MAX_KINDS = 100  # per process: kinds come from outside and become labels of a metric
MAX_SAMPLE_CHARS = 200
OTHER = "other"  # all kinds beyond these

_log = logging.getLogger("gateway.drift")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)(?:"(\s*:)?|\\?\Z)', re.DOTALL)
_KEY = re.compile(r"[A-Za-z_(][A-Za-z0-9_. )-]{0,47}")
_LONG_NUMBER = re.compile(r"\d{6,}")
_WORD = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")
_LITERAL = re.compile(r"true|false|null")


class Anomaly(Struct, frozen=True):
    """One kind of unknown event; times in seconds since 1970."""

    kind: str
    count: int
    first_at: float
    last_at: float


class UnknownEvents:
    """All unknown events of one process since its start."""

    def __init__(self, metrics: Metrics) -> None:
        self.since = time.time()
        self._metrics = metrics
        self._known: dict[str, Anomaly] = {}

    def note(self, counts: Mapping[str, int], samples: Mapping[str, str]) -> None:
        """Count the unknown events of one turn; `samples` has an example of some kinds."""
        for kind, times in counts.items():
            is_listed = kind in self._known or len(self._known) < MAX_KINDS
            label = kind if is_listed else OTHER
            self._metrics.anomalies.labels(label).inc(times)
            now = time.time()
            before = self._known.get(label)
            if before is None:
                sample = outline(samples.get(kind, ""))
                such = f", such as {sample}" if sample else ""
                _log.warning("the upstream sent something unexpected: %s%s", label, such)
                before = Anomaly(label, 0, now, now)
            self._known[label] = Anomaly(label, before.count + times, before.first_at, now)

    def seen(self) -> list[Anomaly]:
        """Return all kinds so far, the latest first."""
        return sorted(self._known.values(), key=lambda each: each.last_at, reverse=True)


def outline(sample: str) -> str:
    """Return the shape of a sample without its content: keys, punctuation and lengths.

    Words and values are a user's; a bug report needs neither.
    """
    text = sample[:MAX_SAMPLE_CHARS]
    if text.lstrip()[:1] not in ("{", "["):
        return _DIGIT.sub("0", _WORD.sub("x", text))
    parts, place = [], 0
    for found in _STRING.finditer(text):
        parts += [_outlined_marks(text[place : found.start()]), _outlined_string(found)]
        place = found.end()
    return "".join([*parts, _outlined_marks(text[place:])])


def _outlined_string(found: re.Match[str]) -> str:
    words, colon = found[1], found[2]
    is_key = colon and _KEY.fullmatch(words) and not _LONG_NUMBER.search(words)
    if is_key or not words:
        return found[0]
    return f'"…"{colon or ""}'


def _outlined_marks(text: str) -> str:
    """Return the text between two strings with numbers and words masked."""
    kept = {found.start(): found.end() for found in _LITERAL.finditer(text)}
    out, place = [], 0
    for start, end in kept.items():
        out += [_DIGIT.sub("0", _WORD.sub("x", text[place:start])), text[start:end]]
        place = end
    return "".join([*out, _DIGIT.sub("0", _WORD.sub("x", text[place:]))])
