"""What the service counts, as Prometheus metrics (spec 12). No label names a user."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_OVERHEAD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class Metrics:
    """All counters of one process, in a registry of their own."""

    # Longer than the budget: one list of everything that is counted.
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "gateway_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.outcomes = Counter(
            "gateway_outcomes", "How answers ended (spec 6.4).", ["outcome"], registry=registry
        )
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
            "gateway_open_streams", "Turns that are running.", registry=registry
        )
        self.queued_turns = Gauge(
            "gateway_queued_turns", "Turns that wait for their account.", registry=registry
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
        )
        self.deletions_failed = Counter(
            "gateway_conversation_deletions_failed",
            "Conversations that could not be hidden.",
            registry=registry,
        )
        self.state_failures = Counter(
            "gateway_state_failures", "Failures of the state store.", ["kind"], registry=registry
        )

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)
