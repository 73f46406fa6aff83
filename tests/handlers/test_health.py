import pytest

from handlers import health
from service import keys
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
        "checks": {"state": "ok", "upstream": "ok", "gateway": "ok"},
    }


async def test_each_part_that_is_not_ready_has_a_reason(serve: Serve, around: Surroundings) -> None:
    around.is_alive = False
    around.upstream_problem = "no connection could be made"
    client = await serve()
    client.app[keys.DRAINING].set()
    response = await client.get("/readyz")
    assert response.status == 503
    assert await response.json() == {
        "status": "not ready",
        "checks": {
            "state": "the state store does not answer",
            "upstream": "no connection could be made",
            "gateway": "it is being stopped",
        },
    }


async def test_a_part_that_hangs_is_not_ready(
    serve: Serve, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    around.waits = 5
    response = await (await serve()).get("/readyz")
    assert response.status == 503
    checks = (await response.json())["checks"]
    assert checks["state"] == "the state store does not answer"
    assert "did not answer" in checks["upstream"]


async def test_metrics_are_in_the_text_format(serve: Serve) -> None:
    response = await (await serve()).get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "gateway_open_streams 0.0" in await response.text()


async def test_metrics_can_be_turned_off(serve: Serve) -> None:
    client = await serve(metrics={"enabled": False})
    assert (await client.get("/metrics")).status == 404
