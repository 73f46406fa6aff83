"""The log as an operator reads it."""

import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable

import pytest

from service.observing import log_files, logs
from service.observing.logs import setup_logging
from service.observing.standard_error import StandardErrorHandler
from service.settings.config import LogConfig

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
logger = logging.getLogger("service.test")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log" / "access.log"


def config(path, **changes) -> LogConfig:
    return LogConfig(path=str(path), **changes)


def wait_for(is_true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_record_is_one_line_on_stderr_and_in_the_file(path, capsys):
    with setup_logging(config(path)):
        logger.info("hello %s", "there", extra={"request_id": "r1", "seconds": 0.5})
    line = path.read_text()
    pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO service\.test: hello there request_id=r1 seconds=0\.5\n"
    assert re.fullmatch(pattern, line)
    assert capsys.readouterr().err == line


def test_without_a_file_there_is_only_stderr(path, capsys):
    with setup_logging(config(path, to_file=False)):
        logger.info("hello")
    assert "hello" in capsys.readouterr().err
    assert not path.parent.exists()


def test_records_below_the_level_are_dropped(path, capsys):
    with setup_logging(config(path, level="WARNING")):
        logger.info("quiet")
        logger.warning("loud")
    assert "quiet" not in capsys.readouterr().err
    assert "loud" in path.read_text()


@pytest.mark.parametrize("text", ["a\nb", "a\r\nFAKE INFO x", "a\u2028b", "a\x1b[31mb", "a\ud800b"])
def test_nothing_in_a_message_breaks_its_line(path, text):
    with setup_logging(config(path)):
        logger.info("%s", text, extra={"model": text})
    content = path.read_text(encoding="utf-8")
    assert content.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u2028]", content)


def test_values_with_blanks_are_quoted(path):
    with setup_logging(config(path)):
        logger.info("x", extra={"name_of_it": 'a "b"', "nothing": None})
    assert r'name_of_it="a \"b\"" nothing=-' in path.read_text()


@pytest.mark.parametrize(
    ("value", "shown"),
    [("None", "None"), (None, "-"), ("", "-"), ("a=b", '"a=b"'), ("50%s", "50%s"), (True, "True")],
)
def test_a_line_is_the_same_whether_or_not_another_value_needs_quotes(path, value, shown):
    with setup_logging(config(path)):
        logger.info("%s", "50%", extra={"of_100%s": value, "request_id": "r1"})
        logger.info("%s", "50%", extra={"of_100%s": value, "request_id": "r1", "other": "a b"})
    plain, quoted = (line.partition(": ")[2] for line in path.read_text().splitlines())
    assert plain == f"50% of_100%s={shown} request_id=r1"
    assert quoted == f'{plain} other="a b"'


