"""A log file that several processes write, rotated at midnight."""

import errno
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.observing.log_files import RETRY_SECONDS, DailyFileHandler

ROOT = Path(__file__).resolve().parents[3]
DAY = 86400


class Clock:
    """Seconds since the epoch; `days` are added to the system's time."""

    days = 0
    seconds = 0.0

    def __call__(self) -> float:
        return time.time() + self.days * DAY + self.seconds


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


def test_a_file_that_cannot_be_written_is_told_once_and_made_anew(
    make, tmp_path, caplog, clock, monkeypatch
):
    handler = make()
    write(handler, "before")
    folder = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(folder)
    tmp_path.write_text("a file where the directory was")
    write(handler, "lost 1")
    write(handler, "lost 2")
    assert [text for text in caplog.messages if "cannot write to" in text] == caplog.messages
    assert len(caplog.messages) == 1
    tmp_path.unlink()
    write(handler, "lost 3")  # too soon
    monkeypatch.setattr(clock, "seconds", RETRY_SECONDS)
    write(handler, "after")
    assert (tmp_path / "access.log").read_text() == "after\n"
    assert (folder / "access.log").read_text() == "before\n"
    assert caplog.messages[1:] == [f"writing to {tmp_path / 'access.log'} again"]


def test_a_removed_directory_is_made_anew_with_the_next_record_but_one(
    make, tmp_path, caplog, clock
):
    handler = make()
    write(handler, "before")
    shutil.rmtree(tmp_path)
    write(handler, "lost")
    clock.seconds = RETRY_SECONDS
    write(handler, "after")
    assert (tmp_path / "access.log").read_text() == "after\n"
    assert len(caplog.messages) == 2


def test_a_clock_that_was_set_back_does_not_lengthen_the_wait_for_a_file(make, tmp_path, clock):
    handler = make()
    shutil.rmtree(tmp_path)
    write(handler, "lost")
    clock.days = -1
    write(handler, "after")
    assert (tmp_path / "access.log").read_text() == "after\n"


def test_a_disk_that_is_full_for_a_while_costs_only_that_while(make, tmp_path, caplog, clock):
    handler = make()
    handler.stream.close()
    handler.stream = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - it closes it
    write(handler, "lost")
    assert "No space left" in caplog.messages[0]
    clock.seconds = RETRY_SECONDS
    write(handler, "after")
    assert (tmp_path / "access.log").read_text() == "after\n"


def test_a_file_that_cannot_be_put_aside_is_written_on(make, tmp_path, caplog, clock, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    handler = make()
    write(handler, "yesterday")
    clock.days = 1
    monkeypatch.setattr(Path, "rename", refuse)  # root may rename anything
    write(handler, "today")
    assert (tmp_path / "access.log").read_text() == "yesterday\ntoday\n"
    assert "cannot put" in caplog.messages[0]


WRITER = """
import logging, sys, time
from pathlib import Path
from service.observing.log_files import DailyFileHandler

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


@pytest.mark.whole
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
