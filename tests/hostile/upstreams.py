"""What an upstream may send to do harm."""

from typing import Any

from tests.hostile.bodies import packed
from tests.hostile.case import Played, Section
from tests.scripted_upstream import DONE, Abort, Head, Raw, Step, answer, event, final

GIANT = (b"data: ", *[b"x" * (1 << 20)] * 17, b"\n\n")

HI = (final("Hi"), DONE)
DEEP = 100_000
CITE = "\ue200cite\ue202turn0search0\ue201"
BARE_LINKS = "sandbox:/" * 20_000 + "/" * 2_000  # none of them is short enough for a path
BRACKETS = "【1†" * 100_000 + "\n"


def _noise(name: str, shown: str, why: str, *steps: Step, text: str = "Hi", **more: Any) -> Played:
    """Return what changes nothing: the answer comes all the same."""
    return Played(name, shown, (*steps, *HI), text=text, why=why, **more)


def _said(name: str, sent: str, text: str, why: str, **fields: Any) -> Played:
    """Return a whole answer, and what the caller gets of it."""
    shown = fields.pop("shown", ascii(sent)[1:-1][:72])
    return Played(name, shown, (final(sent, **fields), DONE), text=text, why=why)


def _broken(name: str, shown: str, why: str, *steps: Step, **more: Any) -> Played:
    more = {"status": 502, "code": "upstream_error", **more}
    return Played(name, shown, steps, why=why, **more)


def _cited(url: str, title: str = "T") -> dict[str, Any]:
    item = {"title": title, "url": url, "attribution": "A"}
    reference = {
        "matched_text": CITE,
        "type": "grouped_webpages",
        "items": [item],
        "start_idx": 2,
        "end_idx": 2 + len(CITE),
    }
    return {"metadata": {"content_references": [reference], "model_slug": "gpt-4o"}}


def _named(alt: str) -> dict[str, Any]:
    """Return the metadata of a reference that has an `alt` and no page."""
    reference = {"matched_text": CITE, "type": "grouped_webpages", "alt": alt, "start_idx": 2}
    return {"metadata": {"content_references": [reference], "model_slug": "gpt-4o"}}


def _cited_often(name: str, count: int) -> Played:
    """Return an answer in which each citation is followed by its reference, as v1 sends it."""
    message = {
        "id": "a1",
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": [""]},
        "status": "in_progress",
        "metadata": {"content_references": []},
    }
    deltas: list[Any] = [{"p": "", "o": "add", "v": {"message": message}}]
    for number in range(count):
        marker = CITE.replace("search0", f"search{number}")
        item = {"title": "T", "url": f"https://a.example/{number}"}
        reference = {"type": "grouped_webpages", "matched_text": marker, "items": [item]}
        path = f"/message/metadata/content_references/{number}"
        deltas.append({"p": "/message/content/parts/0", "o": "append", "v": f"{number} {marker}\n"})
        deltas.append({"p": path, "o": "add", "v": reference})
    done = [
        {"p": "/message/status", "v": "finished_successfully"},
        {"p": "/message/end_turn", "v": True},
    ]
    deltas.append({"p": "", "o": "patch", "v": [{**each, "o": "replace"} for each in done]})
    told = "".join(f"{number} [T](https://a.example/{number})\n" for number in range(count))
    steps = (event("v1", "delta_encoding"), b"".join(event(each, "delta") for each in deltas), DONE)
    return Played(
        name,
        "0 \\ue200cite…, a reference, 1 \\ue200cite…, …",
        steps,
        told,
        why="a new reference costs no more for those before it",
    )


def _raw_head(header: bytes) -> Raw:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    return Raw(head + header + b"\r\nConnection: close\r\n\r\n" + b"".join(HI))


