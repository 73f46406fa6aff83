"""What is tried again, how often, and what is changed for it."""

from service.upstream_errors.codex_refusals import CodexRefusedError, Judged, UsageLimit
from service.vocabulary.errors import UpstreamUnreachableError
from service.vocabulary.events import Failure, Outcome, TurnEnded
from tests.rows import each_row
from upstream.codex.turn.repairs import Change, Repairs, fault_of


def refused(
    status: int, code: str = "x", wait: float | None = None, *, is_final: bool = False
) -> CodexRefusedError:
    failure = Failure(status, "No.", "t", code, retry_after_seconds=wait, is_final=is_final)
    return CodexRefusedError(Judged(failure), status)


def changes(repairs: Repairs, *faults: CodexRefusedError) -> list[Change | None]:
    found = [repairs.after(fault) for fault in faults]
    return [repair and repair.change for repair in found]


def test_each_repair_is_tried_once_and_a_pause_as_often_as_set():
    repairs = Repairs(2, can_renew=True, has_sealed=True)
    unsealable = refused(400, "invalid_encrypted_content")
    assert changes(repairs, refused(401), unsealable, refused(503)) == [
        Change.TOKEN,
        Change.UNSEALED,
        Change.NOTHING,
    ]
    assert changes(repairs, refused(401), unsealable) == [None, None]
    assert changes(repairs, refused(502), refused(502)) == [Change.NOTHING, None]


@each_row(
    "fault",
    [
        *(refused(400), refused(402), refused(403), refused(404), refused(429)),
        *(refused(429, wait=60), refused(503, wait=60), refused(429, wait=1, is_final=True)),
    ],
)
def test_what_does_not_pass_soon_is_not_tried_again(fault):
    assert Repairs(2, can_renew=False, has_sealed=False).after(fault) is None


def test_a_short_wait_is_waited_for():
    repair = Repairs(2, can_renew=False, has_sealed=False).after(refused(429, wait=1.5))
    assert repair is not None
    assert repair.pause == 1.5


def test_nothing_is_repaired_that_was_not_there():
    repairs = Repairs(0, can_renew=False, has_sealed=False)
    faults = (refused(401), refused(400, "invalid_encrypted_content"), refused(503))
    assert changes(repairs, *faults) == [None, None, None]


def test_an_end_inside_a_stream_is_the_error_that_it_stands_for():
    failure = Failure(429, "No more.", "t", "x", retry_after_seconds=2)
    limit = UsageLimit(99.0)
    error = fault_of(TurnEnded(Outcome.FAILED, None, failure), limit)
    assert isinstance(error, CodexRefusedError)
    assert (error.upstream_status, error.limit, error.failure()) == (429, limit, failure)
    assert isinstance(
        fault_of(TurnEnded(Outcome.CUT, None, failure), None), UpstreamUnreachableError
    )
    for outcome in (Outcome.EMPTY, Outcome.SILENT, Outcome.SHUTDOWN):
        assert fault_of(TurnEnded(outcome, None, failure), None) is None
    assert fault_of(TurnEnded(Outcome.COMPLETE, "stop"), None) is None
