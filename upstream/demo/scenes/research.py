"""Scenarios with sources: both citation styles of the web, and file search (protocol 5)."""

import uuid
from typing import Any

import orjson

from upstream.demo.ground.scene import Scene, pieces_of, text_content
from upstream.demo.ground.script import Change

PAGES = (
    ("Demo rivers", "https://example.org/rivers", "example.org"),
    ("Demo boats", "https://example.net/boats?kind=small", "example.net"),
)
_CITATIONS = "/message/metadata/citations"
_REFERENCES = "/message/metadata/content_references"


def play_browse(scene: Scene) -> None:
    """Browse as in 2023: `【n†source】`, whose citations come after their markers."""
    _open_pages(scene)
    word = scene.words("source", "来源")
    markers = [f"【0†{word}】", f"【1†{word}】", f"【7†{word}】"]
    text = scene.words(
        f"Demo: rivers flow{markers[0]}, boats float{markers[1]}, and nobody knows why{markers[2]}.",
        f"演示：河水流动{markers[0]}，小船漂浮{markers[1]}，没有人知道为什么{markers[2]}。",
    )
    first, second = (
        _citation(text, marker, _web_source(number)) for number, marker in enumerate(markers[:2])
    )
    _say_and_cite(scene, text, first, second)


def _open_pages(scene: Scene) -> None:
    scene.call("browser", f'search("{scene.question.text[:60]}")')
    scene.tool(
        "browser",
        {
            "content_type": "tether_browsing_display",
            "result": "# 【0†Demo rivers†example.org】\nRivers flow.",
            "summary": "",
            "assets": [],
            "tether_id": None,
        },
        metadata={
            "command": "search",
            "_cite_metadata": {
                "citation_format": {"name": "tether_og"},
                "metadata_list": [
                    {"title": title, "url": url, "text": ""} for title, url, _ in PAGES
                ],
            },
        },
    )
    scene.call("browser", "mclick([0, 1])")
    for title, url, domain in PAGES:
        scene.tool("browser", _quote(url, domain, title), metadata={"command": "quote"})


def play_file_search(scene: Scene) -> None:
    """Look into an uploaded file: `【3:0†file.pdf】`."""
    attachments = scene.question.attachments
    file_id = attachments[0].id if attachments else "file-DemoDemoDemoDemoDemoDemo"
    name = (attachments[0].name if attachments else "") or "file.pdf"
    scene.call("file_search.msearch", '{"queries": ["demo"]}', "json")
    scene.tool("file_search", _quote(f"file:///{name}", name, name))
    markers = (f"【3:0†{name}】", "【3:1†source】")
    text = scene.words(
        f"Demo: the file says so{markers[0]}, and so does another{markers[1]}.",
        f"演示：文件是这样说的{markers[0]}，另一个也是{markers[1]}。",
    )
    source = {
        "type": "file",
        "name": name,
        "id": file_id,
        "source": "my_files",
        "text": "",
        "extra": {
            "cited_message_id": str(uuid.uuid4()),
            "cited_message_idx": 3,
            "retrieval_turn": 3,
            "retrieval_file_index": 0,
            "line_range": None,
        },
    }
    first = _citation(text, markers[0], source, "berry_file_search")
    _say_and_cite(scene, text, first)


def play_search(scene: Scene) -> None:
    """Search as since 2024: private-use markers, references patched item by item."""
    query = {"search_query": [{"q": scene.question.text[:60]}]}
    scene.call("web.run", orjson.dumps(query).decode(), "json")
    scene.tool("web.run", text_content(""), metadata={"search_result_groups": _groups()})
    cited = _marker("turn0search0", "turn0search1")
    hidden, unmatched = _marker("turn0news9"), _marker("turn0view5")
    text = scene.words(
        f"Demo: rivers flow and \ue203boats float\ue204 {cited}."
        f" This one is hidden{hidden}, that one unmatched{unmatched}. The end.",
        f"演示：河水流动，\ue203小船漂浮\ue204{cited}。这个隐藏{hidden}，那个无匹配{unmatched}。完。",
    )
    message_id = scene.start()
    before, after = text[: text.index(hidden)], text[text.index(hidden) :]
    scene.grow(message_id, pieces_of(before))
    _refer(scene, message_id, _reference(text, cited, "grouped_webpages"))
    scene.grow(message_id, pieces_of(after))
    scene.change(message_id, Change(f"{_REFERENCES}/1", "add", _reference(text, hidden, "hidden")))
    scene.close(message_id, Change(_REFERENCES, "append", [_footnote(len(text))]))


