"""The comparison of mixed requests notices differences; `python -m bench.mixed` sends 10,000."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from bench.mixed import BY_FAULT, FAULTS, Asked, bodies, code_in, compare
from upstream.demo.scenes.faults import FAULT_NAMES

CHAT = "chat/completions"


def play(mark: str, fault: str = "", scenario: str = "plain") -> dict[str, Any]:
    return {"mark": mark, "fault": fault, "scenario": scenario, "status": 200}


def line(mark: str, status: int, outcome: str) -> str:
    return f"INFO gateway.access: POST request_id={mark} method=POST status={status} outcome={outcome}\n"


DONE = [Asked("m1", CHAT, 200), Asked("m2", CHAT, 502, "upstream_cut")]
PLAYS = [play("m1"), play("m2", "cut")]
LOG = line("m1", 200, "complete") + line("m2", 502, "cut")
COUNTED = Counter(complete=1, cut=1)


def test_sides_that_agree_have_no_difference() -> None:
    assert list(compare(DONE, PLAYS, LOG, COUNTED)) == []
    sent_again = [play("m2", "503"), *PLAYS]
    assert list(compare(DONE, sent_again, LOG, COUNTED)) == []


@pytest.mark.parametrize(
    ("done", "plays", "log", "counted"),
    [
        (DONE, [play("m1"), play("m2", "stall")], LOG, COUNTED),
        (DONE, PLAYS[:1], LOG, COUNTED),
        (DONE, PLAYS, LOG.splitlines()[0], Counter(complete=1)),
        (DONE, PLAYS, LOG, Counter(complete=2)),
        ([Asked("m1", CHAT, 500), DONE[1]], PLAYS, LOG, COUNTED),
        ([DONE[0], Asked("m2", CHAT, 502, "internal_error")], PLAYS, LOG, COUNTED),
        ([DONE[0], Asked("m2", CHAT, 502, error="reset")], PLAYS, LOG, COUNTED),
    ],
)
def test_what_differs_is_told(done: Any, plays: Any, log: str, counted: Any) -> None:
    assert list(compare(done, plays, log, counted))


def test_words_without_a_picture_are_a_refused_order() -> None:
    done = [Asked("m1", "images/generations", 400, "content_policy_violation")]
    log, counted = line("m1", 400, "refused"), Counter(refused=1)
    assert list(compare(done, [play("m1", "garbage")], log, counted)) == []
    assert list(compare(done, [play("m1", "", "picture")], log, counted))


def test_every_fault_of_the_demo_is_asked_for() -> None:
    assert set(BY_FAULT) == set(FAULT_NAMES)
    faulty = [bodies(f"m{n}", random.Random(n), 1.0)[1] for n in range(2000)]
    for asked in FAULTS:
        assert any(f"/fault {asked} " in json.dumps(body) for body in faulty)


def test_the_code_of_an_error_is_found_in_every_dialect() -> None:
    assert code_in(b'{"error": {"code": "a"}}') == "a"
    assert code_in(b'data: {"x": 1}\n\ndata: {"error": {"code": "b"}}\n\n') == "b"
    failed = b'event: response.failed\ndata: {"response": {"error": {"code": "c"}}}\n\n'
    assert code_in(failed) == "c"
    assert code_in(b'data: {"x": 1}\n\ndata: [DONE]\n\n') == code_in(b'{"choices": []}') == ""
