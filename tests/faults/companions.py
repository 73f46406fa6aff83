"""The rows of everything around a turn: tokens, uploads, downloads, lists (spec 4, 5, 8 and 9)."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from tests.faults.endpoints import (
    ACCOUNTS,
    DRAWING,
    FILES,
    MISSING,
    MODELS,
    PICTURES,
    SENDING,
    TEXTS,
)
from tests.faults.rows import SOON, Row
from tests.faults.table import COMPLETE, JSON, PLAIN, SAID, Ending, Fault, page
from tests.faults.turns import DRAWING as BEFORE
from tests.faults.turns import DRAWN, PICTURE, WHOLE, GoodTurn
from tests.faults.upstream import Script
from tests.scripted_upstream import Abort, Head, Raw, Step

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def answers() -> Iterator[tuple[str, Script]]:
    """Yield what a place that should answer with JSON or a file may answer instead."""
    broken: tuple[tuple[str, Step], ...] = (
        ("reset", Abort()),
        ("closed", Raw(b"")),
        ("no HTTP", Raw(b"\x00\xff\x13garbage\r\n\r\n")),
        ("a chunk of no size", Raw(CHUNKED + b"zz\r\nx\r\n")),
        ("shorter than it says", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")),
    )
    for name, step in broken:
        yield name, Script((step,))
    later = (b'{"status": ', SOON, Raw(b"zz\r\nx\r\n"))
    yield "a chunk of no size, later", Script(later, Head(200, JSON))
    for status in (400, 401, 403, 404, 410, 413, 422, 429, 500, 502, 503, 504):
        yield str(status), Script(({"detail": SAID},), Head(status, JSON))
    for status in (200, 403, 503):
        yield f"page, {status}", Script((page(SAID),), Head(status, "text/html"))
    for status in (301, 307):
        head = Head(status, PLAIN, {"Location": "http://127.0.0.1:9/elsewhere"})
        yield f"sent elsewhere, {status}", Script((), head)
    for name, body in (
        ("nothing", b""),
        ("plain words", SAID.encode()),
        ("half of JSON", b'{"status": "succ'),
        ("a list", b"[]"),
        ("null", b"null"),
        ("an empty object", b"{}"),
        ("an error", b'{"detail": "It did not work, the backend says"}'),
        ("fields of other types", b'{"status": 7, "access_token": {}, "upload_url": []}'),
    ):
        yield name, Script((body,), Head(200, JSON))
    gzipped = {"Content-Encoding": "gzip"}
    yield "gzip that is none", Script((b"{}",), Head(200, JSON, gzipped))
    yield "gzip cut", Script((gzip.compress(b"{}" * 999)[:20],), Head(200, JSON, gzipped))


# --- tokens -----------------------------------------------------------------------------

DEADLY = ("400", "401", "403")
DEAD = Ending("refused", 401, "invalid_api_key")
PASSING = Ending("failed", 503, "token_service_unavailable", retry_after="5")


def tokens(turn: GoodTurn) -> Iterator[Fault]:
    """A token service that refuses, and one that fails: only the first is the caller's fault."""
    for name, script in answers():
        is_dead = name in DEADLY
        ending = replace(DEAD, words=SAID) if is_dead else PASSING
        scripts = {"refresh": script, "turn": Script(turn.data)}
        yield Fault(name, scripts, ending, {"turn": 0}, is_deadly=is_dead)
    for name, token in (
        ("a token of two lines", "a\nb"),
        ("no token", ""),
        ("a giant", "x" * 70_000),
    ):
        script = Script(({"access_token": token},), Head(200, JSON))
        yield Fault(name, {"refresh": script}, PASSING, {"turn": 0})
    flood = Script((b" " * 2_000_000 + b'{"access_token": "x"}',), Head(200, JSON))
    yield Fault("too much", {"refresh": flood}, PASSING, {"turn": 0})


def tokens_for_lists(_turn: GoodTurn) -> Iterator[Fault]:
    """Whatever befalls the token, the models are listed."""
    for name, script in answers():
        is_dead = name in DEADLY
        yield Fault(name, {"refresh": script}, COMPLETE, is_deadly=is_dead)


# --- files in ---------------------------------------------------------------------------

UNSENT = Ending("refused", 400, "invalid_attachment", param="image")


