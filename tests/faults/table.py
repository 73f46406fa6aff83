"""Faults and how an answer ends with each: spec 6.4 and 11, and protocol 4, written down as a table.

Nothing here is read off the gateway. A row is one kind of fault; its faults are crossed with the
ways to ask by `tests.faults.matrix`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tests.faults.endpoints import Endpoint
from tests.faults.turns import Frame, GoodTurn
from tests.faults.upstream import Script
from tests.scripted_upstream import Head, Step

JSON, PAGE, PLAIN, EVENTS = "application/json", "text/html", "text/plain", "text/event-stream"
TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
    502: "upstream_error",
    503: "upstream_error",
    504: "upstream_error",
    507: "server_error",
}


T = TypeVar("T")


@dataclass(frozen=True)
class Ending:
    """How an answer ends. `code` None: well, by `finish`.

    `status` is that of a whole reply; `text` is all of the answer that has arrived, `words` what
    the error has to quote. `is_late`: the head of a stream is out before anything else is known, in
    all dialects or in those that are `begun`.
    `is_final`: callers are told not to ask again; `rests`: `Retry-After` counts down to an hour
    that is told, from so many seconds.
    """

    outcome: str
    status: int = 200
    code: str | None = None
    text: str = ""
    has_picture: bool = False
    words: str = ""
    finish: str = "stop"
    param: str | None = None
    retry_after: str | None = None
    is_late: bool = False
    begun: frozenset[str] = frozenset()
    is_final: bool = False
    rests: int | None = None

    def after(self, text: str, *, has_picture: bool = False) -> "Ending":
        """Return the same ending after so much of an answer."""
        return replace(self, text=text, has_picture=has_picture)

    def at(self, frame: Frame) -> "Ending":
        """Return the same ending behind a frame."""
        return replace(self.after(frame.text, has_picture=frame.has_picture), begun=frame.begun)

    def late(self) -> "Ending":
        """Return the same ending after the head of a stream."""
        return replace(self, is_late=True)


COMPLETE = Ending("complete")
CUT = Ending("cut", 502, "upstream_cut")
SILENT = Ending("silent", 504, "upstream_timeout")
FAILED = Ending("failed", 502, "upstream_error")
EMPTY = Ending("empty", 502, "empty_response")
REFUSED = Ending("refused", 502, "upstream_error")


@dataclass(frozen=True)
class Fault:
    """One fault: what is played where, and how the answer ends.

    `visits` says how often a place is asked; `sending` is how it ends for those who send a file,
    if that is another way, and `is_deadly` that the token is of no use from then on. `afterwards`
    is how the next good turn ends, if it is not asked for upstream.
    """

    name: str
    scripts: Mapping[str, Script]
    ending: Ending
    visits: Mapping[str, int] = field(default_factory=dict)
    sending: Ending | None = None
    is_deadly: bool = False
    afterwards: Ending | None = None

    def at(self, place: str) -> "Fault":
        """Return the same fault of a turn that is asked for at another place."""

        def moved(by_place: Mapping[str, T]) -> dict[str, T]:
            return {place if name == "turn" else name: it for name, it in by_place.items()}

        return replace(self, scripts=moved(self.scripts), visits=moved(self.visits))

    def ending_of(self, endpoint: Endpoint) -> Ending:
        """Return how it ends for one way to ask."""
        return self.sending if self.sending and endpoint.sends else self.ending


def turn_fault(
    name: str,
    steps: tuple[Step, ...],
    ending: Ending,
    *,
    head: Head | None = None,
    tries: int = 1,
    **others: Script,
) -> Fault:
    """Return a fault of the turn itself; `others` are scripts at other places."""
    scripts = {"turn": Script(steps, head or Head()), **others}
    return Fault(name, scripts, ending, {"turn": tries})


def ended(turn: GoodTurn) -> Ending:
    """Return how a good turn ends."""
    return replace(COMPLETE, finish=turn.finish).after(turn.text, has_picture=turn.draws)


# --- error bodies in every shape of protocol 4.2 ----------------------------------------


@dataclass(frozen=True)
class Shape:
    """A form of error bodies; whether it tells code and words, and whether JSON says so."""

    name: str
    content_type: str = JSON
    has_code: bool = False
    has_words: bool = True
    is_json: bool = True


SHAPES = (
    Shape("detail object", has_code=True),
    Shape("detail string"),
    Shape("detail description", has_code=True),
    Shape("detail error", has_code=True),
    Shape("error object", has_code=True),
    Shape("error in error", has_code=True),
    Shape("error string"),
    Shape("validation list"),
    Shape("with a BOM", has_code=True),
    Shape("JSON called a page", PAGE, has_code=True),
    Shape("JSON called plain", PLAIN, has_code=True),
    Shape("plain", PLAIN, is_json=False),
    Shape("empty", PLAIN, has_words=False, is_json=False),
    Shape("half of it", has_words=False, is_json=False),
    Shape("page", PAGE, has_words=False, is_json=False),
    Shape("page called JSON", JSON, has_words=False, is_json=False),
)


def body_of(shape: Shape, code: str, words: str, **more: Any) -> Any:
    """Return an error body of a shape: bytes, or an object that becomes JSON."""
    said = {"message": words, "code": code, **more}
    bodies: dict[str, Any] = {
        "detail object": {"detail": said},
        "detail string": {"detail": words},
        "detail description": {"detail": {"description": words, "code": code, **more}},
        "detail error": {"detail": {"error": said}},
        "error object": {"error": said},
        "error in error": {"error": {"error": said}},
        "error string": {"error": words},
        "validation list": {
            "detail": [{"loc": ["body", "messages"], "msg": words, "type": "missing"}]
        },
        "plain": words.encode(),
        "empty": b"",
        "page": page(words),
        "page called JSON": page(words),
    }
    return bodies.get(shape.name, {"detail": said})


def page(words: str) -> bytes:
    """Return a CDN's page, with words that must not be shown."""
    return (
        "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
        f"<div id='cf-please-wait'>{words}</div></body></html>"
    ).encode()


