import pytest

from handlers.edge.record import Record, outcome_of
from service.stages.encode.chat import Gathered
from service.vocabulary.errors import (
    AuthError,
    EmptyResponseError,
    QueueFullError,
    ServiceError,
    ShutdownError,
    TokenServiceError,
    UpstreamCutError,
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import Failure, Outcome, TurnEnded, TurnFacts


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AuthError("x"), Outcome.REFUSED),
        (QueueFullError("x"), Outcome.REFUSED),
        (UpstreamRefusedError(Failure(403, "x", "t", None), 403), Outcome.REFUSED),
        (UpstreamTimeoutError("x"), Outcome.SILENT),
        (UpstreamCutError("x"), Outcome.CUT),
        (EmptyResponseError("x"), Outcome.EMPTY),
        (ShutdownError("x"), Outcome.SHUTDOWN),
        (UpstreamUnreachableError("x"), Outcome.FAILED),
        (UpstreamProtocolError("x"), Outcome.FAILED),
        (TokenServiceError("x"), Outcome.FAILED),
    ],
)
def test_an_error_before_the_first_event_has_an_outcome(
    error: ServiceError, outcome: Outcome
) -> None:
    assert outcome_of(error) is outcome


def test_a_caller_that_leaves_after_the_end_abandons_nothing() -> None:
    record, gathered = Record("r", 0), Gathered()
    record.abandon()
    assert record.outcome is None  # no chat: there is no answer to abandon
    gathered.feed_batch([TurnFacts("c", "m", "slug"), TurnEnded(Outcome.COMPLETE, "stop")])
    record.learn(gathered)
    record.abandon()
    assert record.outcome is Outcome.COMPLETE
    assert record.upstream_model == "slug"
