"""The rows of the matrix: what is played for each fault of a turn, and what comes of it."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from tests.faults.endpoints import CALLS, PICTURES, TEXTS, Endpoint
from tests.faults.table import (
    CODE,
    CODES,
    COMPLETE,
    CUT,
    EMPTY,
    EVENTS,
    FAILED,
    JSON,
    PLAIN,
    REFUSED,
    SAID,
    SHAPES,
    SILENT,
    STATUS_OF_CODE,
    Ending,
    Fault,
    Shape,
    body_of,
    ended,
    page,
    statuses,
    turn_fault,
    verdict,
)
from tests.faults.turns import (
    COMPLETED,
    INCREMENTS,
    PICTURE,
    PING,
    TITLE,
    TRIES,
    WHOLE,
    GoodTurn,
)
from tests.faults.upstream import JSON_HEAD, Script
from tests.scripted_upstream import (
    DONE,
    STALL,
    Abort,
    Head,
    Pause,
    Raw,
    Step,
    Turn,
    answer,
    event,
    final,
)

SOON = Pause(0.02)
SIXTEEN_MEBIBYTES = 16 * 1024 * 1024
FLOOD = 5_000
NOISE = (
    b"data: internal server error\n\n",
    b": a comment\n\n",
    b'data: {"message": {"id": \n\n',
    b"data: \xff\xfe\xfa\n\n",
    b'event: weird\ndata: {"x": 1}\n\n',
    b'data: {"type": "never_heard_of", "conversation_id": "c1"}\n\n',
    b"id: 7\nretry: 10\n\n",
    b"data:\n\n",
    b"data: []\n\n",
    b"data: 17\n\n",
    b"event: message\ndata: null\n\n",
    PING,
)


@dataclass(frozen=True)
class Row:
    """One kind of fault.

    `gateway` names the one before which it is played (`tests.faults.gateways`); `faults` makes
    them for a turn, and `turns` are those that the endpoints are crossed with. In a slow row each
    case has a caller of its own, so that none waits for another. In a shared one the callers are
    those of the last time.
    """

    name: str
    faults: Callable[[GoodTurn], Iterator[Fault]]
    gateway: str = "patient"
    turns: tuple[GoodTurn, ...] = (WHOLE, PICTURE)
    is_refreshing: bool = False
    is_slow: bool = False
    is_shared: bool = False
    texts: tuple[Endpoint, ...] = TEXTS
    pictures: tuple[Endpoint, ...] = PICTURES

    @property
    def place(self) -> str:
        """The place of the upstream where the turns are asked for."""
        return self.turns[0].place

    def endpoints(self, turn: GoodTurn) -> tuple[Endpoint, ...]:
        """Return the ways to ask for a turn."""
        if turn.calls:
            return CALLS
        return self.pictures if turn.draws else self.texts


UNSENT = Ending("refused", 400, "invalid_attachment", param="image")
"""A file that cannot be uploaded is a 400 that names the part (spec 8)."""

# --- connections ------------------------------------------------------------------------


def no_connection(_turn: GoodTurn) -> Iterator[Fault]:
    """Nothing arrives upstream, since nothing is there or it is not to be trusted."""
    yield Fault("no connection", {}, FAILED, {"turn": 0}, UNSENT)


def broken_before_the_head(_turn: GoodTurn) -> Iterator[Fault]:
    """The connection breaks, or speaks no HTTP, before the head: a turn is sent again."""
    for name, step in (
        ("reset", Abort()),
        ("closed", Raw(b"")),
        ("no HTTP", Raw(b"\x00\xff\x13garbage\r\n\r\n")),
        ("half a head", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/ev")),
        ("a header without an end", Raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)),
        ("no status", Raw(b"HTTP/1.1 OK\r\n\r\n")),
    ):
        yield turn_fault(name, (step,), FAILED, tries=TRIES)


def slow_head(turn: GoodTurn) -> Iterator[Fault]:
    """The head comes after that of our stream has gone out."""
    late = Pause(0.5)
    good = ended(turn)
    yield turn_fault("good", (late, *turn.data), replace(good, is_late=True))
    for name, body, head, ending in (
        ("cap", _cap(), Head(429, JSON), _limited()),
        (
            "404",
            _body(SHAPES[0], "model_not_found"),
            Head(404, JSON),
            Ending("refused", 404, "model_not_found", words=SAID),
        ),
        ("page", page(SAID), Head(403, "text/html"), REFUSED),
        ("500", _body(SHAPES[1], CODE), Head(500, JSON), replace(REFUSED, words=SAID)),
        ("cap under 200", _cap(), JSON_HEAD, _limited()),
        ("plain words", f"{SAID}.".encode(), Head(200, PLAIN), replace(REFUSED, words=SAID)),
    ):
        yield turn_fault(name, (late, body), ending.late(), head=head)


# --- refusals ---------------------------------------------------------------------------


def refused_with(status: int) -> Callable[[GoodTurn], Iterator[Fault]]:
    """Return the faults of a status, in every shape of a body."""

    def faults(_turn: GoodTurn) -> Iterator[Fault]:
        for one, shape in statuses():
            if one == status:
                tries = TRIES if status in (502, 503, 504) else 1
                ending = verdict(status, shape)
                yield turn_fault(shape.name, *refusal(status, shape, ending), tries=tries)

    return faults


def refusal(status: int, shape: Shape, ending: Ending) -> tuple[tuple[Step, ...], Ending]:
    """Return the steps of a refusal; `_with_head` puts the head before them."""
    return (_with_head(status, shape),), ending


def _with_head(status: int, shape: Shape) -> Callable[[Turn], Raw]:
    """Return an answer as bytes: some of them no HTTP server would send."""

    def made(turn: Turn) -> Raw:
        body = _bytes(body_of(shape, CODE, leaking(turn)))
        if shape.name == "with a BOM":
            body = b"\xef\xbb\xbf" + body
        length = len(body)
        if shape.name == "half of it":
            body = body[: length // 2]
        head = (
            f"HTTP/1.1 {status} Said\r\nContent-Type: {shape.content_type}\r\n"
            f"Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        return Raw(head.encode() + body)

    return made


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)


def leaking(turn: Turn) -> str:
    """Return words that repeat what the upstream was sent, which nobody may see."""
    return f"{SAID}. {turn.headers['Authorization']}"


def _body(shape: Shape, code: str, **more: Any) -> Callable[[Turn], bytes]:
    return lambda turn: _bytes(body_of(shape, code, leaking(turn), **more))


def _cap(clears_in: int = 7200) -> Callable[[Turn], bytes]:
    return _body(SHAPES[0], "model_cap_exceeded", clears_in=clears_in)


def _limited(wait: str | None = "7200") -> Ending:
    return Ending("refused", 429, "rate_limit_exceeded", words=SAID, retry_after=wait)


def refused_by_account(_turn: GoodTurn) -> Iterator[Fault]:
    """A 403 is the caller's only when it names this account or model."""
    for name, words, ending in (
        (
            "account",
            "This account may not use this model.",
            Ending("refused", 403, "permission_error"),
        ),
        ("unusual activity", "Our systems have detected unusual activity from you.", REFUSED),
    ):
        for shape in SHAPES[:7]:
            body = body_of(shape, CODE, words)
            told = replace(ending, words=words)
            yield turn_fault(f"{name}, {shape.name}", (body,), told, head=Head(403, JSON))


