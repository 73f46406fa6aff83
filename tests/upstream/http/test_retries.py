"""Which failures are worth another try, and after what pause."""

from service.vocabulary.errors import UpstreamRefusedError, UpstreamUnreachableError
from service.vocabulary.events import Failure
from tests.rows import each_row
from upstream.http.retries import pause_before_retry


def refused(status: int, wait: float | None = None, upstream_status: int | None = None):
    failure = Failure(status, "No.", "t", None, retry_after_seconds=wait)
    return UpstreamRefusedError(failure, upstream_status or status)


@each_row(
    ("error", "is_tried"),
    [
        (UpstreamUnreachableError("Gone."), True),
        (refused(502), True),
        (refused(503, 2), True),
        (refused(503, 6), False),
        (refused(429, 5), True),
        (refused(429, 5.1), False),
        (refused(429), False),
        (refused(500), False),
        (refused(400), False),
        (refused(502, upstream_status=403), False),
    ],
)
def test_what_may_pass_soon_is_tried_again(error, is_tried):
    assert (pause_before_retry(error, 1) is not None) is is_tried


def test_pauses_double_and_are_at_least_what_was_asked():
    for tries in (1, 2, 3):
        pause = pause_before_retry(refused(502), tries)
        assert pause is not None
        assert 0.125 * 2 ** (tries - 1) <= pause <= 0.375 * 2 ** (tries - 1)
    assert pause_before_retry(refused(503, 4), 1) == 4
    assert pause_before_retry(refused(429, 3), 1) == 3
