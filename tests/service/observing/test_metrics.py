from prometheus_client import Gauge

from service.observing.metrics import Metrics


async def test_one_process_counts_for_itself_and_shows_all_it_counts() -> None:
    one, other = Metrics(), Metrics()
    one.outcomes.labels("cut").inc()
    one.open_streams.inc()
    assert b'gateway_outcomes_total{outcome="cut"} 1.0' in await one.exposition()
    assert b"gateway_open_streams 1.0" in await one.exposition()
    assert b'outcome="cut"' not in await other.exposition()


def test_no_label_can_name_a_user() -> None:
    allowed = {
        "route",
        "status",
        "outcome",
        "result",
        "kind",
        "store",
        "upstream",
        "window",
        "scope",
        "reason",
    }
    for metric in vars(Metrics()).values():
        assert set(getattr(metric, "_labelnames", ())) <= allowed


def test_every_gauge_says_what_several_workers_show() -> None:
    gauges = [one for one in vars(Metrics()).values() if isinstance(one, Gauge)]
    assert gauges
    assert all(gauge._multiprocess_mode.startswith("live") for gauge in gauges)