def limits(_turn: GoodTurn) -> Iterator[Fault]:
    """A 429 with a wait: a short one is waited for, a longer one told."""
    for shape in (SHAPES[0], SHAPES[2], SHAPES[4], SHAPES[5]):
        body = _body(shape, "model_cap_exceeded", clears_in=11_461)
        yield turn_fault(
            f"clears_in, {shape.name}", (body,), _limited("11461"), head=Head(429, JSON)
        )
    words = (
        "Only one message at a time. Please allow any other responses to complete before "
        "sending another message, or wait one minute."
    )
    told = replace(_limited(None), words="Only one message at a time.")
    yield turn_fault("one at a time", ({"detail": words},), told, head=Head(429, JSON))
    for name, kind in (("JSON", JSON), ("plain", PLAIN)):
        head = Head(429, kind, {"Retry-After": "30"})
        body = {"detail": SAID} if kind == JSON else SAID.encode()
        yield turn_fault(f"Retry-After, {name}", (body,), _limited("30"), head=head)
    passing = Head(429, JSON, {"Retry-After": "0.05"})
    yield turn_fault(
        "a wait short enough", ({"detail": SAID},), _limited("1"), head=passing, tries=TRIES
    )


def codes(turn: GoodTurn) -> Iterator[Fault]:
    """Codes that decide, with a status of their own, under 200, and as events."""
    for code, (status, ours) in CODES.items():
        by_status = Ending("refused", status, "upstream_error" if status == 502 else ours)
        by_body = Ending("refused", status, ours)
        event_ = Ending("failed", status, ours)
        head = Head(STATUS_OF_CODE[status], JSON)
        yield turn_fault(
            f"{code} with its status",
            (_body(SHAPES[0], code),),
            replace(by_status, words=SAID),
            head=head,
        )
        yield turn_fault(
            f"{code} under 200",
            (_body(SHAPES[0], code),),
            replace(by_body, words=SAID),
            head=JSON_HEAD,
        )
        yield turn_fault(
            f"{code} under 200, as events",
            (_body(SHAPES[0], code),),
            replace(by_body, words=SAID),
        )
        yield turn_fault(
            f"{code} as an event", (_fault_event(code), DONE), replace(event_, words=SAID)
        )
        yield turn_fault(
            f"{code} as an event after text",
            (*turn.until(turn.some), _fault_event(code), DONE),
            replace(event_, words=SAID, text=turn.some),
        )


