from service.settings.config import UpstreamConfig
from tests.scripted_upstream import scripted_upstream
from upstream.http.backend import Backend
from upstream.http.probe import FRESH_SECONDS, UpstreamProbe
from upstream.http.routing import Routes
from upstream.http.session import make_session


async def test_an_upstream_that_answers_anything_is_reachable_and_a_dead_one_is_not() -> None:
    now = 0.0
    async with scripted_upstream() as upstream:
        config = UpstreamConfig(base_url=upstream.url, connect_seconds=1)
        async with make_session(config) as session:
            backend = Backend(config, Routes(config.base_url), session)
            probe = UpstreamProbe(backend, clock=lambda: now)
            assert await probe.problem() is None
            await upstream.stop()
            assert await probe.problem() is None  # remembered
            now = FRESH_SECONDS + 1
            assert await probe.problem() == "the upstream cannot be reached"
