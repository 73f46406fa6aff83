"""A scripted upstream, and a Backend that calls it or the demo."""

from contextlib import asynccontextmanager

from aiohttp import web

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session

CALLER = Caller("eyJhbGciOiJSUzI1NiJ9.e30.signature", None, "account-1")


class Scripted:
    """Answers each `METHOD path` by a list of answers, the last one again and again."""

    def __init__(self):
        self.script = {}
        self.requests = []
        self.bodies = []

    def answers(self, method, path, *steps):
        self.script[f"{method} {path}"] = list(steps)

    def asked(self, method, path):
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    async def handle(self, request):
        self.requests.append(request)
        self.bodies.append(await request.read())
        steps = self.script.get(f"{request.method} {request.path}", [(404, {"detail": "gone"})])
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if callable(step):
            return await step(request)
        status, body = step if isinstance(step, tuple) else (200, step)
        if isinstance(body, bytes):
            return web.Response(body=body, status=status)
        return web.json_response(body, status=status)


@asynccontextmanager
async def backend_at(base, **settings):
    config = UpstreamConfig(base_url=base, **settings)
    async with make_session(config) as session:
        yield Backend(config, Routes(base, config.api_prefixes), session)
