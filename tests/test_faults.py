"""The fault matrix notices what it has to notice; `make faults` runs all of it."""

import logging
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientTimeout

from tests.faults.__main__ import table
from tests.faults.contract import lost_bytes
from tests.faults.endpoints import CHATS, PICTURES
from tests.faults.matrix import ROWS, Bench, Tally, bench, rows_named
from tests.faults.rows import Row
from tests.faults.table import COMPLETE, CUT, Fault, turn_fault
from tests.faults.turns import WHOLE, GoodTurn
from tests.faults.upstream import ACCESS_MARK, ROTATED_MARK, FaultyUpstream, Part, Script
from tests.scripted_upstream import STALL

SOME = WHOLE.until(WHOLE.some)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as running:
        yield running


def row(*faults: Fault) -> Row:
    """Return a row of these faults, for chats and picture orders."""

    def make(_turn: GoodTurn) -> Iterator[Fault]:
        yield from faults

    return Row("a row", make, turns=(WHOLE,), texts=CHATS, pictures=PICTURES)


def told(tally: Tally, words: str) -> bool:
    return any(words in problem for problem in tally.problems)


async def test_the_matrix_sees_what_is_wrong(made: Bench) -> None:
    good = turn_fault("good", WHOLE.data, COMPLETE.after(WHOLE.text))
    cut = turn_fault("cut", SOME, CUT.after(WHOLE.some))
    tally = await made.run(row(good, cut))
    assert (tally.cases, tally.passed, tally.lost_bytes, tally.is_clean) == (4, 4, 0, True)

    missing = await made.run(row(replace(cut, ending=CUT.after(WHOLE.text))))
    assert missing.passed == 0
    assert missing.lost_bytes == 2 * len(WHOLE.text[len(WHOLE.some) :].encode())
    invented = await made.run(row(replace(cut, ending=CUT)))
    assert (invented.passed, invented.lost_bytes) == (0, 0)

    wrong = await made.run(row(replace(good, ending=CUT.after(WHOLE.text))))
    assert told(wrong, "access log: (<Outcome.COMPLETE")
    assert told(wrong, "/metrics counts other outcomes")
    assert told(wrong, "code: None, not 'upstream_cut'")
    again = await made.run(row(replace(good, visits={"turn": 2})))
    assert told(again, "calls of turn: 1, not 2")


async def test_the_matrix_sees_what_leaks(
    made: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.matrix.QUIET_SECONDS", 2.0)
    sockets: list[socket.socket] = []
    good = FaultyUpstream._good

    def leaky(upstream: FaultyUpstream, place: str, part: Part) -> Script:
        """Leak sockets and a token while a case is played, as the gateway in this process could."""
        sockets.extend(socket.socket() for _ in range(3))
        logging.getLogger("gateway.x").debug("token %s000001", ACCESS_MARK)
        return good(upstream, place, part)

    monkeypatch.setattr(FaultyUpstream, "_good", leaky)
    stopped = turn_fault("stopped", (*SOME, STALL), CUT.after(WHOLE.some))
    # The account has one slot, and a caller that may only have ended its side is waited for: the
    # second one must still be there when the first one's slot is free.
    made.session._timeout = ClientTimeout(1.5)
    tally = await made.run(row(stopped))
    assert told(tally, "no answer that can be read: TimeoutError")
    assert tally.leaked == len(sockets) == 6  # of the two calls that stop a conversation
    assert tally.leaked_secrets == 1
    (tmp_path / "kept.db").write_text(f"{ROTATED_MARK}000001", "utf-8")
    await made.look_at_files(tally)
    assert told(tally, f"{ROTATED_MARK} is kept in kept.db")
    for one in sockets:
        one.close()


def test_rows_have_names_of_their_own() -> None:
    names = [one.name for one in ROWS]
    assert len(set(names)) == len(names) > 50
    wanted = [name for name in names if name.startswith("status 4")]
    assert rows_named("^status 4") == (wanted, {})


def test_a_row_whose_parts_are_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.surroundings.shutil.which", lambda _name: None)
    monkeypatch.setattr("tests.faults.surroundings.fake_clock", lambda: None)
    names, missing = rows_named("state store|clock|^status 400")
    assert names == ["status 400"]
    assert set(missing.values()) == {"redis-server", "faketime"}


def test_lost_bytes_are_counted_from_the_first_difference() -> None:
    assert lost_bytes("Hello", "Hello") == lost_bytes("Hello", "Hello there") == 0
    assert lost_bytes("Hé!", "H") == 3
    assert lost_bytes("abc", "aXc") == 2


def test_the_table_has_a_sum() -> None:
    lines = table([Tally("a", 2, 1, 7, seconds=1.2), Tally("b", 3, 3, seconds=2.1)]).splitlines()
    assert lines[-1].split() == ["all", "2", "5", "4", "7", "0", "0", "3"]
