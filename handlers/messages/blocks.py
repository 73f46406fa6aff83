"""Blocks of a user's turn, and of a tool's result, as parts of a message (anthropic-wire 1.4)."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from handlers.reading.chat_messages import located_file
from handlers.reading.json_body import converted, quoted, refusal
from service.vocabulary.requests import FilePart, TextPart

Blocks = str | list[dict[str, Any]]
Part = TextPart | FilePart

PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"
_PDF_MARK, _PDF_MARK_WITHIN = b"%PDF", 1024  # readers look for it there
_KINDS = "'text', 'image', 'document', 'search_result' or 'tool_result'"


class _Text(Struct, frozen=True):
    text: str


class _Source(Struct, frozen=True):
    """Where a picture or document is; which of the fields it has depends on its type."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: str | list[dict[str, Any]] = ""


class _Image(Struct, frozen=True):
    source: _Source


class _Document(Struct, frozen=True):
    source: _Source
    title: str | None = None
    context: str | None = None


class _SearchResult(Struct, frozen=True):
    source: str
    title: str
    content: list[_Text]


class _ToolReference(Struct, frozen=True):
    tool_name: str


def listed(content: Blocks | None) -> list[dict[str, Any]]:
    """Return content as blocks; a text is one of them."""
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def kind_of(block: dict[str, Any], path: str) -> str:
    """Return the type of a block.

    Raises:
        RequestError: it has none.
    """
    kind = block.get("type")
    if not isinstance(kind, str):
        raise refusal(f"{path}.type", "Field required")
    return kind


def text_of(block: dict[str, Any], path: str) -> str:
    """Return the text of a block of text; empty for white space alone.

    Raises:
        RequestError: it has none.
    """
    text = converted(block, _Text, path).text
    return "" if text.isspace() else text


def parts_of(blocks: Sequence[dict[str, Any]], path: str) -> Iterator[Part]:
    """Yield the parts of blocks; empty texts are left out.

    Args:
        blocks: of a user's turn or a result, but results themselves.
        path: where they stand in the request.

    Raises:
        RequestError: one of them is wrong, or cannot be sent on.
    """
    for at, block in enumerate(blocks):
        yield from part_of(block, f"{path}.{at}")


def part_of(block: dict[str, Any], path: str) -> Iterator[Part]:
    """Yield the parts of one block, as above."""
    kind = kind_of(block, path)
    match kind:
        case "text":
            if text := text_of(block, path):
                yield TextPart(text)
        case "image":
            yield _image(converted(block, _Image, path).source, f"{path}.source")
        case "document":
            yield from _document(converted(block, _Document, path), path)
        case "search_result":
            found = converted(block, _SearchResult, path)
            texts = "\n".join(each.text for each in found.content)
            yield TextPart(f"{found.title} ({found.source}):\n{texts}")
        case "tool_reference":
            name = converted(block, _ToolReference, path).tool_name
            yield TextPart(f"The tool {name} can be called now.")
        case _:
            raise refusal(f"{path}.type", f"{quoted(kind)} is no block to send here; use {_KINDS}")


def _image(source: _Source, path: str) -> FilePart:
    match source.type:
        case "base64":
            if source.media_type not in PICTURES:
                problem = f"{quoted(source.media_type)} is none of {', '.join(PICTURES)}"
                raise refusal(f"{path}.media_type", problem)
            _decoded(source.data, path)
            return _with_data(source, path)
        case "url":
            return located_file(source.url, f"{path}.url")
        case _:
            raise _unknown_source(source, path)


def _document(document: _Document, path: str) -> Iterator[Part]:
    source, where = document.source, f"{path}.source"
    title = document.title or ""
    if document.context:
        yield TextPart(document.context)
    match source.type:
        case "base64":
            if source.media_type != _PDF:
                problem = f"{quoted(source.media_type)} is not {_PDF}"
                raise refusal(f"{where}.media_type", problem)
            if _PDF_MARK not in _decoded(source.data, where)[:_PDF_MARK_WITHIN]:
                raise refusal(f"{where}.data", "this is no PDF")
            yield _with_data(source, where, title or "document.pdf")
        case "text":
            yield _titled(title, source.data)
        case "content":
            inner = tuple(parts_of(listed(source.content), f"{where}.content"))
            text = "\n".join(part.text for part in inner if isinstance(part, TextPart))
            yield _titled(title, text)
            yield from (part for part in inner if isinstance(part, FilePart))
        case "url":
            yield located_file(source.url, f"{where}.url", title)
        case _:
            raise _unknown_source(source, where)


def _titled(title: str, text: str) -> TextPart:
    return TextPart(f"[Document: {title}]\n{text}" if title else text)


def _with_data(source: _Source, path: str, name: str = "") -> FilePart:
    data_url = f"data:{source.media_type};base64,{source.data}"
    return FilePart(f"{path}.data", data_url=data_url, filename=name)


def _decoded(data: str, path: str) -> bytes:
    try:
        found = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise refusal(f"{path}.data", "this is not valid base64") from None
    if not found:
        raise refusal(f"{path}.data", "this is empty")
    return found


def _unknown_source(source: _Source, path: str) -> Exception:
    if source.type == "file":
        return refusal(f"{path}.type", "files cannot be left here; send its data as 'base64'")
    return refusal(f"{path}.type", f"{quoted(source.type)} is no source; use 'base64' or 'url'")