def is_page(shape: Shape) -> bool:
    """Tell whether a body is a CDN's page, whatever it is called."""
    return shape.name in ("page", "page called JSON")


STATUSES = (400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 504, 520)
SAID = "It did not work, the backend says"
CODE = "some_code"


def verdict(status: int, shape: Shape) -> Ending:
    """Return what a refusal of this status is to the caller, when neither code nor words decide."""
    code = CODE if shape.has_code else None
    words = SAID if shape.has_words else ""
    told = {
        400: (400, code or "invalid_request"),
        401: (401, "invalid_api_key"),
        403: (502, "upstream_error"),  # no word of this account or model
        404: (404, code or "not_found"),
        413: (400, "context_length_exceeded"),
        422: (400, code or "invalid_request"),
        429: (429, "rate_limit_exceeded"),
    }.get(status, (502, "upstream_error"))
    # A page comes from the network before the backend, and so does a 404 that is not JSON; only
    # that a message is too large, or that there were too many, is so whoever says it.
    is_network = (is_page(shape) and status not in (413, 429)) or (
        status == 404 and not shape.is_json
    )
    own_status, own_code = (502, "upstream_error") if is_network else told
    return Ending("refused", own_status, own_code, words=words)


# Codes that decide by themselves, whatever carries them (protocol 4.2, spec 11).
CODES: dict[str, tuple[int, str]] = {
    "token_expired": (401, "invalid_api_key"),
    "token_invalidated": (401, "invalid_api_key"),
    "token_revoked": (401, "invalid_api_key"),
    "invalid_jwt": (401, "invalid_api_key"),
    "conversation_not_found": (404, "conversation_not_found"),
    "conversation_inaccessible": (404, "conversation_inaccessible"),
    "conversation_deleted": (404, "conversation_deleted"),
    "history_disabled_conversation_not_found": (404, "history_disabled_conversation_not_found"),
    "history_disabled_conversation_expired": (404, "history_disabled_conversation_expired"),
    "model_not_found": (404, "model_not_found"),
    "message_length_exceeds_limit": (400, "context_length_exceeded"),
    "conversation_too_large": (400, "context_length_exceeded"),
    "model_cap_exceeded": (429, "rate_limit_exceeded"),
    "work_usage_limit_exceeded": (429, "rate_limit_exceeded"),
    "flagged_by_moderation": (400, "content_policy_violation"),
    "missing_last_completion": (502, "missing_last_completion"),
    "interruption_server_error": (502, "interruption_server_error"),
}
STATUS_OF_CODE = {401: 401, 404: 404, 400: 413, 429: 429, 502: 500}
"""The status of the upstream that fits one of ours, for a code that comes with its own."""


def statuses() -> Iterator[tuple[int, Shape]]:
    """Yield each status with each shape of a body."""
    for status in STATUSES:
        for shape in SHAPES:
            yield status, shape
