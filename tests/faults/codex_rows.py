"""The rows of Codex's back end (spec 14, codex 3 and 4): its own faults, and those of every stream."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.faults.codex_turns import (
    BOTH,
    COMPLETED,
    CREATED,
    ITEMS,
    SAYING,
    THOUGHT,
    THOUGHT_OF,
    USAGE,
    happening,
    item_event,
    message_of,
    response_event,
)
from tests.faults.companions import answers, tokens
from tests.faults.endpoints import CHATS, CODEX_MODELS, SEALED
from tests.faults.rows import (
    SOON,
    Row,
    badly_framed,
    broken_before_the_head,
    cut,
    endless,
    endless_fast,
    flood,
    garbage,
    giant,
    leaking,
    no_connection,
    odd_statuses,
    pages,
    pings_only,
    refusal,
    silent,
    wrong_encoding,
)
from tests.faults.table import (
    CODE,
    COMPLETE,
    CUT,
    EMPTY,
    EVENTS,
    JSON,
    PAGE,
    REFUSED,
    SAID,
    SHAPES,
    Ending,
    Fault,
    Shape,
    ended,
    is_page,
    page,
    turn_fault,
)
from tests.faults.turns import TRIES, GoodTurn
from tests.faults.upstream import JSON_HEAD, Script
from tests.scripted_upstream import STALL, Abort, Head, Pause, Step, Turn

STATUSES = (400, 401, 402, 403, 404, 413, 422, 429, 500, 502, 503, 504, 520)
REST = 5_000
"""Seconds for which an account that is at its limit rests: far more than a run takes."""
LIMITED = Ending("refused", 429, "rate_limit_exceeded", rests=REST)

# --- error bodies -----------------------------------------------------------------------


def verdict(status: int, shape: Shape) -> Ending:
    """Return what a refusal of this status is to the caller, by the table of codex 4."""
    code = CODE if shape.has_code else None
    told: dict[int, tuple[int, str]] = {
        400: (400, code or "invalid_request"),
        401: (401, "invalid_api_key"),
        402: (429, "rate_limit_exceeded"),
        403: (403, "permission_error"),
        404: (404, code or "not_found"),
        413: (400, "context_length_exceeded"),
        422: (400, code or "invalid_request"),
        429: (429, "rate_limit_exceeded"),
        503: (503, code or "upstream_error"),
    }
    # What the network before the back end says is of no account; only that a body is too large, or
    # that there were too many, is so whoever says it.
    is_network = (is_page(shape) and status not in (413, 429)) or (
        not shape.is_json and status in (403, 404, 503)
    )
    ours = (502, code or "upstream_error") if is_network else told.get(status)
    own_status, own_code = ours or (502, code or "upstream_error")
    is_final = status == 402 and own_status == 429
    words = SAID if shape.has_words else ""
    return Ending("refused", own_status, own_code, words=words, is_final=is_final)


def refused_with(status: int) -> Callable[[GoodTurn], Iterator[Fault]]:
    """Return the faults of a status, in every shape of a body."""

    def faults(_turn: GoodTurn) -> Iterator[Fault]:
        for shape in SHAPES:
            tries = TRIES if status in (502, 503, 504) else 1
            ending = verdict(status, shape)
            yield turn_fault(shape.name, *refusal(status, shape, ending), tries=tries)

    return faults


def known_refusals(_turn: GoodTurn) -> Iterator[Fault]:
    """The refusals of codex 4 that their words, their type or their code tell apart."""
    capacity = "Selected model is at capacity. Please try a different model."
    absent = "The 'gpt-4o' model is not supported when using Codex with a ChatGPT account."
    unknown = "Unsupported parameter: demo"
    for name, status, body, ending in (
        ("detail", 400, {"detail": unknown}, (400, "invalid_request", unknown)),
        ("capacity", 400, {"detail": capacity}, (503, "upstream_error", capacity)),
        ("no such model", 400, {"detail": absent}, (404, "model_not_found", absent)),
        ("not included", 429, _error("usage_not_included"), (403, "usage_not_included", SAID)),
        ("quota", 429, _error("insufficient_quota"), (429, "rate_limit_exceeded", SAID)),
        ("busy", 503, _error("server_is_overloaded"), (503, "server_is_overloaded", SAID)),
        ("slow down", 503, _error("slow_down"), (503, "slow_down", SAID)),
    ):
        told = Ending("refused", ending[0], ending[1], words=ending[2])
        is_final = name in ("not included", "quota")
        tries = TRIES if ending[0] == 503 else 1
        head = Head(status, JSON)
        yield turn_fault(name, (body,), replace(told, is_final=is_final), head=head, tries=tries)
    yield turn_fault("an empty 404", (), REFUSED, head=Head(404, ""))


def _error(kind: str, **more: Any) -> dict[str, Any]:
    return {"error": {"type": kind, "code": kind, "message": SAID, "param": None, **more}}


# --- errors inside a 200 ----------------------------------------------------------------

INSIDE: dict[str, tuple[int, str]] = {
    "context_length_exceeded": (400, "context_length_exceeded"),
    "invalid_prompt": (400, "invalid_prompt"),
    "cyber_policy": (400, "cyber_policy"),
    "invalid_encrypted_content": (400, "invalid_encrypted_content"),
    "previous_response_not_found": (400, "previous_response_not_found"),
    "insufficient_quota": (429, "rate_limit_exceeded"),
    "usage_not_included": (403, "usage_not_included"),
    "rate_limit_exceeded": (429, "rate_limit_exceeded"),
    "server_is_overloaded": (503, "server_is_overloaded"),
    "slow_down": (503, "slow_down"),
    "server_error": (502, "server_error"),
    CODE: (502, CODE),
}
FINAL = ("insufficient_quota", "usage_not_included")


def errors_inside(turn: GoodTurn) -> Iterator[Fault]:
    """Each code by each form of event, before an answer and within one; what follows is not read."""
    for code, (status, ours) in INSIDE.items():
        told = Ending("failed", status, ours, words=SAID, is_final=code in FINAL)
        tries = TRIES if status in (502, 503) else 1
        for form, fault in _FORMS.items():
            step = fault(code)
            yield turn_fault(f"{code}, {form}", (CREATED, step, STALL), told, tries=tries)
            yield turn_fault(
                f"{code}, {form}, after text",
                (*turn.until(turn.some), step, COMPLETED),
                told.after(turn.some),
            )
    words = f"{SAID}: please try again in 11.054s"
    waits = happening("error", error={"code": "rate_limit_exceeded", "message": words})
    told = Ending("failed", 429, "rate_limit_exceeded", words=words, retry_after="12")
    yield turn_fault("a wait in its words", (CREATED, waits), told)
    body = _error("server_error")
    told = Ending("refused", 502, "server_error", words=SAID)
    for kind in (JSON, "", EVENTS):
        yield turn_fault(f"an error as {kind}", (body,), told, head=Head(200, kind), tries=TRIES)


def _failed(code: str) -> Callable[[Turn], bytes]:
    return lambda turn: response_event(
        "failed", status="failed", error={"code": code, "message": leaking(turn)}
    )


def _nested(code: str) -> Callable[[Turn], bytes]:
    return lambda turn: happening(
        "error", error={"type": "x", "code": code, "message": leaking(turn)}, sequence_number=3
    )


def _flat(code: str) -> Callable[[Turn], bytes]:
    return lambda turn: happening("error", code=code, message=leaking(turn), param=None)


_FORMS = {"response.failed": _failed, "nested": _nested, "flat": _flat}

# --- limits of the account --------------------------------------------------------------


def limits(turn: GoodTurn) -> Iterator[Fault]:
    """At its limit an account rests: the back end is not asked again until the hour it told."""
    told = replace(LIMITED, words=SAID)
    at = int(time.time()) + REST
    for name, more in (("the hour", {"resets_at": at}), ("the wait", {"resets_in_seconds": REST})):
        body = _error("usage_limit_reached", plan_type="plus", **more)
        event = happening("error", **body, status=429)
        yield _resting(turn_fault(name, (body,), told, head=Head(429, JSON)))
        yield _resting(turn_fault(f"{name}, as an event", (CREATED, event), _in_stream(told)))
        within = turn_fault(
            f"{name}, within an answer",
            (*turn.until(turn.some), event),
            _in_stream(told).after(turn.some),
        )
        yield _resting(within)
    # Without an hour to rest until, the account does not.
    for name, hour, wait in (("words", "soon", None), ("past", 5, "0"), ("never", 1e300, None)):
        body = _error("usage_limit_reached", resets_at=hour)
        untold = replace(LIMITED, words=SAID, is_final=True, rests=None, retry_after=wait)
        yield turn_fault(f"no hour: {name}", (body,), untold, head=Head(429, JSON))


def _in_stream(ending: Ending) -> Ending:
    return replace(ending, outcome="failed")


def _resting(fault: Fault) -> Fault:
    return replace(fault, afterwards=LIMITED)


# --- tokens and encrypted reasoning -----------------------------------------------------


def renewed(turn: GoodTurn) -> Iterator[Fault]:
    """A 401 is answered by one new token and one more try; a second one is the caller's."""
    good = Script(turn.data)
    dead = Ending("refused", 401, "invalid_api_key", words=SAID)
    for code in ("token_expired", "token_invalidated", "token_revoked", CODE):
        body = ({**_error(code), "status": 401},)
        head = Head(401, JSON)
        once = {"turn": Script(body, head, then=good)}
        visits = {"turn": 2, "codex refresh": 2}
        yield Fault(f"{code}, once", once, ended(turn), visits)
        yield Fault(f"{code}, always", {"turn": Script(body, head)}, dead, visits)


