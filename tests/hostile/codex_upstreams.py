"""What Codex's back end may send to do harm."""

from typing import Any

from tests.faults.codex_turns import COMPLETED, CREATED, happening, item_event, message_of
from tests.hostile.bodies import packed
from tests.hostile.case import Played, Section
from tests.scripted_upstream import Abort, Head, Step

HI = (CREATED, message_of("Hi"), COMPLETED)
DEEP = 100_000
GIANT = (b"data: ", *[b"x" * (1 << 20)] * 17, b"\n\n")
SKIPPED = "what is not an event that is known is counted, and skipped"
SCRIPT = "javascript:alert(1)"


def _noise(name: str, shown: str, why: str, *steps: Step, **more: Any) -> Played:
    """Return what changes nothing: the answer comes all the same."""
    return Played(name, shown, (CREATED, *steps, *HI[1:]), text="Hi", why=why, **more)


def _broken(name: str, shown: str, why: str, *steps: Step, **more: Any) -> Played:
    more = {"status": 502, "code": "upstream_error", **more}
    return Played(name, shown, steps, why=why, **more)


def _headed(name: str, shown: str, why: str, **headers: str) -> Played:
    told = {key.replace("_", "-"): value for key, value in headers.items()}
    return Played(name, shown, HI, "Hi", why=why, head=Head(content_type="", headers=told))


def _delta(**fields: Any) -> bytes:
    return happening("response.output_text.delta", **fields)


def _done(index: int = 1, **item: Any) -> bytes:
    return item_event("done", index, **item)


def _call(name: str, **fields: Any) -> bytes:
    return _done(
        type="function_call", id="fc_1", call_id="call_1", name=name, arguments="{}", **fields
    )


def _limits(**primary: Any) -> bytes:
    return happening("codex.rate_limits", plan_type="plus", rate_limits={"primary": primary})


def _failed(**error: Any) -> bytes:
    return happening("response.failed", response={"status": "failed", "error": error})


