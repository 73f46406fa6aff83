"""Pictures that come with an answer, in base64: stored, and linked (codex 5)."""

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator, Callable

from service.ports import BlobStore
from service.vocabulary.errors import StorageError
from service.vocabulary.events import AssetKind, AssetReady, AssetWanted
from service.vocabulary.native import PictureMade
from upstream.fetching.media_types import extension, media_type
from upstream.fetching.pictures import PICTURE_TYPES, web_picture

_NO_PICTURE = "The upstream gave something else in the picture's place."
_log = logging.getLogger("gateway.assets")


class AnswerPictures:
    """Keeps the pictures of answers.

    Args:
        blobs: where they are kept.
        sign: makes of a copy's path what a link to it ends with.
    """

    def __init__(self, blobs: BlobStore, sign: Callable[[str], str] = str) -> None:
        self._blobs = blobs
        self._sign = sign

    async def kept(
        self, made: PictureMade, public_url: str, *, is_preview: bool = False
    ) -> AssetReady:
        """Return the link to a picture, or why there is none; never raises ServiceError."""
        wanted = AssetWanted(
            AssetKind.PICTURE,
            pointer=f"codex://{made.facts.number}",
            conversation_id="",
            message_id="",
            revised_prompt=made.revised_prompt or None,
            is_preview=is_preview,
            facts=made.facts,
        )
        picture = await asyncio.to_thread(_picture, made.content)
        if picture is None:
            _log.warning("A picture of an answer is none")
            return AssetReady(wanted, url="", problem=_NO_PICTURE)
        content, kind = picture
        try:
            name = await self._blobs.save(
                "images", f"picture{extension(kind)}", kind, _whole(content)
            )
        except StorageError as error:
            _log.error("A picture of an answer cannot be kept: %s", error)
            return AssetReady(wanted, url="", problem=error.message, fault=error.failure())
        return AssetReady(wanted, f"{public_url}/{self._sign(f'images/{name}')}", name, kind)


def _picture(content: str) -> tuple[bytes, str] | None:
    """Return a picture that browsers show, and its type; None of what is no picture; blocks."""
    try:
        decoded = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not media_type(decoded, None, "").startswith("image/"):
        return None
    found, kind = web_picture(decoded, "")
    return (found, kind) if kind in PICTURE_TYPES else None


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
