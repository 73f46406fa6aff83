from service.metrics import Metrics


def test_each_process_counts_for_itself_and_shows_all_it_counts() -> None:
    one, other = Metrics(), Metrics()
    one.outcomes.labels("cut").inc()
    one.open_streams.inc()
    assert b'gateway_outcomes_total{outcome="cut"} 1.0' in one.exposition()
    assert b"gateway_open_streams 1.0" in one.exposition()
    assert b'outcome="cut"' not in other.exposition()


def test_no_label_can_name_a_user() -> None:
    allowed = {"route", "status", "outcome", "result", "kind"}
    for metric in vars(Metrics()).values():
        assert set(getattr(metric, "_labelnames", ())) <= allowed
