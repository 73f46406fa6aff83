"""Pictures of answers: stored, linked, or none."""

import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageFullError
from service.vocabulary.native import PictureFacts, PictureMade
from storage.files.blobs import FileBlobs
from upstream.codex.turn.pictures import AnswerPictures

FACTS = PictureFacts(2, {"size": "1024x1024"})


def drawn(kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (2, 2)).save(file, kind)
    return file.getvalue()


def made(content: bytes | str) -> PictureMade:
    text = content if isinstance(content, str) else base64.b64encode(content).decode()
    return PictureMade(FACTS, text, "a boat")


@pytest.mark.parametrize(
    ("kind", "stored"), [("PNG", "png"), ("WEBP", "webp"), ("JPEG", "jpeg"), ("TIFF", "png")]
)
async def test_a_picture_is_stored_as_browsers_show_it(tmp_path: Path, kind, stored):
    blobs, content = FileBlobs(tmp_path), drawn(kind)
    ready = await AnswerPictures(blobs, "{}?signed".format).kept(made(content), "http://gw")
    assert ready.media_type == f"image/{stored}"
    assert ready.url == f"http://gw/images/{ready.name}?signed"
    assert (ready.wanted.facts, ready.wanted.revised_prompt) == (FACTS, "a boat")
    blob = await blobs.find("images", ready.name)
    assert blob is not None
    kept = await read_all(blob.content)
    assert kept == content if kind != "TIFF" else kept.startswith(b"\x89PNG")


@pytest.mark.parametrize("content", ["", "no base64", b"words", b"<html>"])
async def test_what_is_no_picture_is_a_problem(tmp_path: Path, content):
    ready = await AnswerPictures(FileBlobs(tmp_path)).kept(made(content), "http://gw")
    assert (ready.url, ready.fault) == ("", None)
    assert "something else" in ready.problem


class Full:
    """A store without room."""

    async def save(self, *_: object) -> str:
        raise StorageFullError("The disk is full.")


async def test_a_full_disk_is_a_fault_of_ours():
    ready = await AnswerPictures(Full()).kept(made(drawn("PNG")), "http://gw")
    assert ready.fault is not None
    assert (ready.url, ready.fault.status) == ("", 507)
