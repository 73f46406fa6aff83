"""The health of the service: `/healthz`, `/readyz` and `/metrics` (spec 12)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from heapq import nlargest

from aiohttp import hdrs, web
from msgspec import structs
from prometheus_client import CONTENT_TYPE_LATEST

from handlers.about.usage import used_windows
from handlers.edge.json_replies import json_response
from service.answers import gateway
from service.keys import (
    ALLOWANCES,
    BLOBS,
    CONFIG,
    DRAINING,
    METRICS,
    ROUTES,
    STATE,
    UNKNOWN_EVENTS,
    UPSTREAM,
)
from service.observing.readiness import Check, Finding
from service.observing.unknown_events import UnknownEvents
from service.ports import Allowances, RouteState
from service.version import VERSION
from service.vocabulary.errors import NotFoundError, RequestError
from service.vocabulary.native import fullest

_CHECKS = web.AppKey("_CHECKS", Mapping[str, Check])
_STARTED_AT = web.AppKey("_STARTED_AT", float)  # monotonic, in seconds
_GATEWAY = "gateway"  # the name of this process among the parts of `/readyz`
_MAX_ACCOUNTS = 100


def install_checks(app: web.Application) -> None:
    """Prepare the checks of `/readyz`; the parts themselves may join the application later."""
    app.cleanup_ctx.append(_checks_ctx)


@asynccontextmanager
async def _checks_ctx(app: web.Application) -> AsyncIterator[None]:
    async def of_state() -> str | None:
        return None if await app[STATE].is_alive() else "the state store does not answer"

    async def of_blobs() -> str | None:
        return await app[BLOBS].problem()

    async def of_upstream() -> str | None:
        return await app[UPSTREAM].problem()

    app[_STARTED_AT] = time.monotonic()
    app[_CHECKS] = checks = {
        "state": Check(of_state, "the state store does not answer"),
        "blobs": Check(of_blobs, "the store of pictures and files does not answer"),
        "upstream": Check(of_upstream, "the upstream did not answer in time"),
    }
    yield
    for check in checks.values():
        await check.close()


async def healthz(request: web.Request) -> web.Response:
    """Answer that the process is alive, and nothing more."""
    del request
    return json_response(gateway.Health())


async def readyz(request: web.Request) -> web.Response:
    """Answer whether requests can be served now, with the reason for each part that fails.

    `?exclude=<part>`, which may be repeated, leaves a part out: a failure of what all gateways
    share should not take every one of them out of service. `?verbose` adds the time that each part
    took, the state of each route to the upstream, the windows of the hundred accounts that have used most, and
    the unknown events of the upstream.

    Raises:
        RequestError: there is no such part to leave out.
    """
    findings = await _findings(request)
    is_ready = not any(finding.problem for finding in findings.values())
    body = gateway.Readiness(
        status="ready" if is_ready else "not ready",
        checks={part: finding.problem or "ok" for part, finding in findings.items()},
    )
    if "verbose" in request.query:
        body = structs.replace(
            body,
            version=VERSION,
            process=os.getpid(),
            uptime_seconds=round(time.monotonic() - request.app[_STARTED_AT], 1),
            parts={part: _in_full(finding) for part, finding in findings.items()},
            routes=[_route(state) for state in request.app[ROUTES].states()],
            accounts=_accounts(request.app[ALLOWANCES]),
            drift=_unknown_events(request.app[UNKNOWN_EVENTS]),
        )
    return json_response(body, status=200 if is_ready else 503)


async def _findings(request: web.Request) -> dict[str, Finding]:
    checks = request.app[_CHECKS]
    left_out = request.query.getall("exclude", [])
    if unknown := set(left_out) - checks.keys():
        message = f"There is no part {min(unknown)!r}; the parts are {', '.join(checks)}."
        raise RequestError(message, param="exclude")
    async with asyncio.TaskGroup() as group:
        tasks = {
            part: group.create_task(check.find())
            for part, check in checks.items()
            if part not in left_out
        }
    stopping = "it is being stopped" if request.app[DRAINING].is_set() else None
    return {part: task.result() for part, task in tasks.items()} | {
        _GATEWAY: Finding(stopping, 0.0)
    }


def _in_full(finding: Finding) -> gateway.Part:
    milliseconds = round(finding.seconds * 1000, 1)
    return gateway.Part(finding.problem is None, finding.problem, milliseconds)


def _route(route: RouteState) -> gateway.RouteStatus:
    return gateway.RouteStatus(route.index, route.state, round(route.cooling_seconds, 1))


def _accounts(allowances: Allowances) -> list[gateway.AccountWindows]:
    known = nlargest(_MAX_ACCOUNTS, allowances.known(), key=fullest)
    return [gateway.AccountWindows(used_windows(windows)) for windows in known]


def _unknown_events(unknown_events: UnknownEvents) -> gateway.UnknownEventList:
    kinds = [
        gateway.UnknownKind(each.kind, each.count, _iso(each.first_at), _iso(each.last_at))
        for each in unknown_events.seen()
    ]
    return gateway.UnknownEventList(_iso(unknown_events.since), kinds)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


async def metrics(request: web.Request) -> web.Response:
    """Answer with all metrics in the Prometheus text format.

    Raises:
        NotFoundError: `metrics.enabled` is off.
    """
    if not request.app[CONFIG].metrics.enabled:
        raise NotFoundError("There is nothing at /metrics.")
    body = await request.app[METRICS].exposition()
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})
