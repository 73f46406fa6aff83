"""Answers that can be fetched again: `f/conversation/resume` (protocol 4.6, 3.7)."""

from collections.abc import Iterator

import msgspec
from aiohttp import web

from upstream.demo.ground.options import OPTIONS
from upstream.demo.ground.refusals import Refusal, detail, not_found
from upstream.demo.ground.script import Note, Script
from upstream.demo.ground.stats import STATS
from upstream.demo.ground.stream import Piece, render, with_crlf
from upstream.demo.website.conversations import CONVERSATIONS
from upstream.demo.website.delivery import Line, deliver
from upstream.demo.website.tokens import OWNER, fields_of


class Replay(msgspec.Struct, frozen=True):
    """The last answer of a conversation."""

    script: Script
    is_v1: bool
    is_final_only: bool = False
    """Whether only the stored conversation has it (410 on resume)."""

    @property
    def token(self) -> str:
        """What `resume_conversation_token` told the caller."""
        first = self.script.steps[0]
        return str(first.event.get("token")) if isinstance(first, Note) else ""

    def pieces(self, offset: int) -> Iterator[Piece]:
        """Yield the stream again, without the first `offset` counted events."""
        seen = 0
        for piece in render(self.script, is_v1=self.is_v1):
            is_event = bool(piece.data) and piece.is_counted
            seen += is_event
            if seen > offset:
                yield piece


KEPT_REPLAYS = 500

REPLAYS: web.AppKey[dict[str, Replay]] = web.AppKey("REPLAYS", dict)


def keep_replay(replays: dict[str, Replay], replay: Replay) -> None:
    """Remember an answer as the last one of its conversation."""
    replays[replay.script.conversation_id] = replay
    if len(replays) > KEPT_REPLAYS:
        del replays[next(iter(replays))]


async def post_resume(request: web.Request) -> web.StreamResponse:
    """Send an answer again: all of it at offset 0, else from where it broke."""
    wanted = await fields_of(request)
    conversation_id = str(wanted.get("conversation_id") or "")
    request.app[STATS].counts["resumes"] += 1
    replay = request.app[REPLAYS].get(conversation_id)
    if replay is None or not request.app[CONVERSATIONS].any_of(request[OWNER], conversation_id):
        raise not_found()
    if request.headers.get("X-Conduit-Token") != replay.token:
        raise Refusal(403, detail("The conduit token does not fit this conversation."))
    if replay.is_final_only:
        raise Refusal(410, detail("The answer is complete.", "persisted_final_available"))
    pieces = replay.pieces(int(wanted.get("offset") or 0))
    if request.app[OPTIONS].is_crlf:
        pieces = with_crlf(pieces)
    return await deliver(Line(request), pieces, request.app[STATS])
