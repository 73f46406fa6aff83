"""Calls about a conversation besides its turns: hide it, stop it, read it (protocol 6.4)."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from service.observing.metrics import Metrics
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import ServiceError, UpstreamRefusedError
from service.vocabulary.text import well_formed
from upstream.http.backend import Backend

MAX_TRIES = 5
_FIRST_PAUSE_SECONDS = 1.0  # doubles; 15 seconds in all
_CLOSE_SECONDS = 10.0  # how long background work may delay a shutdown
_SECONDS = 15.0  # for one call; none of them runs a model
_log = logging.getLogger("gateway.conversations")


class Conversations:
    """Hides, stops and reads stored conversations; background work ends with the context.

    Work on one conversation is done in order, so that it is stopped before it is hidden.
    """

    def __init__(self, backend: Backend, metrics: Metrics) -> None:
        self._backend = backend
        self._metrics = metrics
        self._latest: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Finish the work under way without pauses; cancel what is left after `seconds`."""
        self._closing.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def hide_later(self, caller: Caller, conversation_id: str) -> None:
        """Hide the conversation in the background; failures are retried, then counted."""
        self._later(conversation_id, self._hide(caller, conversation_id))

    def stop_later(self, caller: Caller, conversation_id: str) -> None:
        """Stop the answer being written, in the background; a failure is only logged."""
        self._later(conversation_id, self._stop(caller, conversation_id))

    async def messages_since(
        self,
        caller: Caller,
        conversation_id: str,
        sent: Collection[str],
        *,
        is_chosen: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the raw messages that came after those sent, on all branches.

        A late picture may be on another branch than the current message. If the upstream knows none
        of the ids, these are the messages after the user's last one, or all without one.

        Args:
            caller: whose conversation it is.
            conversation_id: which one.
            sent: ids of the messages that were sent.
            is_chosen: only those on the branch of the current message, if there are any; of two
                answers this is the chosen one.

        Raises:
            UpstreamError: it cannot be read.
        """
        path = _path(conversation_id)
        stored = await self._backend.call(caller, "GET", path, seconds=_SECONDS)
        nodes = _nodes(stored)
        chosen = _way(nodes, stored.get("current_node")) if is_chosen else []
        if on_way := _after(chosen, lambda message: message.get("id") in sent):
            return on_way
        found: dict[str, dict[str, Any]] = {}
        inner = {node.get("parent") for node in nodes.values() if isinstance(node, dict)}
        for node_id in (leaf for leaf in nodes if leaf not in inner):
            way = _after(_way(nodes, node_id), lambda message: message.get("id") in sent)
            found |= {str(message.get("id")): message for message in way or ()}
        if not found and not any(node_id in nodes for node_id in sent):
            way = _way(nodes, stored.get("current_node"))
            after = _after(way, _is_of_user)
            found = {
                str(message.get("id")): message for message in (way if after is None else after)
            }
        return list(found.values())

    async def tasks(self, caller: Caller) -> list[dict[str, Any]]:
        """Return the account's raw tasks: pictures being drawn, and those that failed.

        Raises:
            UpstreamError: they cannot be read.
        """
        answer = await self._backend.call(caller, "GET", "tasks", seconds=_SECONDS)
        tasks = answer.get("tasks")
        return [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []

    def _later(self, conversation_id: str, work: Coroutine[Any, Any, None]) -> None:
        previous = self._latest.get(conversation_id)

        async def in_turn() -> None:
            try:
                if previous is not None:
                    await asyncio.wait([previous])
                await work
            finally:
                work.close()

        def forget(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if self._latest.get(conversation_id) is task:
                del self._latest[conversation_id]

        # Not a TaskGroup: a fault in one conversation must not end the others.
        task = asyncio.get_running_loop().create_task(in_turn())
        self._tasks.add(task)
        self._latest[conversation_id] = task
        task.add_done_callback(forget)

    async def _hide(self, caller: Caller, conversation_id: str) -> None:
        path = _path(conversation_id)
        body = {"is_visible": False}
        for tries in range(MAX_TRIES):
            try:
                await self._backend.call(caller, "PATCH", path, body=body, seconds=_SECONDS)
            except ServiceError as error:
                if _is_gone(error):
                    return
                _log.warning("A conversation could not be hidden: %s", error)
                if not _may_pass(error):
                    break
            else:
                return
            if tries + 1 < MAX_TRIES:
                await self._pause(_FIRST_PAUSE_SECONDS * 2**tries)
        self._metrics.deletions_failed.inc()

    async def _stop(self, caller: Caller, conversation_id: str) -> None:
        body = {"conversation_id": well_formed(conversation_id), "exclude_async_types": []}
        try:
            await self._backend.call(
                caller, "POST", "stop_conversation", body=body, seconds=_SECONDS
            )
        except ServiceError as error:
            _log.info("A conversation could not be stopped: %s", error)

    async def _pause(self, seconds: float) -> None:
        """Wait, but end the wait when the gateway is stopping."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


def _nodes(stored: dict[str, Any]) -> dict[str, Any]:
    mapping = stored.get("mapping")
    return mapping if isinstance(mapping, dict) else {}


def _way(nodes: dict[str, Any], node_id: object) -> list[dict[str, Any]]:
    """Return the messages from the root to a node, none if the parents form a circle."""
    seen: set[str] = set()
    messages = []
    while isinstance(node_id, str):
        if node_id in seen:
            return []
        seen.add(node_id)
        node = nodes.get(node_id)
        if not isinstance(node, dict):
            break
        if isinstance(message := node.get("message"), dict):
            messages.append(message)
        node_id = node.get("parent")
    return messages[::-1]


def _after(
    way: list[dict[str, Any]], is_sent: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]] | None:
    """Return the messages after the last one that was sent, None if none was sent."""
    places = [place for place, message in enumerate(way) if is_sent(message)]
    return way[places[-1] + 1 :] if places else None


def _is_of_user(message: dict[str, Any]) -> bool:
    author = message.get("author")
    return isinstance(author, dict) and author.get("role") == "user"


def _path(conversation_id: str) -> str:
    return f"conversation/{quote(well_formed(conversation_id), safe='')}"


def _is_gone(error: ServiceError) -> bool:
    return isinstance(error, UpstreamRefusedError) and error.status == HTTPStatus.NOT_FOUND


def _may_pass(error: ServiceError) -> bool:
    """Tell whether another try may succeed: rate limits and server errors pass, refusals do not."""
    is_server_fault = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return is_server_fault or error.status == HTTPStatus.TOO_MANY_REQUESTS
