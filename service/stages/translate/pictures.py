"""Finds the pictures of a message that the model itself has made (protocol 2.7 and 8.2)."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from service.stages.decode.messages import is_image_tool
from service.vocabulary.events import AssetKind, AssetWanted, Message, SentHistory

_SCHEMES = ("file-service", "sediment")
_MADE_SIGNS = ("image_gen_title", "image_gen_task_id")
_PLACEHOLDER_ID = "file_upload"


class Picture(Struct, frozen=True):
    """A pointer to a generated picture. `is_preview` says that a better one may follow."""

    pointer: str
    file_id: str
    revised_prompt: str | None
    width: int | None
    height: int | None
    is_preview: bool


def generated_pictures(message: Message, previous_recipient: str | None) -> list[Picture]:
    """Return the pictures that this message shows as the model's own work.

    Only tool and assistant messages are considered, never the user's, and only with a sign of
    generation. No single sign appears in every recording.
    """
    if message.role not in ("tool", "assistant"):
        return []
    is_image_message = (
        message.metadata.get("async_task_type") == "image_gen"
        or any(sign in message.metadata for sign in _MADE_SIGNS)
        or is_image_tool(message.name)
        or (message.role == "tool" and is_image_tool(previous_recipient))
    )
    return [
        picture
        for part in message.pointers
        if (is_image_message or _is_generated(part))
        and (picture := _picture(part, is_finished=message.is_finished)) is not None
    ]


def result_pictures(message: Message) -> list[Picture]:
    """Return the pictures of a code interpreter's `aggregate_result`."""
    result = message.metadata.get("aggregate_result")
    entries = result.get("messages") if isinstance(result, dict) else None
    pictures = []
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("message_type") == "image":
            part = {**entry, "asset_pointer": entry.get("image_url")}
            if (picture := _picture(part, is_finished=True)) is not None:
                pictures.append(picture)
    return pictures


def _is_generated(part: dict[str, Any]) -> bool:
    metadata = part.get("metadata")
    return isinstance(metadata, dict) and (
        isinstance(metadata.get("dalle"), dict) or isinstance(metadata.get("generation"), dict)
    )


def _picture(part: dict[str, Any], *, is_finished: bool) -> Picture | None:
    pointer = part.get("asset_pointer")
    if not isinstance(pointer, str):
        return None
    scheme, found, rest = pointer.partition("://")
    file_id = rest.partition("#")[0].partition("?")[0]
    if not found or scheme not in _SCHEMES or not file_id or file_id == _PLACEHOLDER_ID:
        return None
    metadata = part.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    dalle, generation = metadata.get("dalle"), metadata.get("generation")
    prompt = dalle.get("prompt") if isinstance(dalle, dict) else None
    height = _size(part.get("height"))
    made = _size(generation.get("height")) if isinstance(generation, dict) else None
    return Picture(
        pointer=f"{scheme}://{file_id}",
        file_id=file_id,
        revised_prompt=prompt if isinstance(prompt, str) and prompt else None,
        width=_size(part.get("width")),
        height=height,
        is_preview=not is_finished or (made is not None and height is not None and made < height),
    )


def _size(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


class Pictures:
    """The pictures of one turn, each requested once; one instance per turn.

    Args:
        sent: the turn's own files, which are not output, and whether previews are wanted.
    """

    def __init__(self, sent: SentHistory) -> None:
        self._known = set(sent.file_ids)
        self._wants_previews = sent.wants_previews
        self._shown: set[str] = set()  # ids of requested previews
        self._previews: dict[str, tuple[Picture, ...]] = {}  # by message id

    def of_message(self, message: Message, recipient: str | None) -> Iterator[AssetWanted]:
        """Yield a request for each finished picture; keep the last preview of the others."""
        pictures = generated_pictures(message, recipient)
        self._previews[message.id] = tuple(each for each in pictures if each.is_preview)
        for picture in pictures:
            if not picture.is_preview:
                yield from self._wanted(message.id, (picture,))
            elif self._wants_previews and picture.file_id not in self._shown:
                self._shown.add(picture.file_id)
                yield _asset(message.id, picture, is_preview=True)

    def of_result(self, message: Message) -> Iterator[AssetWanted]:
        """Yield a request for each picture of a code interpreter's result."""
        return self._wanted(message.id, result_pictures(message))

    def last(self) -> Iterator[AssetWanted]:
        """Yield a request for each preview that no better picture followed."""
        for message_id, previews in self._previews.items():
            yield from self._wanted(message_id, previews)
        self._previews.clear()

    def _wanted(self, message_id: str, pictures: Iterable[Picture]) -> Iterator[AssetWanted]:
        for picture in pictures:
            if picture.file_id not in self._known:
                self._known.add(picture.file_id)
                yield _asset(message_id, picture)


def _asset(message_id: str, picture: Picture, *, is_preview: bool = False) -> AssetWanted:
    return AssetWanted(
        kind=AssetKind.PICTURE,
        pointer=picture.pointer,
        conversation_id="",
        message_id=message_id,
        revised_prompt=picture.revised_prompt,
        width=picture.width,
        height=picture.height,
        is_preview=is_preview,
    )
