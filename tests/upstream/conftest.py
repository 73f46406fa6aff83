"""A scripted upstream and the demo, each on a socket, and a Backend that calls them."""

import pytest

from storage.state.store import open_state
from tests.upstream.backends import Scripted, backend_at
from upstream.demo.app import make_demo_app
from upstream.demo.ground.options import DemoOptions
from upstream.http import backend as backend_module


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(backend_module, "_PAUSE_SECONDS", 0.001)


@pytest.fixture
async def upstream(aiohttp_raw_server):
    scripted = Scripted()
    server = await aiohttp_raw_server(scripted.handle)
    scripted.base = f"http://127.0.0.1:{server.port}"
    return scripted


@pytest.fixture
async def backend(upstream):
    async with backend_at(upstream.base) as made:
        yield made


@pytest.fixture
async def demo(aiohttp_server):
    server = await aiohttp_server(make_demo_app(DemoOptions(delay_seconds=0, later_seconds=0.2)))
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
async def demo_backend(demo):
    async with backend_at(demo) as made:
        yield made


@pytest.fixture
async def state(tmp_path):
    store = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    yield store
    await store.close()
