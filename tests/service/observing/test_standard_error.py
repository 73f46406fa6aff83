"""Standard error as a pipe that is not read, or a file, or nothing."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service.observing import standard_error
from service.observing.standard_error import StandardErrorHandler


class Pipe:
    """A pipe in place of standard error."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.stream = os.fdopen(writing, "w", encoding="utf-8")

    def handler(self) -> StandardErrorHandler:
        with pytest.MonkeyPatch.context() as patch:  # pytest has its own before each test
            patch.setattr(sys, "stderr", self.stream)
            return StandardErrorHandler()

    def fill(self) -> int:
        """Fill the pipe; return the number of bytes."""
        os.set_blocking(self.stream.fileno(), False)
        size = 0
        try:
            while True:
                size += os.write(self.stream.fileno(), b"." * 4096)
        except BlockingIOError:
            os.set_blocking(self.stream.fileno(), True)
            return size

    def read(self, size: int = 1 << 20) -> str:
        os.set_blocking(self.reading, False)
        try:
            return os.read(self.reading, size).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.stream.close()
    os.close(made.reading)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_error, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(standard_error, "_LOOK_SECONDS", 0.01)


def say(handler: StandardErrorHandler, words: str) -> None:
    handler.emit(logging.makeLogRecord({"msg": words}))


def test_lines_longer_than_a_pipe_takes_at_once_are_whole(pipe: Pipe) -> None:
    handler, found = pipe.handler(), []
    text = "".join(f"line {number}\n" for number in range(50_000))
    thread = threading.Thread(target=say, args=(handler, text))
    thread.start()
    while thread.is_alive():
        found.append(pipe.read())
    while rest := pipe.read():
        found.append(rest)
    assert "".join(found) == text + "\n"


@pytest.mark.usefixtures("_hasty")
def test_what_finds_no_room_is_dropped_counted_and_told_once_there_is_some(pipe: Pipe) -> None:
    handler = pipe.handler()
    size = pipe.fill()
    say(handler, "one\ntwo")
    say(handler, "three")
    assert len(pipe.read(size)) == size
    say(handler, "four")
    say(handler, "five")
    assert pipe.read() == "3 lines were dropped: standard error was full\nfour\nfive\n"


@pytest.mark.usefixtures("_hasty")
def test_after_the_first_time_nothing_waits(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = pipe.handler()
    pipe.fill()
    say(handler, "one")
    monkeypatch.setattr(standard_error, "PATIENCE_SECONDS", 3600.0)
    for _ in range(100):
        say(handler, "more")


def test_who_is_leaving_waits_for_little(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_error, "PATIENCE_SECONDS", 3600.0)
    monkeypatch.setattr(standard_error, "LAST_PATIENCE_SECONDS", 0.05)
    handler = pipe.handler()
    pipe.fill()
    thread = threading.Thread(target=say, args=(handler, "one"))
    thread.start()
    handler.leave()
    thread.join(60)
    assert not thread.is_alive()


def test_a_pipe_that_was_closed_is_no_fault(pipe: Pipe) -> None:
    handler = pipe.handler()
    os.close(pipe.reading)
    say(handler, "one")
    pipe.reading = os.open(os.devnull, os.O_RDONLY)


def test_a_file_is_written_at_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "stderr").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        say(StandardErrorHandler(), "x" * 100_000)
    assert (tmp_path / "stderr").read_text() == "x" * 100_000 + "\n"


def test_without_standard_error_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    say(StandardErrorHandler(), "one")