def _say_and_cite(
    scene: Scene, text: str, early: dict[str, Any], last: dict[str, Any] | None = None
) -> None:
    """Say a text; the first citation comes a little late, the last one with the end."""
    message_id = scene.start()
    pieces = pieces_of(text)
    late = len(pieces) - 2
    scene.grow(message_id, pieces[:late])
    scene.change(message_id, Change(_CITATIONS, "append", [early]))
    scene.grow(message_id, pieces[late:])
    scene.close(message_id, *([Change(_CITATIONS, "append", [last])] if last else []))


def _quote(url: str, domain: str, title: str) -> dict[str, Any]:
    return {
        "content_type": "tether_quote",
        "url": url,
        "domain": domain,
        "text": f"{title}: a text that nobody should see in the answer.",
        "title": title,
        "tether_id": None,
    }


def _web_source(number: int) -> dict[str, Any]:
    title, url, _ = PAGES[number]
    return {
        "type": "webpage",
        "title": title,
        "url": url,
        "text": "",
        "pub_date": None,
        "extra": {"cited_message_idx": number, "evidence_text": "source"},
    }


def _citation(
    text: str, marker: str, source: dict[str, Any], style: str = "tether_og"
) -> dict[str, Any]:
    start = text.index(marker)
    return {
        "start_ix": start,
        "end_ix": start + len(marker),
        "citation_format_type": style,
        "metadata": source,
    }


def _marker(*references: str) -> str:
    return "\ue200cite" + "".join(f"\ue202{one}" for one in references) + "\ue201"


def _reference(text: str, marker: str, kind: str) -> dict[str, Any]:
    start = text.index(marker)
    return {
        "type": kind,
        "matched_text": marker,
        "start_idx": start,
        "end_idx": start + len(marker),
        "alt": "",
        "items": [],
        "fallback_items": None,
        "safe_urls": [],
        "refs": [],
        "prompt_text": None,
    }


def _refer(scene: Scene, message_id: str, reference: dict[str, Any]) -> None:
    """Add a reference without its pages, then its pages one by one."""
    scene.change(message_id, Change(f"{_REFERENCES}/0", "add", reference))
    for title, url, domain in PAGES:
        item = {"title": title, "url": url, "attribution": domain, "supporting_websites": []}
        scene.change(message_id, Change(f"{_REFERENCES}/0/items", "append", [item]))
    shown = ", ".join(f"[{domain}]({url})" for _, url, domain in PAGES)
    scene.change(
        message_id,
        Change("/alt", "append", f"({shown})"),
        Change("/safe_urls", "append", [url for _, url, _ in PAGES]),
        Change("/refs", "append", [{"turn_index": 0, "ref_type": "search", "ref_index": 0}]),
        base=f"{_REFERENCES}/0",
    )


def _footnote(end: int) -> dict[str, Any]:
    return {
        "type": "sources_footnote",
        "matched_text": " ",
        "start_idx": end,
        "end_idx": end,
        "alt": "",
        "sources": [
            {"title": title, "url": url, "attribution": domain} for title, url, domain in PAGES
        ],
    }


def _groups() -> list[dict[str, Any]]:
    return [
        {
            "type": "search_result_group",
            "domain": domain,
            "entries": [
                {
                    "type": "search_result",
                    "url": url,
                    "title": title,
                    "snippet": "",
                    "ref_id": {"turn_index": 0, "ref_type": "search", "ref_index": number},
                    "pub_date": None,
                    "attribution": domain,
                }
            ],
        }
        for number, (title, url, domain) in enumerate(PAGES)
    ]
