"""A gateway whose turns follow a script: a port of the tests, served over real sockets."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from handlers.edge.middleware import install_edge
from handlers.routes import add_routes
from service import keys
from service.demands.imitated_turns import ImitatedTurns
from service.ledger.budgets import HeldBudgets
from service.ledger.call_writer import CallWriter
from service.observing.metrics import Metrics
from service.observing.unknown_events import UnknownEvents
from service.ports import DeltaSink, RouteState
from service.settings.config import Config, upstream_choice
from service.vocabulary.byte_source import Content
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import AuthError, NotFoundError
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    Delta,
    Failure,
    Outcome,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.ledger.calls import CallLimits
from service.vocabulary.native import Allowance, LimitWindow
from service.vocabulary.requests import ChatRequest, ModelInfo
from storage.files.uploads import FileUploads
from storage.secrets.cipher import Cipher
from storage.secrets.link_signer import LinkSigner
from tests.ledger import BudgetMemory, CallMemory
from tests.sinks import pushed

END = TurnEnded(Outcome.COMPLETE, "stop")
FACTS = TurnFacts("conv-1", "msg-1", "gpt-4o-2024")
CUT = TurnEnded(Outcome.CUT, None, Failure(502, "It was cut.", "upstream_error", "upstream_cut"))
SECRET = b"a secret"
BEARER = {"Authorization": "Bearer fk-test"}

Step = list[Delta] | float | BaseException | asyncio.Event


def says(*texts: str) -> list[Step]:
    """Return a script: each text in a batch of its own, then a normal end."""
    return [
        [FACTS, AnswerStarted("msg-1")],
        *([AnswerText(text)] for text in texts),
        [END],
    ]


@dataclass
class ScriptedTurns:
    """Plays one script for every turn: batches, pauses, errors, events to wait for."""

    script: list[Step] = field(default_factory=lambda: says("Hello", " world"))
    requests: list[tuple[ChatRequest, Credential]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        self.requests.append((request, credential))
        await pushed(self.batches(), sink)

    async def batches(self) -> AsyncGenerator[list[Delta], None]:
        try:
            for step in self.script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, list):
                    yield step
                else:
                    await asyncio.sleep(step)
        finally:
            self.closed.set()


@dataclass
class StoredBlob:
    content: Content
    media_type: str
    is_inline: bool


@dataclass
class Surroundings:
    """The other ports, with their scripted answers."""

    turns: ScriptedTurns = field(default_factory=ScriptedTurns)
    blobs: dict[tuple[str, str], StoredBlob] = field(default_factory=dict)
    models: list[ModelInfo] = field(
        default_factory=lambda: [ModelInfo("gpt-4o", 1, "openai"), ModelInfo("org/model", 2, "x")]
    )
    confirmed: list[Credential] = field(default_factory=list)
    callers: list[Caller | None] = field(default_factory=list)
    is_alive: bool = True
    upstream_problem: str | None = None
    blobs_problem: str | None = None
    routes: list[RouteState] = field(default_factory=list)
    waits: float = 0
    asked: int = 0  # how often the upstream was asked
    folder: Path = Path("unused")  # for uploads of callers
    allowance: Allowance | NotFoundError | None = None
    known_windows: list[tuple[LimitWindow, ...]] = field(default_factory=list)
    speech: Any = None
    transcriptions: Any = None
    budgets: HeldBudgets = field(default_factory=lambda: HeldBudgets(BudgetMemory()))

    async def find(self, folder: str, name: str) -> StoredBlob | None:
        return self.blobs.get((folder, name))

    def states(self) -> list[RouteState]:
        return self.routes

    async def listing(self, caller: Caller | None) -> list[ModelInfo]:
        self.callers.append(caller)
        return self.models

    async def caller(self, credential: Credential) -> Caller:
        if credential.token == "dead":
            raise AuthError("This refresh token is dead.")
        return Caller("access", credential.account_id, credential.account)

    async def confirm(self, credential: Credential) -> None:
        await self.caller(credential)
        self.confirmed.append(credential)

    async def by_plan(self, caller: Caller) -> dict[str, list[str]]:
        return {"plus": [caller.account], "team": []}

    async def of(self, credential: Credential) -> Allowance:
        await self.caller(credential)
        if isinstance(self.allowance, NotFoundError):
            raise self.allowance
        assert self.allowance is not None
        return self.allowance

    def known(self) -> list[tuple[LimitWindow, ...]]:
        return self.known_windows

    async def state_is_alive(self) -> bool:
        await asyncio.sleep(self.waits)
        return self.is_alive

    async def problem(self) -> str | None:
        await asyncio.sleep(self.waits)
        return self.blobs_problem

    async def problem_of_upstream(self) -> str | None:
        self.asked += 1
        await asyncio.sleep(self.waits)
        return self.upstream_problem


class _State:
    def __init__(self, is_alive: Callable[[], Any]) -> None:
        self.is_alive = is_alive


class _Upstream:
    def __init__(self, problem: Callable[[], Any]) -> None:
        self.problem = problem


def make_gateway(around: Surroundings, **settings: Any) -> web.Application:
    """Return the application of the handlers alone; settings as in a settings file."""
    config = Config(**settings)
    app = web.Application(client_max_size=config.server.max_body_bytes)
    app[keys.CONFIG] = config
    app[keys.METRICS] = metrics = Metrics()
    app[keys.UNKNOWN_EVENTS] = UnknownEvents(metrics)
    kept = config.conversation
    is_kept = not (kept.temporary or kept.delete_after_response)
    app[keys.TURNS] = ImitatedTurns(around.turns, is_kept=is_kept)
    app[keys.BLOBS] = around
    app[keys.UPLOADS] = FileUploads(around.folder)
    app[keys.LINKS] = LinkSigner(SECRET, config.files.link_seconds)
    app[keys.SEALER] = Cipher(SECRET)
    app[keys.CHOICE] = upstream_choice(config.tokens)
    app[keys.SPEECH] = around.speech
    app[keys.TRANSCRIPTIONS] = around.transcriptions
    app[keys.CATALOGUE] = around
    app[keys.TOKENS] = around
    app[keys.ACCOUNTS] = around
    app[keys.ALLOWANCES] = around
    app[keys.ACCEPTANCE] = around
    app[keys.UPSTREAM] = _Upstream(around.problem_of_upstream)
    app[keys.STATE] = _State(around.state_is_alive)
    app[keys.ROUTES] = around
    app[keys.DRAINING] = asyncio.Event()
    app[keys.KEY_BUDGETS] = around.budgets
    app[keys.CALL_WRITER] = CallWriter(CallMemory(), CallLimits(1, 1), metrics)
    install_edge(app)
    add_routes(app, config)
    return app
