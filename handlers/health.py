"""Whether the service is well: `/healthz`, `/readyz` and `/metrics` (spec 12)."""

import asyncio

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST

from handlers.responses import json_response
from service.errors import NotFoundError
from service.keys import CONFIG, DRAINING, METRICS, STATE, UPSTREAM

CHECK_SECONDS = 5.0  # for each part: probes of orchestrators seldom wait longer


async def healthz(request: web.Request) -> web.Response:
    """Answer that the process is alive, and nothing more."""
    del request
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Answer whether requests can be served now, with the reason for each part that cannot."""
    async with asyncio.TaskGroup() as group:
        state = group.create_task(_state_problem(request.app))
        upstream = group.create_task(_upstream_problem(request.app))
    problems = {
        "state": state.result(),
        "upstream": upstream.result(),
        "gateway": "it is being stopped" if request.app[DRAINING].is_set() else None,
    }
    is_ready = not any(problems.values())
    body = {
        "status": "ready" if is_ready else "not ready",
        "checks": {part: problem or "ok" for part, problem in problems.items()},
    }
    return json_response(body, status=200 if is_ready else 503)


async def _state_problem(app: web.Application) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            is_alive = await app[STATE].is_alive()
    except TimeoutError:
        is_alive = False
    return None if is_alive else "the state store does not answer"


async def _upstream_problem(app: web.Application) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await app[UPSTREAM].problem()
    except TimeoutError:
        return f"the upstream did not answer within {CHECK_SECONDS:.0f} s"


async def metrics(request: web.Request) -> web.Response:
    """Answer all figures in the Prometheus text format.

    Raises:
        NotFoundError: `metrics.enabled` is off.
    """
    if not request.app[CONFIG].metrics.enabled:
        raise NotFoundError("There is nothing at /metrics.")
    body = request.app[METRICS].exposition()
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})
