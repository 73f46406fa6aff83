"""A scripted back end of Codex, and what calls it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.ports import StateStore
from service.settings.config import CodexConfig, UpstreamConfig
from storage.state.store import open_state
from tests.scripted_codex import ScriptedCodex, scripted_codex
from upstream.codex.connection.backend import CodexBackend
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session

NOW = 1_738_880_000.0


@pytest.fixture
async def codex() -> AsyncIterator[ScriptedCodex]:
    async with scripted_codex() as running:
        yield running


@pytest.fixture
async def backend(codex: ScriptedCodex) -> AsyncIterator[CodexBackend]:
    config = UpstreamConfig(connect_seconds=2)
    async with make_session(config) as session:
        http = Backend(config, Routes(codex.base_url), session)
        yield CodexBackend(CodexConfig(base_url=codex.base_url), http, lambda: NOW)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    yield store
    await store.close()
