"""Callers of a gateway that note the result of each of their requests."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.gateway import Answer

ANSWER_SECONDS = 60


@dataclass
class Fate:
    """The result of a request; times are monotonic."""

    started_at: float = field(default_factory=time.monotonic)
    ended_at: float = 0.0
    first_byte_at: float = 0.0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it was answered to the end, streamed or whole."""
        ends = (b"data: [DONE]\n\n", b"}")
        return self.status == 200 and not self.error and self.body.endswith(ends)

    @property
    def answer(self) -> Answer:
        """Return the answer in readable form."""
        return Answer(self.status, self.headers, [self.body])


class Callers:
    """Requests to one address."""

    def __init__(self, session: ClientSession, address: str) -> None:
        self._session = session
        self._address = address
        self._numbers = itertools.count()

    def account(self, name: str) -> dict[str, str]:
        """Return the headers of an account that no other request uses."""
        return {"Authorization": f"Bearer fk-{name}-{next(self._numbers)}"}

    async def ask(self, text: str, headers: dict[str, str], *, is_stream: bool = True) -> Fate:
        """Ask one question and return the result."""
        fate = Fate()
        return await self.follow(fate, text, headers, is_stream=is_stream)

    async def follow(
        self, fate: Fate, text: str, headers: dict[str, str], *, is_stream: bool = True
    ) -> Fate:
        """Ask one question, and note its progress in `fate`."""
        body = {"model": "gpt-4o", "stream": is_stream}
        message = {"role": "user", "content": text}
        url = f"{self._address}/v1/chat/completions"
        try:
            async with self._session.post(
                url, json={**body, "messages": [message]}, headers=headers
            ) as response:
                fate.status, fate.headers = response.status, response.headers
                async for chunk in response.content.iter_any():
                    fate.body += chunk
                    fate.first_byte_at = fate.first_byte_at or time.monotonic()
        except (ClientError, OSError) as error:
            fate.error = repr(error)
        fate.ended_at = time.monotonic()
        return fate

    @asynccontextmanager
    async def busy(self, count: int, text: str = "6*7") -> AsyncIterator[list[Fate]]:
        """Keep so many callers asking during the block; all have ended at its end.

        Each request has an account of its own; half of the callers stream.
        """
        fates: list[Fate] = []
        is_over = asyncio.Event()

        async def ask_on(number: int) -> None:
            while not is_over.is_set():
                is_stream = number % 2 == 0
                fates.append(await self.ask(text, self.account("busy"), is_stream=is_stream))

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(ask_on(number))
            try:
                yield fates
            finally:
                is_over.set()


@asynccontextmanager
async def callers_of(address: str, seconds: float = ANSWER_SECONDS) -> AsyncIterator[Callers]:
    """Open a session for callers with this timeout and unlimited connections."""
    async with ClientSession(
        connector=TCPConnector(limit=0), timeout=ClientTimeout(total=seconds)
    ) as session:
        yield Callers(session, address)
