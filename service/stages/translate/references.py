"""`metadata.citations` and `metadata.content_references` as records (protocol 5.3, 5.4)."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from service.vocabulary.events import Reference, Source

# Kinds that the official client shows nothing for.
_SILENT_KINDS = (
    "hidden",
    "invalid",
    "conversation_context_citation",
    "status",
    "attribution_footer",
    "sports",
    "sources_footnote",
    "optimistic_image_",
)
_TEXT_FIELDS = ("prompt_text", "description", "name", "title")
_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")  # browsers pass over them, also within a scheme
_ENDS_LINK = re.compile(r"[ <>\"`\\]")


def read_references(metadata: dict[str, Any]) -> tuple[Reference, ...]:
    """Return all references that a message's metadata holds; malformed ones are left out."""
    if not (metadata.get("citations") or metadata.get("content_references")):
        return ()
    return (
        *(found for raw in _objects(metadata.get("citations")) if (found := _citation(raw))),
        *(
            found
            for raw in _objects(metadata.get("content_references"))
            if (found := _content(raw))
        ),
    )


def _citation(raw: dict[str, Any]) -> Reference | None:
    if raw.get("invalid_reason"):
        return None
    metadata = _object(raw.get("metadata"))
    extra = _object(metadata.get("extra"))
    turn, place = extra.get("retrieval_turn"), extra.get("retrieval_file_index")
    source = Source(_address(metadata), _str(metadata, "title") or _str(metadata, "name"))
    return Reference(
        matched_text="",
        index=_int(extra.get("cited_message_idx")),
        file_index=(turn, place) if type(turn) is int and type(place) is int else None,
        start=_int(raw.get("start_ix")) or 0,
        text="",
        sources=(source,) if source.url or source.title else (),
        is_complete=bool(source.url or source.title),
    )


def _content(raw: dict[str, Any]) -> Reference | None:
    matched_text = _str(raw, "matched_text")
    if not matched_text:
        return None
    is_silent = _str(raw, "type").startswith(_SILENT_KINDS)
    sources = () if is_silent else tuple(_sources(raw))
    alt = _str(raw, "alt")
    text = "" if is_silent else alt or _link(sources) or _words(raw)
    return Reference(
        matched_text=matched_text,
        index=None,
        file_index=None,
        start=_int(raw.get("start_idx")) or 0,
        text=text,
        sources=sources,
        is_complete=is_silent or _is_whole(alt) or (not alt and bool(sources)),
    )


def _sources(raw: dict[str, Any]) -> Iterator[Source]:
    """Yield the reference's pages: its items, else the fallback items, else itself."""
    seen: set[str] = set()
    for entries in (raw.get("items"), raw.get("fallback_items"), [raw]):
        for entry in _objects(entries):
            url = _address(entry)
            if url and url not in seen:
                seen.add(url)
                title = _str(entry, "title") or _str(entry, "attribution") or url
                yield Source(url, title)
        if seen:
            return
    if name := _str(raw, "name") or _str(raw, "title"):
        yield Source("", name)


def _address(raw: dict[str, Any]) -> str:
    """Return where a page is, as it may stand in a link; empty for what is not of the web.

    Pages are found by the model, and name themselves: an address may be a script, or end the link
    that it stands in and begin another.
    """
    url = _CONTROLS.sub("", _str(raw, "url")).strip()
    if _OTHER_SCHEME.match(url):
        return ""
    url = _ENDS_LINK.sub(lambda found: quote(found[0]), url)
    return url if _is_balanced(url) else url.replace("(", "%28").replace(")", "%29")


def _is_balanced(url: str) -> bool:
    depth = 0
    for char in url:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def _link(sources: tuple[Source, ...]) -> str:
    return next((f"[{_title(source)}]({source.url})" for source in sources if source.url), "")


def _title(source: Source) -> str:
    """Return a title in which no link ends, or begins."""
    return source.title.replace("](", "] (")


def _words(raw: dict[str, Any]) -> str:
    return next((text for field in _TEXT_FIELDS if (text := _str(raw, field))), "")


def _is_whole(alt: str) -> bool:
    """Return whether an `alt`, which may be patched piece by piece, has all its brackets."""
    return bool(alt) and alt.count("[") == alt.count("]") and alt.count("(") == alt.count(")")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _str(raw: dict[str, Any], field: str) -> str:
    value = raw.get(field)
    return value if isinstance(value, str) else ""


def _int(value: Any) -> int | None:
    return value if type(value) is int else None
