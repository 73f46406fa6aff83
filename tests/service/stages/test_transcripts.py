"""Every transcript, sent as each stream generation and cut in every way, means the same."""

import functools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import pytest

from fuzz.targets.pipeline import check_dialects
from service.vocabulary.events import BodyEnd, Delta
from tests.feeding import FORMATS, Reading, deltas, problems_with, read, sent_history
from tests.oracle import render
from tests.rows import each_row

NAMES = render.names()
SHARES = [NAMES[place : place + 12] for place in range(0, len(NAMES), 12)]  # a few seconds each
SEEDS = range(3)
# Cuts are tried at every line end, in every wide character and at this many other
# places, which differ from body to body: all of them would take minutes.
CUTS = 60
CUTS_AT_ONCE = 8


class Body(NamedTuple):
    """A body of a transcript with a name for it, one piece for each step.

    `is_for_bytes`: it is fed byte by byte, too. Each seed is so with one kind of line ends, and each
    kind with a seed; a body as it is written in the transcript is with both.
    """

    label: str
    pieces: tuple[bytes, ...]
    is_for_bytes: bool


def bodies(name: str, seeds: range = SEEDS) -> Iterator[Body]:
    """Yield every body of a transcript."""
    transcript = render.load(name)
    for generation in render.generations(transcript):
        is_literal = generation in transcript
        for number, newline in enumerate(("\n", "\r\n")):
            for seed in seeds[:1] if is_literal else seeds:
                pieces = render.rendered(name, generation, seed, newline)
                is_for_bytes = is_literal or (seed + number) % 2 == 0
                yield Body(f"{generation} seed {seed} {newline!r}", pieces, is_for_bytes)


def produced_by(name: str, chunks: Iterable[bytes]) -> Iterator[Delta]:
    transcript = render.load(name)
    return deltas(chunks, sent_history(transcript), BodyEnd(transcript.get("end", "clean")))


@functools.cache
def produced_by_event(name: str, pieces: tuple[bytes, ...]) -> tuple[Delta, ...]:
    """Return the deltas of a body, made once for all tests."""
    return tuple(produced_by(name, pieces))


def reading(name: str, chunks: Iterable[bytes]) -> Reading:
    return reading_of_deltas(name, produced_by(name, chunks))


def reading_of_deltas(name: str, produced: Iterable[Delta]) -> Reading:
    return read(produced, "web", render.load(name).get("problems"))


def cuts(body: bytes, label: str) -> list[int]:
    """Return the places at which a body is cut in two."""
    near = {
        place
        for index, byte in enumerate(body)
        if byte in b"\r\n" or byte >= 0x80
        for place in (index, index + 1)
    }
    stride = len(body) // CUTS + 1
    near.update(range(zlib.crc32(label.encode()) % stride, len(body), stride))
    return sorted(near - {0, len(body)})


@each_row("name", NAMES)
def test_a_transcript_becomes_what_is_expected_in_every_profile(name: str) -> None:
    expect(name, tuple(FORMATS), range(1))


# What profiles share, in every way.
@pytest.mark.whole
@pytest.mark.parametrize("names", SHARES, ids=itemgetter(0))
def test_a_transcript_becomes_what_is_expected_however_it_is_framed_and_fed(
    names: list[str],
) -> None:
    each_row("name", names)(expect)(profiles=("web",), seeds=SEEDS)


def expect(name: str, profiles: Sequence[str], seeds: range) -> None:
    transcript = render.load(name)
    wrong = {}
    for label, pieces, is_for_bytes in bodies(name, seeds):
        body = b"".join(pieces)
        feedings: dict[str, Iterable[Delta]] = {"by event": produced_by_event(name, pieces)}
        if seeds is SEEDS and is_for_bytes:
            bytewise = (body[place : place + 1] for place in range(len(body)))
            feedings["by byte"] = list(produced_by(name, bytewise))
        feedings["whole"] = list(produced_by(name, [body]))
        for how, produced in feedings.items():
            for profile in profiles:
                told = read(produced, profile, transcript.get("problems"))
                if found := problems_with(told, transcript["expect"], profile):
                    place = f"{label} {how}, {profile}"
                    wrong.setdefault("\n    ".join(found), []).append(place)
    if wrong:
        lines = [
            f"in {len(labels)} bodies, the first {labels[0]}:\n    {found}"
            for found, labels in wrong.items()
        ]
        pytest.fail("\n".join([transcript["why"], *lines]), pytrace=False)


@pytest.mark.whole
@pytest.mark.parametrize("names", SHARES, ids=itemgetter(0))
def test_a_transcript_means_the_same_however_it_is_cut(names: list[str]) -> None:
    each_row("name", names)(expect_the_same_of_every_cut)()


def expect_the_same_of_every_cut(name: str) -> None:
    for label, pieces, _ in bodies(name, range(1)):
        body = b"".join(pieces)
        whole = reading(name, [body])
        places = cuts(body, name + label)
        rounds = -(-len(places) // CUTS_AT_ONCE)
        for start in range(rounds):
            here = places[start::rounds]  # far apart, so that each is a cut between long pieces
            ends = zip([0, *here], [*here, len(body)], strict=True)
            chunks = [body[first:last] for first, last in ends]
            assert reading(name, chunks) == whole, f"{label} cut at {here}"


@each_row("name", [n for n in NAMES if not render.load(n).get("unterminated")])
def test_comments_between_and_after_events_change_nothing(name: str) -> None:
    for label, pieces, _ in bodies(name, range(1)):
        comment = b": keep-alive\n\n" if "\\r" not in label else b": keep-alive\r\n\r\n"
        noisy = [part for piece in pieces for part in (piece, comment)]
        quiet = reading_of_deltas(name, produced_by_event(name, pieces))
        assert reading(name, noisy) == quiet, label


@each_row("name", NAMES)
def test_every_dialect_tells_a_transcript_the_same_streamed_and_whole(name: str) -> None:
    for generation in render.generations(render.load(name)):
        whole = list(produced_by_event(name, render.rendered(name, generation)))
        for profile in FORMATS:
            check_dialects(whole, profile)