def _fault_event(code: str) -> Callable[[Turn], bytes]:
    def made(turn: Turn) -> bytes:
        error = {"message": None, "conversation_id": "c1", "error": leaking(turn)}
        return event({**error, "error_code": code})

    return made


def error_events(turn: GoodTurn) -> Iterator[Fault]:
    """Error events of each form, before and after text; what follows one changes nothing."""
    forms: dict[str, Callable[[str], dict[str, Any]]] = {
        "string": lambda said: {"error": said},
        "object": lambda said: {"error": {"message": said}},
        "with no code": lambda said: {"error": said, "error_code": None},
    }
    for name, form in forms.items():

        def fault(turn_: Turn, form: Any = form) -> bytes:
            return event({"message": None, "conversation_id": "c1", **form(leaking(turn_))})

        told = replace(FAILED, words=SAID)
        for after, last in (("done", DONE), ("closed", SOON), ("cut", Abort()), ("silent", STALL)):
            steps: tuple[Step, ...] = (fault, SOON, last)
            yield turn_fault(f"{name}, {after}", steps, told)
            yield turn_fault(
                f"{name} after text, {after}",
                (*turn.until(turn.some), *steps),
                told.after(turn.some),
            )
    web_socket = {"wss_url": "wss://ws.example.invalid/x?access_token=y", "conversation_id": "c1"}
    yield turn_fault(
        "web socket", (web_socket,), replace(FAILED, words="WebSocket"), head=JSON_HEAD
    )


def odd_statuses(_turn: GoodTurn) -> Iterator[Fault]:
    """Statuses that are no answer to a turn."""
    for status in (201, 202, 204, 206, 301, 302, 304, 307, 308):
        head = Head(status, PLAIN, {"Location": "http://127.0.0.1:9/elsewhere"})
        yield turn_fault(str(status), (), REFUSED, head=head)
    for status in (407, 408, 425):
        yield turn_fault(str(status), ({"detail": SAID},), REFUSED, head=Head(status, JSON))


def pages(turn: GoodTurn) -> Iterator[Fault]:
    """Bodies under 200 that are no answer."""
    yield turn_fault("page", (page(SAID),), REFUSED, head=Head(200, "text/html"))
    tries = turn.tries_unread
    for kind in (PLAIN, EVENTS):
        head = Head(200, kind)
        yield turn_fault(f"page called {kind}", (page(SAID),), REFUSED, head=head, tries=tries)
    words = b"The quota has been exceeded."
    for kind in (PLAIN, EVENTS):
        told = replace(REFUSED, words="The quota has been exceeded.")
        yield turn_fault(f"words as {kind}", (words,), told, head=Head(200, kind), tries=tries)


# --- within an answer -------------------------------------------------------------------