SKIPPED = "what is not an event that is known is counted, and skipped"
UPSTREAM = Section(
    "What the upstream sends",
    "Played by an upstream for one chat that is not streamed; the answer has the text that the "
    "caller gets. `tests/faults` crosses faults of the upstream with every call.",
    (
        _noise("an event that is no JSON", "data: internal server error", SKIPPED, b"data: internal server error\n\n"),
        _noise("half an object", 'data: {"message": {"id":', SKIPPED, b'data: {"message": {"id":\n\n'),
        _noise("bytes that are no UTF-8", r"data: \xff\xfe", SKIPPED, b"data: \xff\xfe\n\n"),
        _noise("an event that is null", "data: null", SKIPPED, b"data: null\n\n"),
        _noise("an event that is a number", "data: 17", SKIPPED, b"data: 17\n\n"),
        _noise("an event that is a list", "data: []", SKIPPED, b"data: []\n\n"),
        _noise("an event of a type that nobody has", '{"type": "evil\\r\\nX-Evil: 1"}', "its type is logged and counted once, without line breaks", event({"type": "evil\r\nX-Evil: 1"})),
        _noise("ten thousand types that nobody has", '{"type": "t0"}, {"type": "t1"}, …', "up to 100 kinds are kept", b"".join(event({"type": f"t{n}"}) for n in range(10_000))),
        _noise("ten thousand names of events", "event: e0, event: e1, …", "up to 100 kinds are kept", b"".join(event({}, f"e{n}") for n in range(10_000))),
        _noise("a hundred thousand comments", ": x", "they cost nothing", b": x\n\n" * DEEP),
        _noise("lists in each other", "data: [[[[… 100000", "nesting is bounded; it is skipped", b"data: " + b"[" * DEEP + b"]" * DEEP + b"\n\n"),
        _noise("objects in each other", 'data: {"a":{"a":… 100000', "nesting is bounded; it is skipped", b"data: " + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"\n\n"),
        _noise("a message that is a list", '{"message": []}', SKIPPED, event({"message": []})),
        _noise("a message whose author is a number", '{"message": {"author": 1}}', SKIPPED, event({"message": {"id": "a1", "author": 1, "content": {}}})),
        _noise("content that is text", '"content": "Hi"', SKIPPED, answer("x", content="Hi")),
        _noise("parts that are numbers", '"parts": [1, null, {}]', SKIPPED, answer("x", content={"content_type": "text", "parts": [1, None, {}]})),
        _noise("an operation at a place that nobody has", '{"p": "/a/b/c/../../__proto__", "o": "add", "v": 1}', SKIPPED, event({"p": "/a/b/c/../../__proto__", "o": "add", "v": 1}, "delta")),
        _noise("an operation at a part of a huge number", '{"p": "/message/content/parts/999999999999", "o": "append", "v": "x"}', "no list grows to it", event({"p": "/message/content/parts/999999999999", "o": "append", "v": "x"}, "delta")),
        _noise("operations in each other", '{"o": "patch", "v": [{"o": "patch", "v": […', "nesting is bounded; it is skipped", b"event: delta\ndata: " + b'{"p":"","o":"patch","v":[' * 5_000 + b"]}" * 5_000 + b"\n\n"),
        _noise("a time to come back", "id: 7, retry: 1", "it is not heeded", b"id: 7\nretry: 1\n\n"),
        _noise("an id that leads upwards", '"conversation_id": "../../me"', "only what is an id is used in a path", event({"conversation_id": "../../me", "message": None})),
        _noise("a conversation that breaks a header", '"conversation_id": "c1\\r\\nX-Evil: 1"', "a header holds nothing of it that a header cannot hold", event({"conversation_id": "c1\r\nX-Evil: 1", "message": None})),
        Played("a model that breaks a header", '"model_slug": "gpt\\r\\nX-Evil: 1"', (final("Hi", metadata={"model_slug": "gpt\r\nX-Evil: 1"}), DONE), "Hi", why="a header holds nothing of it that a header cannot hold"),
        Played("a model of a mebibyte", '"model_slug": "mmm…', (final("Hi", metadata={"model_slug": "m" * 1_000_000}), DONE), "Hi", why="a header is bounded"),
        _said("an end of the stream in the text", "a\n\ndata: [DONE]\n\nb", "a\n\ndata: [DONE]\n\nb", "it is text"),
        _said("markup", "<script>alert(1)</script>", "<script>alert(1)</script>", "it is the model's text; who shows it has to escape it"),
        _said("a marker that nobody has", "Hi\ue200evil\ue202x\ue201 there", "Hi there", "what is not known is not shown"),
        _said("a marker that does not end", "Hi\ue200cite\ue202" + "x" * 5000, "Hicite" + "x" * 5000, "it is held back so far and no farther, and then is text"),
        _said("twenty thousand beginnings of links", "](sandbox:/" * 20_000, "](sandbox:/" * 20_000, "an end is looked for once, not from each of them"),
        _said("twenty thousand bare links", BARE_LINKS, BARE_LINKS, "a path has a length, and is read once"),
        _said("links in each other", "](sandbox:/(" * 20_000, "](sandbox:/(" * 20_000, "parentheses are followed once for all of them"),
        _said("a hundred thousand brackets", BRACKETS, BRACKETS, "one ends where the next begins", shown="【1†【1†【1†…"),
        _said("a hundred thousand openings of markers", "Hi" + "\ue200" * 100_000, "Hi", "each ends the one before", shown=r"\ue200\ue200\ue200…"),
        _said("a hundred thousand beginnings of directives", ":::" * 100_000, ":::" * 100_000, "one is looked at once, at the start of a line"),
        _cited_often("four hundred citations, each with its reference behind it", 400),
        _said("a marker whose name is its marker", f"Hi{CITE} there", "Hi there", "no private-use character leaves, whatever a reference holds", shown='"alt": "\\ue200cite…"', **_named(CITE)),
        _said("a title with private-use characters", f"Hi{CITE}", "Hi[A](https://a.example/)", "the first name without them counts", shown='"title": "\\ue203T"', **_cited("https://a.example/", title="\ue203T")),
        _said("ten thousand markers", f"Hi{CITE * 10_000}", "Hi", "each is looked up once"),
        _said("a source that is a script", f"Hi{CITE}", "Hi", "only web addresses become links", shown='"url": "javascript:alert(1)"', **_cited("javascript:alert(1)")),
        _said("a source that is a file", f"Hi{CITE}", "Hi", "only web addresses become links", shown='"url": "file:///etc/passwd"', **_cited("file:///etc/passwd")),
        _said("a source that closes its link", f"Hi{CITE}", "Hi[T](https://a.example/%29%20[x]%28javascript:alert%281%29)", "an address is written so that it ends where it ends", shown='"url": "https://a.example/) [x](javascript:alert(1)"', **_cited("https://a.example/) [x](javascript:alert(1)")),
        _said("a reference at a place that is none", f"Hi{CITE}", "Hi", "places are not trusted", shown='"start_idx": -5, "end_idx": 1e18, "items": 7', metadata={"content_references": [{"matched_text": CITE, "start_idx": -5, "end_idx": 10**18, "items": 7}]}),
        _said("a link into the sandbox, upwards", "[x](sandbox:/../../../etc/passwd)", "[x]\n```\nError: The upstream does not have this file any more.\n```\n", "the upstream is asked for it, and nobody else"),
        _broken("an event over 16 MiB", "data: xxxx…", "an event is bounded", *GIANT),
        _broken("64 MiB of zeros that are packed", "Content-Encoding: gzip", "nobody asked for it; unpacking ends at the limit", packed(b"data: ", 64), head=Head(headers={"Content-Encoding": "gzip"})),
        _broken("an error that is a page", "<script>alert(1)</script>", "a page is one sentence, and quoted in nothing", b"<html><script>alert(1)</script></html>", head=Head(403, "text/html")),
        _broken("a redirect to another host", "307, Location: http://169.254.169.254/", "a token follows no redirect", head=Head(307, "text/plain", {"Location": "http://169.254.169.254/"})),
        _broken("an answer that is no HTTP", r"\x00\xff\x13garbage", "the connection is closed", Raw(b"\x00\xff\x13garbage\r\n\r\n")),
        _broken("a header without an end", "X: xxxx… 100000", "a header is bounded", Raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)),
        _broken("a status that is none", "HTTP/1.1 OK", "the connection is closed", Raw(b"HTTP/1.1 OK\r\n\r\n")),
        _broken("a status that nobody has", "HTTP/1.1 999 Evil", "it is the upstream's fault", Raw(b"HTTP/1.1 999 Evil\r\nContent-Length: 0\r\n\r\n")),
        Played("a cookie and a header of its own", "Set-Cookie: a=b, X-Evil: 1", (_raw_head(b"Set-Cookie: a=b\r\nX-Evil: 1"),), "Hi", why="no header of the upstream's goes to the caller"),
        Played("a connection that breaks", "Hel, then a reset", (answer("Hel"), Abort()), "Hel", 502, "upstream_cut", "what came is told with the error"),
        Played("nothing at all", "a head and no body", (), "", 502, "upstream_cut", "an end that was not said is a cut"),
        Played("nothing but an end", "data: [DONE]", (DONE,), "", 502, "empty_response", "an empty answer is an error"),
    ),
)  # fmt: skip
