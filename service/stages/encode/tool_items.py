"""Output items of the upstream's own tools: pictures, searches, other tools (openai-wire 8)."""

from typing import Any, cast, get_args

from msgspec import UNSET
from typing_extensions import override  # typing has it from 3.12 on

from service.answers.response_events import (
    NumberedEvent,
    PictureCompleted,
    PictureGenerating,
    PictureInProgress,
    PicturePartial,
    SearchCompleted,
    SearchInProgress,
    SearchSearching,
)
from service.answers.responses import (
    ImageGenerationCall,
    ItemStatus,
    OutputItem,
    PictureFormat,
    WebSearchCall,
)
from service.stages.encode.response_items import Events, Item
from service.vocabulary.rendered import AssetLinked


class PictureItem(Item):
    """A picture; its content, in base64, and its link arrive at its end."""

    def __init__(self, item_id: str, index: int) -> None:
        super().__init__(item_id, index)
        self._asset: AssetLinked | None = None
        self._result: str | None = None
        self._is_failed = False
        self._told: list[type[NumberedEvent]] = []  # states sent, in order

    @override
    def record(self) -> ImageGenerationCall:
        asset = self._asset
        if asset is None:
            return ImageGenerationCall(self.id, "failed" if self._is_failed else self.status, None)
        kind = asset.media_type.partition("/")[2]
        details = asset.facts.details if asset.facts else {}
        return ImageGenerationCall(
            self.id,
            self.status,
            self._result,
            revised_prompt=asset.revised_prompt or UNSET,
            output_format=cast(PictureFormat, kind) if kind in get_args(PictureFormat) else UNSET,
            url=asset.url or UNSET,
            **{name: details[name] for name in _PICTURE_DETAILS if name in details},
        )

    def step(self, name: str) -> Events:
        """Return the event of a state; each is sent once, and never after a later one."""
        kind = _PICTURE_STEPS.get(name)
        if kind is None or self._told[-1:] == [PictureCompleted] or kind in self._told:
            return []
        self._told.append(kind)
        return [kind(item_id=self.id, output_index=self.index)]

    def preview(self, index: int, content: str) -> Events:
        """Return the event of a preview."""
        partial = PicturePartial(
            item_id=self.id,
            output_index=self.index,
            partial_image_index=index,
            partial_image_b64=content,
        )
        return [partial]

    def finished(self, asset: AssetLinked, result: str | None) -> Events:
        """Return the events of its end; the last one has the picture."""
        self._asset, self._result, self.status = asset, result, "completed"
        steps = [event for name in _PICTURE_STEPS for event in self.step(name)]
        return [*steps, self.done()]

    def failed(self) -> Events:
        """Return the event of its end without a picture."""
        self._is_failed = True
        return [self.done()]


class ToolItem(Item):
    """The use of one of the back end's tools, as it reports it; only the id is the gateway's."""

    def __init__(self, item_id: str, index: int, item: dict[str, Any]) -> None:
        super().__init__(item_id, index)
        self._item = item

    @override
    def record(self) -> OutputItem:
        if self._item.get("type") != "web_search_call":
            return cast(OutputItem, {"id": self.id, **self._item, "status": self._status()})
        action = self._item.get("action")
        return WebSearchCall(
            self.id,
            self._status(),
            action if isinstance(action, dict) else {"type": "search"},
        )

    def step(self, name: str) -> Events:
        """Return the event of a state, if the API has one for it."""
        kind = _SEARCH_STEPS.get(name) if self._item.get("type") == "web_search_call" else None
        return [kind(item_id=self.id, output_index=self.index)] if kind else []

    def finished(self, item: dict[str, Any] | None, status: ItemStatus) -> Events:
        """Return the event of its end, with the complete item if the back end sent it."""
        self._item = item or self._item
        self.status = status
        return [self.done()]

    def _status(self) -> str:
        """Return the reported status, unless the item has ended since."""
        told = self._item.get("status")
        is_over = self.status != "in_progress" and told in ("in_progress", "searching", None)
        return self.status if is_over or not isinstance(told, str) else told


_PICTURE_DETAILS = ("size", "quality", "background")
_PICTURE_STEPS: dict[str, type[PictureInProgress | PictureGenerating | PictureCompleted]] = {
    "in_progress": PictureInProgress,
    "generating": PictureGenerating,
    "completed": PictureCompleted,
}
_SEARCH_STEPS: dict[str, type[SearchInProgress | SearchSearching | SearchCompleted]] = {
    "in_progress": SearchInProgress,
    "searching": SearchSearching,
    "completed": SearchCompleted,
}
