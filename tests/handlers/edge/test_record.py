from handlers.edge.record import Record
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import Outcome, TurnEnded, TurnFacts


def test_a_caller_that_leaves_after_the_end_abandons_nothing() -> None:
    record, gathered = Record("r", 0), Gathered()
    record.abandon()
    assert record.outcome is None  # not a chat: there is no answer to abandon
    gathered.feed_batch([TurnFacts("c", "m", "slug"), TurnEnded(Outcome.COMPLETE, "stop")])
    record.learn(gathered)
    record.abandon()
    assert record.outcome is Outcome.COMPLETE
    assert record.upstream_model == "slug"