def cut(turn: GoodTurn) -> Iterator[Fault]:
    """Cut after every frame and in the middle of every frame, cleanly and not."""
    for index, frame in enumerate(turn.frames):
        before = turn.frames[index - 1] if index else None
        for how, last in (("closed", ()), ("reset", (SOON, Abort()))):
            ending = ended(turn) if frame.is_end else CUT
            yield turn_fault(
                f"{how} after frame {index}",
                (*turn.data[: index + 1], *last),
                ending.at(frame),
                tries=TRIES if frame.is_unseen else 1,
            )
            is_over = before is not None and before.is_end
            told = ended(turn) if is_over else CUT
            for part, end in (("half", len(frame.data) // 2), ("nearly all", -3)):
                # A line that lacks nothing but its end is read (protocol 4.1).
                half = frame.data[:end]
                yield turn_fault(
                    f"{how} in {part} of frame {index}",
                    (*turn.data[:index], half, *last),
                    told.at(before) if before else told,
                    tries=TRIES if (before or frame).is_unseen else 1,
                )


def badly_framed(turn: GoodTurn) -> Iterator[Fault]:
    """The HTTP below an answer breaks."""
    some, text = turn.until(turn.some), turn.some
    yield turn_fault("a chunk of no size", (*some, SOON, Raw(b"zz\r\nx\r\n")), CUT.after(text))
    # In one segment with text: when the body is read, its connection has gone already.
    *before, last = some
    at_once = Raw(b"%x\r\n%s\r\nzz\r\nx\r\n" % (len(last), last))
    yield turn_fault("a chunk of no size, at once", (*before, SOON, at_once), CUT.after(text))
    yield turn_fault("half a chunk", (*some, SOON, Raw(b"ffff\r\nabc")), CUT.after(text))
    long = Head(headers={"Content-Length": "1000000"})
    yield turn_fault("shorter than it says", (*some, SOON, Raw(b"")), CUT.after(text), head=long)


def silent(turn: GoodTurn) -> Iterator[Fault]:
    """Silence before the head, before an event, and after every frame."""
    yield turn_fault("before the head", (STALL,), SILENT.late())
    yield turn_fault("before an event", (b": hello\n\n", STALL), SILENT.late())
    for index, frame in enumerate(turn.frames):
        ending = ended(turn) if frame.is_end else SILENT
        yield turn_fault(
            f"after frame {index}",
            (*turn.data[: index + 1], STALL),
            ending.at(frame).late(),
        )


def pings_only(turn: GoodTurn) -> Iterator[Fault]:
    """Pings and comments are no events: they keep no answer alive."""
    some = turn.until(turn.some)
    for name, noise in (("pings", PING), ("comments", b": x\n\n")):
        steps = [noise, Pause(0.2)] * 40
        yield turn_fault(f"{name} before an event", (*steps,), SILENT.late())
        yield turn_fault(f"{name} after text", (*some, *steps), SILENT.after(turn.some).late())
    growing = [turn.again, Pause(0.1)] * 80
    yield turn_fault("too long in all", (*some, *growing), SILENT.after(turn.some).late())


def endless(turn: GoodTurn) -> Iterator[Fault]:
    """An event whose end never comes, slowly and fast."""
    some = turn.until(turn.some)
    drip = [b"x" * 10, Pause(0.1)] * 80
    start = b'data: {"type": "endless", "padding": "'
    yield turn_fault("slowly", (start, *drip), SILENT.late())
    yield turn_fault("slowly, after text", (*some, start, *drip), SILENT.after(turn.some).late())


def endless_fast(turn: GoodTurn) -> Iterator[Fault]:
    """An event that grows beyond any limit."""
    piece = b"x" * (1 << 20)
    steps = (b'data: {"type": "endless", "padding": "', *[piece] * 40, STALL)
    told = replace(FAILED, words="16 MiB")
    yield turn_fault("fast", steps, told, tries=turn.tries_unread)
    yield turn_fault("fast, after text", (*turn.until(turn.some), *steps), told.after(turn.some))


def giant(turn: GoodTurn) -> Iterator[Fault]:
    """Events over 16 MiB, in one line or several, and one just under it."""
    some, text = turn.until(turn.some), turn.some
    told = replace(FAILED, words="16 MiB")
    lines = b"".join(b"data: " + b"x" * (1 << 20) + b"\n" for _ in range(17)) + b"\n"
    over = b'data: {"padding": "' + b"x" * SIXTEEN_MEBIBYTES + b'"}\n\n'
    for name, large in (("one line", over), ("many lines", lines)):
        yield turn_fault(name, (large, STALL), told, tries=turn.tries_unread)
        yield turn_fault(f"{name}, after text", (*some, large, STALL), told.after(text))
    under = event({"type": "large", "padding": "x" * (SIXTEEN_MEBIBYTES - 100)})
    yield turn_fault("just under it", (under, *turn.data), ended(turn))


def flood(turn: GoodTurn) -> Iterator[Fault]:
    """Many more events than there is text."""
    unknown = event({"type": "never_heard_of", "conversation_id": "c1"})
    kinds = b"".join(event({"type": f"kind_{n}", "conversation_id": "c1"}) for n in range(2000))
    head, rest = turn.data[:1], turn.data[1:]
    for name, noise in (
        ("unknown events", unknown * FLOOD),
        ("unknown kinds", kinds),
        ("pings", PING * FLOOD),
        ("empty lines", b"\n" * 100_000),
        ("comments", b":\n" * 50_000),
        ("broken events", b"data: {\n\n" * 1000),
    ):
        yield turn_fault(name, (*head, noise, *rest), ended(turn))


def garbage(turn: GoodTurn) -> Iterator[Fault]:
    """Noise between all events, and bodies of nothing else."""
    for number, noise in enumerate(NOISE):
        steps = [step for data in turn.data for step in (data, noise)]
        yield turn_fault(f"noise {number}", (*steps,), ended(turn))
    binary = bytes(range(128, 256)) * 50
    yield turn_fault("nothing else", (binary,), REFUSED, tries=turn.tries_unread)
    yield turn_fault("after text", (*turn.until(turn.some), b"\n" + binary), CUT.after(turn.some))
    crlf = tuple(data.replace(b"\n", b"\r\n") for data in turn.data)
    yield turn_fault("CRLF", crlf, ended(turn))
    cr = tuple(data.replace(b"\n", b"\r") for data in turn.data)
    yield turn_fault("CR", cr, ended(turn))
    yield turn_fault("a BOM", (b"\xef\xbb\xbf" + turn.data[0], *turn.data[1:]), ended(turn))
    whole = b"".join(turn.data)
    yield turn_fault("byte by byte", tuple(bytes((byte,)) for byte in whole), ended(turn))


def wrong_encoding(turn: GoodTurn) -> Iterator[Fault]:
    """A body that is not encoded as its head says, and one that is, unasked."""
    whole = b"".join(turn.data)
    for name in ("gzip", "deflate"):
        head = Head(headers={"Content-Encoding": name})
        yield turn_fault(f"{name}, but is not", turn.data, CUT, head=head, tries=turn.tries_unread)
    packed = gzip.compress(whole)
    gzipped = Head(headers={"Content-Encoding": "gzip"})
    yield turn_fault("gzip unasked", (packed,), ended(turn), head=gzipped)
    broken = (b"\x1f\x8b\x08garbage" + packed,)
    tries = turn.tries_unread
    yield turn_fault("gzip with a broken start", broken, CUT, head=gzipped, tries=tries)
    deflated = Head(headers={"Content-Encoding": "deflate"})
    yield turn_fault("deflate unasked", (zlib.compress(whole),), ended(turn), head=deflated)
    for kind in (f"{EVENTS}; charset=utf-16", PLAIN, "application/octet-stream", "nonsense"):
        head = Head(headers={"Content-Type": kind})
        yield turn_fault(f"called {kind}", turn.data, ended(turn), head=head)


# --- ends and orders --------------------------------------------------------------------


def without_done(turn: GoodTurn) -> Iterator[Fault]:
    """No `[DONE]`: the last word ends an answer as well, and nothing else does."""
    without = tuple(data for data in turn.data if data != DONE)
    yield turn_fault("no [DONE]", without, ended(turn))
    bare = tuple(data for data in without if data not in (COMPLETED, TITLE))
    yield turn_fault("nothing after the last word", bare, ended(turn))
    some = turn.until(turn.some)
    yield turn_fault("no last word, but [DONE]", (*some, DONE), _finished(turn))
    yield turn_fault("no last word, but completed", (*some, COMPLETED), _finished(turn))
    yield turn_fault("nothing of it", some, CUT.after(turn.some))


def _finished(turn: GoodTurn) -> Ending:
    return COMPLETE.after(turn.some)


def empty(_turn: GoodTurn) -> Iterator[Fault]:
    """Turns that end without a word."""
    yield turn_fault("no byte", (), CUT)
    yield turn_fault("[DONE]", (DONE,), EMPTY)
    yield turn_fault("title and [DONE]", (TITLE, DONE), EMPTY)
    yield turn_fault("completed", (COMPLETED,), EMPTY)
    yield turn_fault("last word of none", (final(""), DONE), EMPTY)
    hidden = {"metadata": {"is_visually_hidden_from_conversation": True}}
    yield turn_fault("a hidden message", (final("x", **hidden), DONE), EMPTY)
    yield turn_fault("JSON of nothing", (b"{}",), EMPTY_OBJECT, head=JSON_HEAD)


EMPTY_OBJECT = CUT
"""An object without a word ends nothing, so that the answer is cut (spec 6.4)."""


def duplicate(turn: GoodTurn) -> Iterator[Fault]:
    """Events that come twice; increments are left out, since twice is what they then say."""
    is_safe = [turn.name != "v1" or b'"delta"' not in data[:20] for data in turn.data]
    for index, data in enumerate(turn.data):
        if b"event: delta\n" not in data and is_safe[index]:
            steps = (*turn.data[: index + 1], data, *turn.data[index + 1 :])
            yield turn_fault(f"frame {index}", steps, ended(turn))
    if turn.name != "v1":
        twice = tuple(data for data in turn.data for _ in range(2))
        yield turn_fault("each frame", twice, ended(turn))
        yield turn_fault("all of it", (*turn.data[:-1], *turn.data), ended(turn))


def reordered(turn: GoodTurn) -> Iterator[Fault]:
    """Neighbours change places: of whole messages the longer one stays."""
    for index in range(1, len(turn.data) - 1):
        now, after = turn.frames[index], turn.frames[index + 1]
        if now.text == after.text or after.is_end or now.has_picture != after.has_picture:
            continue
        if after.text.startswith(now.text) and "\n\n" not in after.text[len(now.text) :]:
            data = list(turn.data)
            data[index], data[index + 1] = data[index + 1], data[index]
            yield turn_fault(f"frames {index} and {index + 1}", tuple(data), ended(turn))
    first, *rest = turn.data
    yield turn_fault("first event late", (rest[0], first, *rest[1:]), ended(turn))


# --- other ends -------------------------------------------------------------------------


def other_ends(turn: GoodTurn) -> Iterator[Fault]:
    """Ends that are neither faults nor the usual one."""
    verdict_ = {"flagged": True, "blocked": True}
    blocked = event(
        {"type": "moderation", "moderation_response": verdict_, "conversation_id": "c1"}
    )
    some, text = turn.until(turn.some), turn.some
    filtered = Ending("filtered", finish="content_filter")
    yield turn_fault("blocked at once", (blocked, DONE), filtered)
    yield turn_fault("blocked after text", (*some, blocked, STALL), filtered.after(text))
    limit = {"metadata": {"finish_details": {"type": "max_tokens"}, "message_type": "next"}}
    length = Ending("length", finish="length")
    yield turn_fault("token limit", (final("Hello", **limit), DONE), length.after("Hello"))


# --- hand-off ---------------------------------------------------------------------------

TOKEN = event({"type": "resume_conversation_token", "token": "conduit-1", "conversation_id": "c1"})
HANDED = event({"type": "stream_handoff", "conversation_id": "c1", "options": []})
OFFERED = (TOKEN, answer("Hel"), HANDED, DONE)
REST = (answer("Hello"), final("Hello there"), DONE)
WENT_ON = COMPLETE.after("Hello there")


def handed_off(_turn: GoodTurn) -> Iterator[Fault]:
    """The answer goes on in another body, in the stored conversation, or nowhere."""
    gone = Script(({"detail": {"code": "gone", "message": "Gone."}},), Head(410, JSON))
    half = CUT.after("Hel")
    yield _handed("resumed", WENT_ON, Script(REST))
    yield _handed("replayed", WENT_ON, Script((TOKEN, answer("Hel"), HANDED, *REST)))
    yield _handed("cut", CUT.after("Hello"), Script((answer("Hello"), SOON, Abort())))
    yield _handed("closed", CUT.after("Hello"), Script((answer("Hello"),)))
    error = event({"message": None, "conversation_id": "c1", "error": SAID})
    failed = replace(FAILED, words=SAID).after("Hel")
    yield _handed("error event", failed, Script((error, DONE)))
    yield _handed("without an end", half, Script((TOKEN, HANDED, DONE)), resumes=5)
    for status in (400, 401, 403, 404, 410, 500):
        yield _handed(f"{status}, nothing stored", half, replace(gone, head=Head(status, JSON)))
        yield _handed(f"{status}, stored", WENT_ON, replace(gone, head=Head(status, JSON)), STORED)
    garbled = Script((b"{half of it",), JSON_HEAD)
    yield _handed("410, garbage stored", half, gone, garbled)
    yield _handed("410, page stored", half, gone, Script((page(SAID),), Head(200, "text/html")))
    yield _handed("410, conversation of nothing", half, gone, Script(({},), JSON_HEAD))
    odd = Script(({"mapping": {"a": {"message": 7, "parent": "a"}, "b": None}},), JSON_HEAD)
    yield _handed("410, conversation of nonsense", half, gone, odd)


def _handed(
    name: str, ending: Ending, resume: Script, stored: Script | None = None, *, resumes: int = 1
) -> Fault:
    others = {"resume": resume} | ({"stored": stored} if stored else {})
    fault = turn_fault(name, OFFERED, ending, **others)
    return replace(fault, visits={"turn": 1, "resume": resumes})


def _stored() -> Script:
    question = {
        "id": "q1",
        "author": {"role": "user"},
        "content": {"content_type": "text", "parts": ["What is it?"]},
        "status": "finished_successfully",
        "recipient": "all",
        "metadata": {},
    }
    said = {
        **question,
        "id": "a1",
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": ["Hello there"]},
        "end_turn": True,
        "metadata": {"message_type": "next", "model_slug": "gpt-4o"},
    }
    return Script(
        (
            {
                "conversation_id": "c1",
                "current_node": "a1",
                "mapping": {
                    "root": {"id": "root", "message": None, "parent": None, "children": ["q1"]},
                    "q1": {"id": "q1", "message": question, "parent": "root", "children": ["a1"]},
                    "a1": {"id": "a1", "message": said, "parent": "q1", "children": []},
                },
            },
        ),
        JSON_HEAD,
    )


STORED = _stored()

BOTH = (WHOLE, INCREMENTS, PICTURE)
TURN_ROWS = (
    Row("connection refused", no_connection, "refused"),
    Row("DNS failure", no_connection, "no name"),
    Row("TLS: not spoken", no_connection, "no TLS"),
    Row("TLS: certificate unknown", no_connection, "unknown certificate"),
    Row("TLS: closed in it", no_connection, "closes in TLS"),
    Row("broken before the head", broken_before_the_head),
    Row("slow head", slow_head, "hasty", is_slow=True),
    *(
        Row(f"status {status}", refused_with(status))
        for status in (400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 504, 520)
    ),
    Row("403 of the account", refused_by_account),
    Row("429 with a wait", limits),
    Row("codes that decide", codes),
    Row("error events", error_events),
    Row("odd statuses", odd_statuses),
    Row("pages and words under 200", pages),
    Row("cut at every frame", cut, turns=BOTH),
    Row("HTTP broken in an answer", badly_framed),
    Row("silent at every frame", silent, "hasty", BOTH, is_slow=True),
    Row("nothing but pings", pings_only, "hasty", is_slow=True),
    Row("endless event", endless, "hasty", is_slow=True),
    Row("endless event, fast", endless_fast),
    Row("giant event", giant),
    Row("event flood", flood, turns=BOTH),
    Row("garbage", garbage, turns=BOTH),
    Row("wrong encoding", wrong_encoding, turns=BOTH),
    Row("missing [DONE]", without_done, turns=BOTH),
    Row("empty", empty, "brief"),
    Row("duplicate", duplicate, turns=BOTH),
    Row("reordered", reordered),
    Row("block and limit", other_ends),
    Row("hand-off", handed_off, "brief"),
)
