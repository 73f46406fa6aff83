"""Runs every target of `fuzz/` on its seeds and committed inputs, without the fuzzer."""

import re
from pathlib import Path

import pytest

from fuzz import corpus, costs, targets
from fuzz.costs import check_linear
from fuzz.targets import linear

ROOT = Path(__file__).parents[1]
MAX_CORPUS_BYTES = 1_000_000
# Some transcripts are enough, since `test_transcripts.py` cuts all of them in every place.
MAX_INPUTS = 12

pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")


@pytest.mark.parametrize("name", targets.NAMES)
def test_the_invariants_hold_for_seeds_and_committed_inputs(name: str) -> None:
    target = targets.load(name)
    for several in (target.seeds(), corpus.committed(name)):
        step = max(1, len(several) // MAX_INPUTS)
        for key in sorted(several)[::step]:
            target.check(several[key])


@pytest.mark.parametrize("name", targets.NAMES)
def test_a_target_has_seeds_of_its_size_and_words_of_its_language(name: str) -> None:
    target = targets.load(name)
    assert len(target.seeds()) >= 3
    assert max(map(len, corpus.inputs(name).values())) <= target.MAX_BYTES
    words = corpus.dictionary(name).splitlines()
    assert len(words) == len(target.TOKENS)
    assert all(re.fullmatch(r'"(\\x[0-9a-f]{2})+"', word) for word in words)


def test_the_committed_inputs_are_small() -> None:
    sizes = [path.stat().st_size for path in corpus.COMMITTED.rglob("*") if path.is_file()]
    assert sum(sizes) < MAX_CORPUS_BYTES
    assert {path.name for path in corpus.COMMITTED.iterdir()} <= set(targets.NAMES)


def test_each_target_is_in_the_list() -> None:
    files = {path.stem for path in (ROOT / "fuzz" / "targets").glob("[a-z]*.py")}
    assert files == set(targets.NAMES)


BROKEN = {
    "sse": ("fuzz.targets.sse._frames", list),
    "calls": ("fuzz.targets.calls._found", list),
    "multipart": ("fuzz.targets.multipart._read", len),
    "markers": ("fuzz.targets.markers._reading", lambda cut, _: len(cut)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_target_notices_that_a_cut_matters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that cannot fail would find nothing."""
    target, (place, broken) = targets.load(name), BROKEN[name]
    monkeypatch.setattr(place, broken)
    with pytest.raises(AssertionError, match="another cut"):
        check_all(target)


def check_all(target: targets.Target) -> None:
    for data in target.seeds().values():
        target.check(data)


# What once took time in the square of its length, or worse (issue 12, 1 to 4, and their kin).
ONCE_SLOW = (
    *("whole-links", "whole-bare-links", "by_letter-links", "demanded-blanks", "refused-tokens"),
    *("cited-words", "cited_late-words", "taken_back-words", "called-code"),
)
OF_CODEX = [name for name in linear.seeds() if name.startswith("codex_")]


@pytest.mark.parametrize("name", ONCE_SLOW)
def test_what_once_grew_faster_than_its_input_is_linear(name: str) -> None:
    linear.check(linear.seeds()[name])


@pytest.mark.parametrize("name", OF_CODEX)
def test_bodies_of_codex_s_back_end_are_read_in_linear_time(name: str) -> None:
    linear.check(linear.seeds()[name])


def square(repeats: int) -> int:
    return sum(1 for _ in range(repeats) for _ in range(repeats))


def test_work_that_grows_faster_than_its_input_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(costs, "TRIES", (1,))  # more of them fail likewise
        with pytest.raises(AssertionError, match="times as long"):
            check_linear(lambda repeats: lambda: square(repeats), 100_000)
    check_linear(lambda repeats: lambda: square(1_000) and [square(30)] * repeats, 10_000)


def test_a_parser_takes_a_beginning_a_fragment_and_an_end() -> None:
    given = linear.Input("a", "b", "c")
    assert given.text(3) == "abbbc"
    assert given.pieces(2) == ["a", "b", "b", "c"]
    assert len({data[0] for data in linear.seeds().values()}) == len(linear.PARSERS)