def not_renewed(_turn: GoodTurn) -> Iterator[Fault]:
    """An access token cannot be renewed: its 401 is the caller's at once."""
    for code in ("token_expired", "token_revoked"):
        dead = Ending("refused", 401, "invalid_api_key", words=SAID)
        yield turn_fault(code, (_error(code),), dead, head=Head(401, JSON))


def spent(_turn: GoodTurn) -> Iterator[Fault]:
    """The three codes that end a login for good, in three places (codex 1.3): not asked again."""
    dead = Ending("refused", 401, "invalid_api_key")
    for code in ("refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated"):
        for name, body in (
            ("in the error", {"error": {"code": code, "message": SAID}}),
            ("as the error", {"error": code}),
            ("at the top", {"code": code}),
        ):
            script = {"codex refresh": Script((body,), Head(401, JSON))}
            visits = {"turn": 0, "codex refresh": 1}
            yield Fault(f"{code} {name}", script, dead, visits, afterwards=dead)


def unsealed(turn: GoodTurn) -> Iterator[Fault]:
    """Reasoning that cannot be unsealed is left out, once; it may be refused in a stream, too."""
    body = _error("invalid_encrypted_content")
    told = Ending("refused", 400, "invalid_encrypted_content", words=SAID)
    event = response_event("failed", status="failed", error=body["error"])
    good = Script(turn.data)
    for name, steps, head, ending in (
        ("by status", (body,), Head(400, JSON), told),
        ("by an event", (CREATED, event), Head(), _in_stream(told)),
    ):
        visits = {"turn": 2}
        yield Fault(f"{name}, once", {"turn": Script(steps, head, then=good)}, ended(turn), visits)
        yield Fault(f"{name}, always", {"turn": Script(steps, head)}, ending, visits)


