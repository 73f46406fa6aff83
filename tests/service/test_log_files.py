"""A log file that several processes write, put aside at midnight."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.log_files import DailyFileHandler

ROOT = Path(__file__).resolve().parents[2]
DAY = 86400


class Clock:
    """Seconds since the epoch; `days` are added to what the system says."""

    days = 0

    def __call__(self) -> float:
        return time.time() + self.days * DAY


def day(offset: int = 0) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(time.time() + offset * DAY))


def write(handler: logging.Handler, text: str) -> None:
    handler.handle(logging.makeLogRecord({"msg": text}))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(tmp_path, clock):
    made = []

    def _make(keep_days: int = 30) -> DailyFileHandler:
        made.append(DailyFileHandler(tmp_path / "access.log", keep_days, clock))
        return made[-1]

    yield _make
    for handler in made:
        handler.close()


def test_records_are_appended(tmp_path, make):
    write(make(), "one")
    write(make(), "two")
    assert (tmp_path / "access.log").read_text() == "one\ntwo\n"


def test_after_midnight_the_file_is_put_aside_under_its_day(tmp_path, make, clock):
    handler = make()
    write(handler, "yesterday")
    clock.days = 1
    write(handler, "today")
    assert (tmp_path / f"access.log.{day()}").read_text() == "yesterday\n"
    assert (tmp_path / "access.log").read_text() == "today\n"


def test_a_second_process_finds_it_put_aside_and_loses_nothing(tmp_path, make, clock):
    first, second = make(), make()
    write(first, "yesterday 1")
    write(second, "yesterday 2")
    clock.days = 1
    write(first, "today 1")
    write(second, "today 2")
    write(first, "today 3")
    assert (tmp_path / f"access.log.{day()}").read_text() == "yesterday 1\nyesterday 2\n"
    assert (tmp_path / "access.log").read_text() == "today 1\ntoday 2\ntoday 3\n"


def test_a_file_of_an_earlier_run_is_put_aside_first(tmp_path, make):
    path = tmp_path / "access.log"
    path.write_text("old\n")
    os.utime(path, (time.time() - 3 * DAY,) * 2)
    write(make(), "new")
    assert (tmp_path / f"access.log.{day(-3)}").read_text() == "old\n"
    assert path.read_text() == "new\n"


def test_a_day_that_is_there_already_is_not_overwritten(tmp_path, make, clock):
    aside = tmp_path / f"access.log.{day()}"
    handler = make()
    write(handler, "later")
    aside.write_text("earlier\n")
    clock.days = 1
    write(handler, "today")
    assert aside.read_text() == "earlier\n"
    assert (tmp_path / "access.log").read_text() == "later\ntoday\n"


def test_only_the_last_days_are_kept(tmp_path, make, clock):
    for offset in (-40, -31, -29, -2):
        (tmp_path / f"access.log.{day(offset)}").touch()
    (tmp_path / "access.log.notes").touch()
    handler = make(keep_days=30)
    write(handler, "x")
    clock.days = 1
    write(handler, "y")
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {
        "access.log",
        "access.log.notes",
        f"access.log.{day()}",
        f"access.log.{day(-29)}",
        f"access.log.{day(-2)}",
    }


def test_a_file_that_cannot_be_written_any_more_is_told_once(make, tmp_path, capsys, clock):
    handler = make()
    (tmp_path / "access.log").unlink()
    tmp_path.rmdir()
    clock.days = 1
    write(handler, "a")
    write(handler, "b")
    assert capsys.readouterr().err.count("cannot be written any more") == 1


WRITER = """
import logging, sys, time
from pathlib import Path
from service.log_files import DailyFileHandler

change = float(sys.argv[2])
clock = lambda: time.time() - 86400 * (time.time() < change)
handler = DailyFileHandler(Path(sys.argv[1]), 30, clock)
number = 0
while time.time() < change + 0.3:
    handler.handle(logging.makeLogRecord({"msg": f"{sys.argv[3]} {number}"}))
    number += 1
    time.sleep(0.001)
print(number)
"""


def test_processes_that_write_over_midnight_lose_no_line(tmp_path):
    path = tmp_path / "access.log"
    change = str(time.time() + 1.0)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), change, name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    expected = set()
    for name, writer in zip("abc", writers, strict=True):
        output, _ = writer.communicate(timeout=30)
        expected |= {f"{name} {number}" for number in range(int(output))}
    found = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert len(found) == len(set(found))
    assert set(found) == expected