CODEX = Section(
    "What Codex's back end sends",
    "Likewise, for a chat on an account of Codex's login.",
    (
        _noise("an event that is no JSON", "data: internal server error", SKIPPED, b"data: internal server error\n\n"),
        _noise("half an object", 'data: {"type": ', SKIPPED, b'data: {"type": \n\n'),
        _noise("bytes that are no UTF-8", r"data: \xff\xfe", SKIPPED, b"data: \xff\xfe\n\n"),
        _noise("an event that is a list", "data: []", SKIPPED, b"data: []\n\n"),
        _noise("a type that is a number", '{"type": 7}', SKIPPED, b'data: {"type": 7}\n\n'),
        _noise("an event of a type that nobody has", '{"type": "evil\\r\\nX-Evil: 1"}', "its type is logged and counted once, without line breaks", b'data: {"type": "evil\\r\\nX-Evil: 1"}\n\n'),
        _noise("ten thousand types that nobody has", '{"type": "t0"}, {"type": "t1"}, …', "up to 100 kinds are kept", b"".join(happening(f"t{n}") for n in range(10_000))),
        _noise("ten thousand private events", '{"type": "codex.evil"}', "nobody else sees them", happening("codex.evil", words="x" * 20) * 10_000),
        _noise("lists in each other", "data: [[[[… 100000", "nesting is bounded; it is skipped", b"data: " + b"[" * DEEP + b"]" * DEEP + b"\n\n"),
        _noise("objects in each other in an item", '{"item": {"a":{"a":… 100000', "nesting is bounded; it is skipped", b'data: {"type":"response.output_item.added","item":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}\n\n"),
        _noise("an item that is a list", '{"item": []}', SKIPPED, happening("response.output_item.added", output_index=5, item=[])),
        _noise("a text of an item that is a number", '{"item_id": 7}', "an id is text", _delta(item_id=7, output_index="x", delta=5)),
        _noise("a place that is no number", '"output_index": 1e999', "places are not trusted", b'data: {"type":"response.output_text.delta","output_index":1e999,"delta":5}\n\n'),
        _noise("an item at a huge place", '"output_index": 999999999999', "no list grows to it", item_event("added", 999_999_999_999, type="reasoning", id="rs_9", summary=[])),
        Played("twenty thousand items", "web_search_call, web_search_call, …", (CREATED, message_of("Hi"), b"".join(_done(n + 1, type="web_search_call", id=f"ws_{n}", status="completed") for n in range(20_000)), COMPLETED), "Hi", why="the first 999 of an answer are kept, the others counted"),
        _noise("a tool that nobody has", '{"type": "evil_call"}', "a chat shows no tools of the back end", _done(type="evil_call", id="x_1", payload="x" * 1000)),
        _noise("a limit of nonsense", '"used_percent": "x", "reset_at": 1e300', "what is no figure is none", _limits(used_percent="x", window_minutes=-5, reset_at=1e300)),
        _noise("usage of nonsense", '"input_tokens": -1', "it is counted here instead", happening("response.in_progress", response={"usage": {"input_tokens": -1}})),
        _noise("a model that breaks a header", '"model": "gpt\\r\\nX-Evil: 1"', "a header holds nothing of it that a header cannot hold", happening("response.in_progress", response={"model": "gpt\r\nX-Evil: 1"})),
        _noise("a model of a mebibyte", '"model": "mmm…"', "a header is bounded", happening("response.in_progress", response={"model": "m" * 1_000_000})),
        _headed("a header that names a model with markup", "openai-model: <script>", "it is JSON, or a header", openai_model="<script>"),
        _headed("headers of limits that are nonsense", "x-codex-primary-used-percent: 1e999", "what is no figure is none", x_codex_primary_used_percent="1e999", x_codex_primary_reset_at="-1", x_codex_plan_type="<b>" * 100),
        _headed("a cookie of another host, and a header of its own", "Set-Cookie: a=b; Domain=example.org", "cookies are kept for the account and its host; no header goes to the caller", Set_Cookie="a=b; Domain=example.org", X_Evil="1"),
        _headed("a state of the turn that is a book", "x-codex-turn-state: xxx…", "it is bounded", x_codex_turn_state="x" * 7000),
        Played("a citation that is a script", '"url": "javascript:alert(1)"', (CREATED, _done(0, type="message", id="msg_1", role="assistant", content=[{"type": "output_text", "text": "Hi", "annotations": [{"type": "url_citation", "url": SCRIPT, "title": "T", "start_index": -5, "end_index": 10**18}]}]), COMPLETED), "Hi", why="only web addresses are cited, and places are not trusted"),
        Played("markup", "<script>alert(1)</script>", (CREATED, message_of("<script>alert(1)</script>"), COMPLETED), "<script>alert(1)</script>", why="it is the model's text; who shows it has to escape it"),
        Played("an end of the stream in the text", "a\\n\\ndata: [DONE]\\n\\nb", (CREATED, message_of("a\n\ndata: [DONE]\n\nb"), COMPLETED), "a\n\ndata: [DONE]\n\nb", why="it is text"),
        Played("a text that is another one in the end", "Hello, then Hi", (CREATED, message_of("", "added"), _delta(item_id="msg_1", output_index=0, content_index=0, delta="Hello"), message_of("Hi"), COMPLETED), "Helloi", why="nothing can be taken back; what differs is added, and counted"),
        Played("a call of a function that nobody offered", '"name": "evil\\r\\n"', (CREATED, message_of("Hi"), _call("evil\r\nX-Evil: 1"), COMPLETED), "Hi", why="a name is JSON"),
        Played("a call without a name", '"name": ""', (CREATED, message_of("Hi"), _call(""), COMPLETED), "Hi", why="a call without a name never begins"),
        _broken("an event over 16 MiB", "data: xxxx…", "an event is bounded", CREATED, *GIANT),
        _broken("64 MiB of zeros that are packed", "Content-Encoding: gzip", "nobody asked for it; unpacking ends at the limit", packed(b"data: ", 64), head=Head(headers={"Content-Encoding": "gzip"})),
        _broken("an error that is a page", "<script>alert(1)</script>", "a page is one sentence, and quoted in nothing", b"<html><script>alert(1)</script></html>", head=Head(403, "text/html")),
        _broken("a redirect to another host", "307, Location: http://169.254.169.254/", "a token follows no redirect", head=Head(307, "text/plain", {"Location": "http://169.254.169.254/"})),
        _broken("an error of a code that is none", '"code": "<b>\\r\\n"', "a code is a word", CREATED, _failed(code="<b>\r\n", message="No.")),
        _broken("an error whose words are a list", '"message": [7]', "words are text", CREATED, _failed(code=7, message=[7])),
        _broken("a limit until the end of time", '"resets_at": 1e300', "a wait beyond all windows was not meant: nobody rests", CREATED, _failed(code="usage_limit_reached", message="No.", resets_at=1e300), status=429, code="rate_limit_exceeded"),
        Played("a connection that breaks", "Hel, then a reset", (CREATED, message_of("", "added"), _delta(item_id="msg_1", output_index=0, delta="Hel"), Abort()), "Hel", 502, "upstream_cut", "what came is told with the error"),
        Played("nothing at all", "a head and no body", (), "", 502, "upstream_cut", "an end that was not said is a cut"),
        Played("nothing but an end", "response.completed", (COMPLETED,), "", 502, "empty_response", "an empty answer is an error"),
    ),
)  # fmt: skip