# --- heads, ends ------------------------------------------------------------------------


def slow_head(turn: GoodTurn) -> Iterator[Fault]:
    """The head comes after that of our stream has gone out."""
    late = Pause(0.5)
    yield turn_fault("good", (late, *turn.data), ended(turn).late())
    for name, body, head, ending in (
        ("400", {"detail": SAID}, Head(400, JSON), Ending("refused", 400, "invalid_request")),
        ("page", page(SAID), Head(403, PAGE), REFUSED),
        ("500", _error(CODE), Head(500, JSON), Ending("refused", 502, CODE, words=SAID)),
        ("held back", (CREATED, Pause(0.5), *turn.data[1:]), Head(), ended(turn)),
    ):
        steps: tuple[Step, ...] = body if isinstance(body, tuple) else (body,)
        yield turn_fault(name, (late, *steps), ending.late(), head=head)


def empty(_turn: GoodTurn) -> Iterator[Fault]:
    """Turns that end without a word."""
    yield turn_fault("no byte", (), CUT, tries=TRIES)
    yield turn_fault("completed", (CREATED, COMPLETED), EMPTY)
    yield turn_fault("completed alone", (COMPLETED,), EMPTY)
    yield turn_fault("JSON of nothing", (b"{}",), CUT, head=JSON_HEAD, tries=TRIES)
    blank = message_of("", "added"), message_of("")
    shown = replace(EMPTY, begun=ITEMS)
    yield turn_fault("a message of nothing", (CREATED, *blank, COMPLETED), shown)
    summary = [{"type": "summary_text", "text": THOUGHT}]
    thought = item_event("done", 0, type="reasoning", id="rs_1", summary=summary)
    for name, last, ending in (("completed", COMPLETED, EMPTY), ("cut", Abort(), CUT)):
        begun = replace(ending, begun=THOUGHT_OF)
        yield turn_fault(f"a thought alone, {name}", (CREATED, thought, SOON, last), begun)


