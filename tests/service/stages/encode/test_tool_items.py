"""Pictures and uses of tools, as items of a response."""

import msgspec

from service.stages.encode.tool_items import PictureItem, ToolItem
from service.vocabulary.events import AssetKind
from service.vocabulary.native import PictureFacts
from service.vocabulary.rendered import AssetLinked

ASSET = AssetLinked(
    AssetKind.PICTURE,
    "http://gw/1",
    "n.png",
    "image/png",
    "A cup",
    PictureFacts(0, {"size": "1024x1024", "quality": "high", "other": "x"}),
)


def types(events) -> list[str]:
    return [event.type.removeprefix("response.") for event in events]


def test_a_picture_that_comes_whole_is_told_of_in_all_its_steps():
    picture = PictureItem("ig_1", 0)
    assert types(picture.finished(ASSET, "iVBO")) == [
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.completed",
        "output_item.done",
    ]
    assert msgspec.to_builtins(picture.record()) == {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": "iVBO",
        "revised_prompt": "A cup",
        "output_format": "png",
        "url": "http://gw/1",
        "size": "1024x1024",
        "quality": "high",
    }


def test_steps_come_once_and_in_order():
    picture = PictureItem("ig_1", 0)
    told = [picture.step(name) for name in ("in_progress", "in_progress", "odd", "completed")]
    assert [len(events) for events in told] == [1, 0, 0, 1]
    assert types(picture.preview(2, "iV")) == ["image_generation_call.partial_image"]
    assert types(picture.finished(ASSET, None)) == ["output_item.done"]


def test_a_picture_that_did_not_come_has_failed():
    picture = PictureItem("ig_1", 0)
    (done,) = picture.failed()
    assert (done.item.status, done.item.result) == ("failed", None)


def test_a_tool_that_no_reader_knows_is_told_as_it_came_under_an_id_of_ours():
    tool = ToolItem("item_1", 0, {"type": "brand_new_call", "x": 1})
    assert tool.step("searching") == []
    (done,) = tool.finished({"type": "brand_new_call", "status": "completed", "y": 2}, "completed")
    assert done.item == {"id": "item_1", "type": "brand_new_call", "status": "completed", "y": 2}


def test_a_search_that_was_cut_is_incomplete():
    tool = ToolItem("ws_1", 0, {"type": "web_search_call", "status": "searching"})
    assert types(tool.step("searching")) == ["web_search_call.searching"]
    (done,) = tool.finished(None, "incomplete")
    assert done.item.status == "incomplete"
