"""Warnings and other reports of Python itself go to the log."""

import logging
import sys
import threading
import warnings

import pytest

from service.observing.python_reports import MAX_CHARS, python_reports_logged

pytestmark = pytest.mark.filterwarnings("default")  # as a program has them


def odd(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=1)


def test_a_warning_is_logged_cut_and_said_once_a_minute_whatever_its_words(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with python_reports_logged():
        for number in range(100):
            odd(f"{number} " + "x" * 10_000)
    [record] = caplog.records
    assert record.name == "gateway.python"
    assert record.getMessage().startswith("RuntimeWarning at test_python_reports.py:")
    assert len(record.getMessage()) < MAX_CHARS + 100
    assert capsys.readouterr().err == ""


def test_no_text_of_a_warning_is_kept() -> None:
    """Python's own way of showing each once keeps a table of all texts, which callers could fill."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        with python_reports_logged():
            for number in range(100):
                odd(f"words {number}")
    assert not any("words" in str(key) for key in globals().get("__warningregistry__", {}))


def test_what_is_ignored_stays_so(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with python_reports_logged():
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert not caplog.records


def test_an_exception_in_a_finalizer_is_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def __del__(self) -> None:
            raise LookupError("lost")

    with python_reports_logged():
        Broken()
    [record] = caplog.records
    assert "Broken.__del__" in record.getMessage()
    assert record.exc_info
    assert isinstance(record.exc_info[1], LookupError)
    assert capsys.readouterr().err == ""


def test_a_thread_that_dies_is_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def die() -> None:
        raise LookupError("lost")

    with python_reports_logged():
        thread = threading.Thread(target=die, name="work-1")
        thread.start()
        thread.join()
    assert "the thread work-1 has ended" in caplog.text
    assert capsys.readouterr().err == ""


def test_all_is_as_before_afterwards() -> None:
    before = (warnings.showwarning, sys.unraisablehook, threading.excepthook, warnings.filters[:])
    with python_reports_logged():
        assert warnings.showwarning != before[0]
        logging.getLogger("gateway.python").debug("inside")
    after = (warnings.showwarning, sys.unraisablehook, threading.excepthook, warnings.filters[:])
    assert after == before
