"""An uploaded file, and its JSON in a message of the turn (protocol 1.4)."""

from typing import Any

from msgspec import Struct

PICTURE_USE_CASE = "multimodal"


class UploadedFile(Struct, frozen=True):
    """A caller's file that the upstream holds; sizes in bytes and pixels."""

    file_id: str
    name: str
    media_type: str
    size_bytes: int
    use_case: str
    width: int | None = None
    height: int | None = None
    token_count: int | None = None

    @property
    def is_picture(self) -> bool:
        """Whether the model sees the file, so that the message has a pointer to it."""
        return self.use_case == PICTURE_USE_CASE

    def pointer(self) -> dict[str, Any]:
        """Return the message part of a picture: `{"asset_pointer": "sediment://file_a", …}`."""
        scheme = "sediment" if self.file_id.startswith("file_") else "file-service"
        return {
            "content_type": "image_asset_pointer",
            "asset_pointer": f"{scheme}://{self.file_id}",
            "size_bytes": self.size_bytes,
            **self._dimensions(),
        }

    def attachment(self) -> dict[str, Any]:
        """Return the entry of `metadata.attachments`, with each field under both known names."""
        entry = {
            "id": self.file_id,
            "name": self.name,
            "size": self.size_bytes,
            "mimeType": self.media_type,
            "mime_type": self.media_type,
            **self._dimensions(),
        }
        if self.token_count is not None:
            entry |= {"fileTokenSize": self.token_count, "file_token_size": self.token_count}
        return entry

    def _dimensions(self) -> dict[str, int]:
        if self.width is None or self.height is None:
            return {}
        return {"width": self.width, "height": self.height}
