"""The Prometheus metrics of the service (spec 12). No label names a user."""

import asyncio
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from service.observing.shared_metrics import is_shared, of_all_workers

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_OVERHEAD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class Metrics:
    """The metrics of one process; several workers expose their sums."""

    # Longer than the budget: one list of all metrics.
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "gateway_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.outcomes = Counter(
            "gateway_outcomes", "How answers ended (spec 6.4).", ["outcome"], registry=registry
        )
        self.turns = Counter(
            "gateway_turns",
            "Answers that were asked for, by the kind of upstream.",
            ["upstream"],
            registry=registry,
        )
        # Those of each request, kept by their labels, since `labels` takes a lock and makes strings.
        self.requests_of = cache(self.requests.labels)
        self.outcomes_of = cache(self.outcomes.labels)
        self.turns_of = cache(self.turns.labels)
        self.first_token_seconds = Histogram(
            "gateway_first_token_seconds",
            "From the request to the first text.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.token_seconds = Histogram(
            "gateway_token_seconds",
            "Time of an answer divided by its tokens.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
            registry=registry,
        )
        self.overhead_seconds = Histogram(
            "gateway_overhead_seconds",
            "Time of a whole reply that was not spent waiting for the upstream.",
            buckets=_OVERHEAD_SECONDS,
            registry=registry,
        )
        self.open_streams = Gauge(
            "gateway_open_streams",
            "Turns that are running.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.queued_turns = Gauge(
            "gateway_queued_turns",
            "Turns that wait for their account.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.window_used_percent = Gauge(
            "gateway_account_window_used_percent",
            "How much the account that used most has used: of the primary and the secondary window, "
            "and of any other limit.",
            ["window"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.limits_reached = Counter(
            "gateway_account_limits_reached",
            "Times that an account's allowance was used up.",
            ["scope"],
            registry=registry,
        )
        self.resting_refusals = Counter(
            "gateway_account_resting_refusals",
            "Requests that were refused here because their account rests.",
            ["scope"],
            registry=registry,
        )
        self.refreshes = Counter(
            "gateway_token_refreshes", "Token exchanges.", ["result"], registry=registry
        )
        self.anomalies = Counter(
            "gateway_stream_anomalies",
            "Things in a stream that were not expected, by kind.",
            ["kind"],
            registry=registry,
        )
        self.upstream_retries = Counter(
            "gateway_upstream_retries", "Turns sent again.", registry=registry
        )
        self.route_failures = Counter(
            "gateway_route_failures",
            "Failures of a route to the upstream, by its place in api_prefixes.",
            ["route"],
            registry=registry,
        )
        self.failing_routes = Gauge(
            "gateway_route_failing",
            "Whether a route has failed and not answered since.",
            ["route"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.deletions_failed = Counter(
            "gateway_conversation_deletions_failed",
            "Conversations that could not be hidden.",
            registry=registry,
        )
        self.state_failures = Counter(
            "gateway_state_failures", "Failures of the state store.", ["kind"], registry=registry
        )
        self.calls_lost = Counter(
            "gateway_calls_lost",
            "Calls that are not in the log of calls, by why.",
            ["reason"],
            registry=registry,
        )
        self.calls_kept = Gauge(
            "gateway_calls_kept",
            "Calls in the log of calls, when it was looked through last.",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self.calls_bytes = Gauge(
            "gateway_calls_bytes",
            "Bytes of the log of calls, when it was looked through last.",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self.calls_removed = Counter(
            "gateway_calls_removed",
            "Calls that were removed from the log of calls, since it is bounded.",
            registry=registry,
        )
        self.store_files = _of_store("gateway_store_files", "Stored files", registry)
        self.store_bytes = _of_store("gateway_store_bytes", "Bytes of stored files", registry)
        self.store_removed_files = Counter(
            "gateway_store_removed_files",
            "Stored files that were kept long enough, by store.",
            ["store"],
            registry=registry,
        )
        self.store_removed_bytes = Counter(
            "gateway_store_removed_bytes",
            "Bytes of stored files that were kept long enough, by store.",
            ["store"],
            registry=registry,
        )

    async def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        if is_shared():
            return await asyncio.to_thread(_exposition_of_all)
        return generate_latest(self.registry)


def _of_store(name: str, meaning: str, registry: CollectorRegistry) -> Gauge:
    """Return a gauge that all workers set to the same value, at the hourly sweep."""
    return Gauge(
        name,
        f"{meaning} at the last sweep, by store.",
        ["store"],
        registry=registry,
        multiprocess_mode="livemostrecent",
    )


def _exposition_of_all() -> bytes:
    with of_all_workers() as registry:
        return generate_latest(registry)
