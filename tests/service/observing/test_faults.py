import logging

import pytest

from service.observing.faults import log_fault


def test_a_fault_is_logged_with_its_trace_and_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    try:
        {}["a library quotes fk-secret-token"]
    except KeyError as error:
        log_fault(error, "req-1", ["fk-secret-token"])
    assert "req-1" in caplog.text
    assert "test_faults.py" in caplog.text
    assert "a library quotes" in caplog.text
    assert "fk-secret-token" not in caplog.text