def test_json_lines_have_the_extras_as_fields(path):
    with setup_logging(config(path, format="json")):
        logger.warning("hello\n%s", "there", extra={"model": "gpt-4o", "tokens": 5, "x": object})
    entry = json.loads(path.read_text())
    assert entry["message"] == "hello\nthere"
    assert (entry["level"], entry["logger"]) == ("WARNING", "service.test")
    assert (entry["model"], entry["tokens"]) == ("gpt-4o", 5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", entry["time"])


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_is_part_of_the_line(path, form):
    def fail() -> None:
        message = "inner"
        raise RuntimeError(message)

    with setup_logging(config(path, format=form)):
        try:
            fail()
        except RuntimeError:
            logger.exception("it broke")
    content = path.read_text()
    assert content.count("\n") == 1
    assert "RuntimeError: inner" in content


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_passes(path, capsys, form):
    def fail() -> None:
        message = f"upstream said {JWT}"
        raise RuntimeError(message)

    with setup_logging(config(path, format=form)):
        logger.info("in the message eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln")
        logger.info("in an argument: %s", {"Authorization": "Bearer hunter2"})
        logger.info("refresh_token=%s", "hunter2")
        logger.info("extra", extra={"refresh_token": "hunter2", "body": f'{{"a": "{JWT}"}}'})
        try:
            fail()
        except RuntimeError:
            logger.exception("in a traceback")
    content = path.read_text() + capsys.readouterr().err
    assert "hunter2" not in content
    assert "eyJ" not in content
    assert content.count("in the message [redacted]") == 2


def test_a_directory_that_cannot_be_written_is_one_warning(tmp_path, capsys):
    (tmp_path / "log").write_text("a file")
    with setup_logging(config(tmp_path / "log" / "access.log")):
        logger.info("still here")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "WARNING service.observing.log_files: cannot write to" in lines[0]
    assert "still here" in lines[1]


def test_a_log_directory_that_is_removed_stops_neither_stderr_nor_the_file(
    path, capsys, monkeypatch
):
    monkeypatch.setattr(log_files, "RETRY_SECONDS", 0.0)
    with setup_logging(config(path)):
        logger.info("one")
        wait_for(lambda: path.exists() and "one" in path.read_text())
        shutil.rmtree(path.parent)
        logger.info("two")
        error = ""

        def is_written() -> bool:
            nonlocal error
            error += capsys.readouterr().err
            return ": two\n" in error

        wait_for(is_written)
        logger.info("three")
    assert "three" in path.read_text()
    error += capsys.readouterr().err
    assert all(f": {word}\n" in error for word in ("one", "two", "three"))


def test_lines_that_come_together_are_written_together_and_in_order(path, monkeypatch, capsys):
    monkeypatch.setattr(logs, "MAX_LINES", 30)
    written = []
    emit = logging.StreamHandler.emit

    def counting(handler, record):
        written.append(record.msg.count("\n") + 1)
        emit(handler, record)

    monkeypatch.setattr(logging.StreamHandler, "emit", counting)
    with setup_logging(config(path)):
        for number in range(100):
            logger.info("line %s", number)
    lines = path.read_text().splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [f"line {n}" for n in range(100)]
    assert sum(written) == 200  # to stderr and to the file
    assert len(capsys.readouterr().err.splitlines()) == 100
    assert len(written) < 40
    assert max(written) == 30


def test_records_that_nobody_takes_are_dropped_counted_and_told(path, capsys, monkeypatch):
    monkeypatch.setattr(logs, "MAX_WAITING", 10)
    release = threading.Event()
    emit = logging.StreamHandler.emit

    def slow(handler, record):
        release.wait(10)
        emit(handler, record)

    monkeypatch.setattr(logging.StreamHandler, "emit", slow)
    with setup_logging(config(path, to_file=False)):
        for number in range(100):
            logger.info("line %s", number)
        release.set()
        wait_for(lambda: not logging.getLogger().handlers[0].queue.qsize())
        logger.info("the last")
    lines = capsys.readouterr().err.splitlines()
    told = [int(found[1]) for line in lines if (found := re.search(r"(\d+) records were", line))]
    assert sum(told) > 50
    assert sum(told) + sum(": line " in line for line in lines) == 100
    assert "the last" in lines[-1]


def test_everything_logged_is_out_when_the_context_ends(path):
    with setup_logging(config(path)):
        for number in range(500):
            logger.info("line %s", number)
    assert path.read_text().splitlines()[-1].endswith("line 499")


def test_the_context_leaves_logging_as_it_was(path):
    root = logging.getLogger()
    before = (root.handlers[:], root.level, threading.active_count())
    with setup_logging(config(path, level="DEBUG")):
        assert root.handlers != before[0]
    assert (root.handlers[:], root.level, threading.active_count()) == before
    origin = root.makeRecord("x", logging.INFO, *root.findCaller()[:2], "message", (), None)
    assert (origin.filename, origin.threadName) == ("test_logs.py", "MainThread")


def test_a_slow_sink_does_not_hold_the_caller(path, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(StandardErrorHandler, "emit", lambda *_: release.wait(10))
    with setup_logging(config(path, to_file=False)):
        for _ in range(100):
            logger.info("x")
        assert not release.is_set()
        release.set()


def test_libraries_that_log_their_data_are_kept_quiet(path):
    with setup_logging(config(path, level="DEBUG")):
        logging.getLogger("aiosqlite").debug("executing INSERT")
        logger.debug("mine")
    assert "INSERT" not in path.read_text()
    assert "mine" in path.read_text()


def test_a_line_that_cannot_be_made_is_told_and_nothing_goes_to_stderr_meanwhile(path, capsys):
    with setup_logging(config(path)):
        logger.info("%d", "no number")
    assert "a record of service.test could not be written: TypeError" in path.read_text()
    assert "Traceback" not in capsys.readouterr().err


def test_a_sink_that_takes_nothing_does_not_keep_the_process(path, monkeypatch):
    monkeypatch.setattr(logs, "STOP_SECONDS", 0.1)
    release = threading.Event()
    monkeypatch.setattr(StandardErrorHandler, "emit", lambda *_: release.wait(30))
    with setup_logging(config(path, to_file=False)) as log:
        logger.info("x")
    assert log.is_stuck
    release.set()
