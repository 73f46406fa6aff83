import json
from datetime import UTC, datetime

import pytest

from service import keys
from service.observing import readiness
from service.ports import RouteState
from service.version import VERSION
from service.vocabulary.native import LimitWindow
from tests.handlers.conftest import Serve
from tests.handlers.scripted import Surroundings


async def test_a_living_process_says_so(serve: Serve, around: Surroundings) -> None:
    around.is_alive = False
    response = await (await serve()).get("/healthz")
    assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_ready_is_when_all_parts_are(serve: Serve) -> None:
    response = await (await serve()).get("/readyz")
    assert response.status == 200
    assert await response.json() == {
        "status": "ready",
        "checks": {"state": "ok", "blobs": "ok", "upstream": "ok", "gateway": "ok"},
    }


async def test_each_part_that_is_not_ready_has_a_reason(serve: Serve, around: Surroundings) -> None:
    around.is_alive = False
    around.upstream_problem = "no connection could be made"
    around.blobs_problem = "the disk is full"
    client = await serve()
    client.app[keys.DRAINING].set()
    response = await client.get("/readyz")
    assert response.status == 503
    assert await response.json() == {
        "status": "not ready",
        "checks": {
            "state": "the state store does not answer",
            "blobs": "the disk is full",
            "upstream": "no connection could be made",
            "gateway": "it is being stopped",
        },
    }


async def test_a_part_that_hangs_is_not_ready_and_is_asked_once(
    serve: Serve, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.05)
    around.waits = 60
    client = await serve()
    for _ in range(3):
        response = await client.get("/readyz")
        assert response.status == 503
        checks = (await response.json())["checks"]
        assert checks["state"] == "the state store does not answer"
        assert checks["blobs"] == "the store of pictures and files does not answer"
        assert "did not answer" in checks["upstream"]
    assert around.asked == 1


async def test_a_part_can_be_left_out_by_those_who_share_it(
    serve: Serve, around: Surroundings
) -> None:
    around.is_alive, around.upstream_problem = False, "it is down"
    client = await serve()
    assert (await client.get("/readyz?exclude=state")).status == 503
    response = await client.get("/readyz?exclude=state&exclude=upstream")
    assert response.status == 200
    assert (await response.json())["checks"] == {"blobs": "ok", "gateway": "ok"}
    client.app[keys.DRAINING].set()
    assert (await client.get("/readyz?exclude=state&exclude=upstream")).status == 503


async def test_a_part_that_does_not_exist_cannot_be_left_out(serve: Serve) -> None:
    response = await (await serve()).get("/readyz?exclude=gateway")
    assert response.status == 400
    error = (await response.json())["error"]
    assert error["message"] == "There is no part 'gateway'; the parts are state, blobs, upstream."


async def test_verbose_tells_of_each_part_how_long_it_took(
    serve: Serve, around: Surroundings
) -> None:
    around.upstream_problem = "it is down"
    body = await (await (await serve()).get("/readyz?verbose")).json()
    assert body["parts"]["state"].keys() == {"ok", "problem", "milliseconds"}
    assert body["parts"]["upstream"]["problem"] == "it is down"
    assert [part for part, found in body["parts"].items() if not found["ok"]] == ["upstream"]
    assert (body["version"], body["uptime_seconds"] >= 0) == (VERSION, True)


async def test_verbose_tells_how_each_route_does(serve: Serve, around: Surroundings) -> None:
    around.routes = [RouteState(0, "working", 0.0), RouteState(1, "cooling", 12.34)]
    client = await serve()
    assert (await (await client.get("/readyz?verbose")).json())["routes"] == [
        {"route": 0, "state": "working", "cooling_seconds": 0.0},
        {"route": 1, "state": "cooling", "cooling_seconds": 12.3},
    ]
    assert "routes" not in await (await client.get("/readyz")).json()


async def test_verbose_tells_what_was_not_known_and_since_when(serve: Serve) -> None:
    client = await serve()
    client.app[keys.UNKNOWN_EVENTS].note(
        {"type brand_new": 2}, {"type brand_new": '{"title": "My will"}'}
    )
    body = await (await client.get("/readyz?verbose")).json()
    (kind,) = body["drift"]["kinds"]
    assert (kind["kind"], kind["count"]) == ("type brand_new", 2)
    times = [datetime.fromisoformat(each) for each in (body["drift"]["since"], kind["last"])]
    assert all(abs((datetime.now(UTC) - each).total_seconds()) < 60 for each in times)
    assert kind["first"] <= kind["last"]
    assert "will" not in json.dumps(body)
    assert "drift" not in await (await client.get("/readyz")).json()


async def test_verbose_tells_the_fullest_windows_first_and_of_no_more_than_a_hundred(
    serve: Serve, around: Surroundings
) -> None:
    around.known_windows = [
        (LimitWindow("primary", float(percent), 300, 1_738_880_000.0),) for percent in range(150)
    ]
    client = await serve()
    accounts = (await (await client.get("/readyz?verbose")).json())["accounts"]
    assert [account["windows"][0]["used_percent"] for account in accounts] == [*range(149, 49, -1)]
    assert accounts[0].keys() == {"windows"}
    assert "accounts" not in await (await client.get("/readyz")).json()


async def test_metrics_are_in_the_text_format(serve: Serve) -> None:
    response = await (await serve()).get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "gateway_open_streams 0.0" in await response.text()


async def test_metrics_can_be_turned_off(serve: Serve) -> None:
    client = await serve(metrics={"enabled": False})
    assert (await client.get("/metrics")).status == 404