def uploads(place: str, turn: GoodTurn) -> Iterator[Fault]:
    """A step of an upload that fails: a 400 that names the part, unless the account is at fault."""
    good = COMPLETE.after(turn.text, has_picture=turn.draws)
    harmless = HARMLESS[place]
    for name, script in answers():
        ending = UNSENT
        if name == "401" and place != "put":  # where no bearer is sent
            ending = DEAD
        if name == "429" and place != "confirm":  # which has another way
            ending = Ending("refused", 429, "rate_limit_exceeded")
        is_harmless = name in harmless
        scripts = {place: script, "turn": Script(turn.data)}
        visits = {"turn": 1 if is_harmless else 0}
        yield Fault(f"{place}, {name}", scripts, good if is_harmless else ending, visits)


# What a place may answer without harm: any 2xx takes the bytes, and any object confirms them.
HARMLESS = {
    "announce": frozenset[str](),
    "put": frozenset(
        {
            "page, 200",
            "nothing",
            "plain words",
            "half of JSON",
            "a list",
            "null",
            "an empty object",
            "an error",
            "fields of other types",
            "gzip that is none",
            "gzip cut",
            "a chunk of no size, later",
            "shorter than it says",
        }
    ),
    "confirm": frozenset({"an empty object", "nothing"}),
}

# --- files out --------------------------------------------------------------------------


def downloads(place: str, _turn: GoodTurn) -> Iterator[Fault]:
    """A picture that cannot be had: its text is delivered, and in its place stands why."""
    for name, script in answers():
        scripts = {place: script, "turn": Script(PICTURE.data)}
        yield Fault(f"{place}, {name}", scripts, COMPLETE.after(f"{BEFORE}{MISSING}{DRAWN}"))


def downloads_of_orders(place: str, turn: GoodTurn) -> Iterator[Fault]:
    """The same for an order of pictures, which then has nothing to hand out."""
    for name, script in answers():
        scripts = {place: script, "turn": Script(turn.data)}
        words = "The picture was drawn but could not be had"
        lost = Ending("failed", 502, "upstream_error", words=words, text=turn.text)
        yield Fault(f"{place}, {name}", scripts, lost)


# --- lists ------------------------------------------------------------------------------


def models(_turn: GoodTurn) -> Iterator[Fault]:
    """An account's list that cannot be read leaves the table."""
    for name, script in answers():
        yield Fault(name, {"models": script}, COMPLETE)


def accounts(_turn: GoodTurn) -> Iterator[Fault]:
    """The accounts are the upstream's to tell: its faults are told as everywhere."""
    told = {
        "401": DEAD,
        "404": Ending("refused", 404, "not_found"),
        "410": Ending("refused", 404, "not_found"),
        "429": Ending("refused", 429, "rate_limit_exceeded"),
        "400": Ending("refused", 400, "invalid_request"),
        "422": Ending("refused", 400, "invalid_request"),
        "413": Ending("refused", 400, "context_length_exceeded"),
    }
    for name, script in answers():
        if name not in ("nothing", "an empty object", "fields of other types"):
            failed = Ending("failed", 502, "upstream_error")
            yield Fault(name, {"accounts": script}, told.get(name, failed))


WORDS, ORDERS = (WHOLE,), (PICTURE,)
COMPANION_ROWS = (
    Row("token service", tokens, is_refreshing=True, is_slow=True, texts=(*TEXTS, *FILES)),
    Row(
        "token service, for lists",
        tokens_for_lists,
        is_refreshing=True,
        is_slow=True,
        turns=WORDS,
        texts=MODELS,
    ),
    *(
        Row(
            f"upload: {place}",
            partial(uploads, place),
            is_slow=True,
            texts=SENDING,
            pictures=PICTURES[1:],
        )
        for place in ("announce", "put", "confirm")
    ),
    *(
        Row(
            f"download for a chat: {place}",
            partial(downloads, place),
            is_slow=True,
            turns=WORDS,
            texts=DRAWING,
        )
        for place in ("link", "bytes")
    ),
    *(
        Row(
            f"download for an order: {place}",
            partial(downloads_of_orders, place),
            is_slow=True,
            turns=ORDERS,
        )
        for place in ("link", "bytes")
    ),
    Row("list of models", models, turns=WORDS, texts=MODELS, is_slow=True),
    Row("list of accounts", accounts, turns=WORDS, texts=ACCOUNTS, is_slow=True),
)
