import base64
from typing import Any

import pytest

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import FilePart, TextPart
from tests.handlers.messages.asking import PICTURE, PIXEL, last
from tests.rows import each_row

PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()


def source(**given: Any) -> dict[str, Any]:
    return {"type": "document", "title": "notes", "source": given}


def parts_of(*blocks: dict[str, Any]) -> tuple[Any, ...]:
    return last({"role": "user", "content": [*blocks]}).parts


def test_a_picture_goes_as_data_or_by_its_address() -> None:
    [sent] = parts_of(PICTURE)
    assert sent == FilePart(
        "messages.0.content.0.source.data", data_url=f"data:image/png;base64,{PIXEL}"
    )
    url = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
    assert parts_of(url)[0].url == "https://a.example/b.png"


def test_a_document_goes_as_a_file_or_as_its_text() -> None:
    [pdf] = parts_of(source(type="base64", media_type="application/pdf", data=PDF))
    assert (pdf.filename, pdf.data_url[:28]) == ("notes", "data:application/pdf;base64,")
    [text] = parts_of(source(type="text", media_type="text/plain", data="boats"))
    assert text == TextPart("[Document: notes]\nboats")
    inner = [{"type": "text", "text": "boats"}, PICTURE]
    told, picture = parts_of(source(type="content", content=inner))
    assert (told.text, picture.filename) == ("[Document: notes]\nboats", "")
    [url] = parts_of(source(type="url", url="https://a.example/b.pdf"))
    assert url.url == "https://a.example/b.pdf"


@each_row(
    ("block", "place"),
    [
        ({"type": "image"}, "source"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/tiff"}},
            "source.media_type",
        ),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "a!"},
            },
            "source.data",
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}},
            "source.data",
        ),
        ({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}, "source.url"),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, "source.type"),
        (source(type="base64", media_type="application/pdf", data=PIXEL), "source.data"),
        (source(type="base64", media_type="text/csv", data=PDF), "source.media_type"),
        (source(type="file", file_id="file_1"), "source.type"),
        ({"type": "container_upload", "file_id": "file_1"}, "type"),
        ({"type": "text"}, "text"),
    ],
)
def test_35_what_cannot_be_sent_is_refused_by_its_place(block: dict[str, Any], place: str) -> None:
    """A8 35 and A1.3: files that are kept elsewhere, broken data, kinds that nobody can read."""
    with pytest.raises(RequestError) as refused:
        parts_of({"type": "text", "text": "See"}, block)
    assert refused.value.param == f"messages.0.content.1.{place}"