def other_ends(turn: GoodTurn) -> Iterator[Fault]:
    """Ends that are neither faults nor the usual one, and forms in which answers come."""
    some = turn.until(turn.some)
    for reason, ending in (
        ("max_output_tokens", Ending("length", finish="length")),
        ("content_filter", Ending("filtered", finish="content_filter")),
    ):
        last = response_event(
            "incomplete", status="incomplete", incomplete_details={"reason": reason}, usage=USAGE
        )
        yield turn_fault(reason, (*some, last, STALL), ending.after(turn.some))
    whole = COMPLETE.after(turn.text)
    late = (CREATED, message_of("", "added"), message_of(turn.text), COMPLETED)
    yield turn_fault("text in done alone", late, whole)
    yield turn_fault("done alone", (CREATED, message_of(turn.text), COMPLETED), whole)
    alias = COMPLETED.replace(b"response.completed", b"response.done")
    yield turn_fault("response.done", (*turn.data[:-1], alias), whole)
    yield turn_fault("open after the end", (*turn.data, STALL), whole)
    yield turn_fault("broken after the end", (*turn.data, Abort()), whole)
    bare = tuple(data[data.index(b"data: ") :] for data in turn.data)
    yield turn_fault("no event lines", bare, whole)


def lists(_turn: GoodTurn) -> Iterator[Fault]:
    """Models are listed, whatever befalls the account's own list."""
    for name, script in answers():
        yield Fault(name, {"codex models": script}, COMPLETE)


def token_service(turn: GoodTurn) -> Iterator[Fault]:
    """The same faults as those of the website's token service."""
    for fault in tokens(turn):
        scripts = {"codex refresh" if k == "refresh" else k: v for k, v in fault.scripts.items()}
        yield replace(fault, scripts=scripts)


WORDS = (SAYING,)
_EACH = {"turns": BOTH}
_SLOW = {"gateway": "hasty", "is_slow": True, "turns": BOTH}


def _row(name: str, faults: Callable[[GoodTurn], Iterator[Fault]], **how: Any) -> Row:
    return Row(f"Codex: {name}", faults, **{"turns": WORDS, **how})


CODEX_ROWS = (
    _row("connection refused", no_connection, gateway="refused"),
    _row("DNS failure", no_connection, gateway="no name"),
    _row("TLS: certificate unknown", no_connection, gateway="unknown certificate"),
    _row("broken before the head", broken_before_the_head),
    _row("slow head", slow_head, **_SLOW),
    *(_row(f"status {status}", refused_with(status)) for status in STATUSES),
    _row("refusals that it words", known_refusals),
    _row("odd statuses", odd_statuses),
    _row("pages and words under 200", pages),
    _row("errors inside a 200", errors_inside),
    _row("limits", limits, is_slow=True),
    _row("401 renewed", renewed, is_refreshing=True, is_slow=True),
    _row("401 of an access token", not_renewed),
    _row("spent refresh tokens", spent, is_refreshing=True, is_slow=True),
    _row("token service", token_service, is_refreshing=True, is_slow=True),
    _row("encrypted reasoning", unsealed, is_slow=True, texts=SEALED),
    _row("cut at every event", cut, **_EACH),
    _row("HTTP broken in an answer", badly_framed, **_EACH),
    _row("silent at every event", silent, **_SLOW),
    _row("nothing but keep-alives", pings_only, gateway="hasty", is_slow=True),
    _row("endless event", endless, gateway="hasty", is_slow=True),
    # What is too large is noticed before there is any dialect.
    _row("endless event, fast", endless_fast, texts=CHATS),
    _row("giant event", giant, texts=CHATS),
    _row("event flood", flood, **_EACH),
    _row("garbage", garbage, **_EACH),
    _row("wrong encoding", wrong_encoding, **_EACH),
    _row("empty", empty),
    _row("other ends", other_ends),
    _row("list of models", lists, texts=CODEX_MODELS, is_slow=True),
)
