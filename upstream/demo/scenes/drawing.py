"""Scenarios that draw: both picture generations, now, later and never (protocol 8)."""

import re
import uuid
from typing import Any

import orjson

from upstream.demo.ground.pictures import draw, size_of
from upstream.demo.ground.scene import FINISHED, Scene, code_content, text_content
from upstream.demo.ground.script import CODE_PATH, Change, Message

NATIVE_TOOL = "t2uay3k.sj1i4kz"
DRAWING_BEATS = 25
PREVIEW_PIXELS = 64
MAX_PICTURES = 4
SEED = 4_127_006
_PROMPT = re.compile(r"prompt[:：]\s*(.+?)(?:\n\s*size[:：]|$)", re.DOTALL | re.IGNORECASE)
_COUNT = re.compile(
    r"\b([2-4])\s+(?:\w+\s+)?(?:pictures|images)\b|([2-4])\s*(?:张|幅)", re.IGNORECASE
)


def play_dalle(scene: Scene) -> None:
    """Draw as DALL·E did: pointers in one tool message, with the revised prompt."""
    scene.use_case = "image gen"
    prompt = _prompt(scene)
    count = _count(scene)
    width, height = size_of(scene.question.text)
    order = {"size": f"{width}x{height}", "prompt": _revised(prompt), "n": count}
    scene.call("dalle.text2im", orjson.dumps(order).decode(), "json")
    scene.wait(DRAWING_BEATS)
    parts = [
        _dalle_part(scene, f"{prompt} #{number}" if number else prompt) for number in range(count)
    ]
    scene.tool("dalle.text2im", {"content_type": "multimodal_text", "parts": parts})
    _instruct(scene, "dalle.text2im", count)
    _present(scene)


def play_native(scene: Scene) -> None:
    """Draw natively, in the stream (protocol 8.2a)."""
    _order_native(scene)
    scene.wait(DRAWING_BEATS)
    scene.begin(_native_message(scene))
    _instruct(scene, NATIVE_TOOL, 1)
    _present(scene)


def play_preview(scene: Scene) -> None:
    """Draw natively, showing a coarse picture first that a better one replaces."""
    _order_native(scene)
    final = _native_message(scene)
    coarse = _native_part(scene, PREVIEW_PIXELS)
    good = final["content"]["parts"][0]
    shown = {**final, "status": "in_progress"}
    shown["content"] = {**final["content"], "parts": [coarse]}
    message_id = scene.begin(shown)
    scene.wait(DRAWING_BEATS)
    part = "/message/content/parts/0"
    scene.change(
        message_id,
        Change(f"{part}/asset_pointer", "replace", good["asset_pointer"]),
        Change(f"{part}/size_bytes", "replace", good["size_bytes"]),
        Change(f"{part}/metadata", "replace", good["metadata"]),
        FINISHED,
    )
    _instruct(scene, NATIVE_TOOL, 1)
    _present(scene)


def play_later(scene: Scene) -> None:
    """Draw natively, after the stream: the picture appears in the conversation (8.2b)."""
    scene.use_case = "image gen"
    task_id = f"imagegen_{uuid.uuid4().hex}"
    task = {
        "image_gen_async": True,
        "image_gen_task_id": task_id,
        "trigger_async_ux": True,
        "ui_card_shimmer": True,
        "async_task_type": "image_gen",
    }
    placeholder = scene.words("Processing image", "正在处理图片")
    scene.tool(NATIVE_TOOL, text_content(placeholder), metadata=task)
    picture = _native_message(scene)
    picture["metadata"] |= {"async_task_id": task_id, "is_async_task_result_message": True}
    scene.later.append(picture)


def play_refused(scene: Scene) -> None:
    """Decline to draw."""
    scene.use_case = "image gen"
    scene.note("title_generation", title="Request Denied")
    scene.say(
        scene.words(
            "Demo: I can't draw that, it goes against the content policy.",
            "演示：我不能画这个，它违反内容政策。",
        )
    )


def _prompt(scene: Scene) -> str:
    found = _PROMPT.search(scene.question.text)
    return found[1].strip() if found else scene.question.text


def _revised(prompt: str) -> str:
    return f"A demo picture of: {prompt}"


def _count(scene: Scene) -> int:
    found = _COUNT.search(scene.question.text)
    return min(MAX_PICTURES, int(found[1] or found[2])) if found else 1


def _order_native(scene: Scene) -> None:
    scene.use_case = "image gen"
    call_id = scene.begin(
        scene.message(
            "assistant",
            code_content(language="json"),
            recipient=NATIVE_TOOL,
            status="in_progress",
        )
    )
    scene.change(call_id, Change(CODE_PATH, "append", '{"skipped_mainline":true}'))
    scene.change(call_id, FINISHED)


def _instruct(scene: Scene, tool: str, count: int) -> None:
    scene.tool(
        tool,
        text_content(
            f"DALL·E displayed {count} images. The images are already plainly visible,"
            " so don't repeat the descriptions in detail. HIDDEN from users."
        ),
    )


def _present(scene: Scene) -> None:
    scene.say(
        scene.words("Demo: here is your picture, drawn by chance.", "演示：这是随机画出的图片。")
    )


def _dalle_part(scene: Scene, prompt: str) -> dict[str, Any]:
    width, height = size_of(scene.question.text)
    content = draw(prompt, width, height)
    file_id = scene.files.make(scene.question.owner, "dalle.png", content)
    return {
        "content_type": "image_asset_pointer",
        "asset_pointer": f"file-service://{file_id}",
        "size_bytes": len(content),
        "width": width,
        "height": height,
        "fovea": None,
        "metadata": {
            "dalle": {
                "gen_id": uuid.uuid4().hex[:16],
                "prompt": _revised(prompt),
                "seed": SEED,
                "parent_gen_id": None,
                "edit_op": None,
                "serialization_title": "DALL-E generation metadata",
            }
        },
    }


def _native_part(scene: Scene, done_pixels: int | None = None) -> dict[str, Any]:
    width, height = size_of(scene.question.text)
    side = done_pixels or width
    content = draw(_prompt(scene), side, done_pixels or height)
    file_id = scene.files.make(scene.question.owner, "image.png", content, is_native=True)
    generation = {
        "gen_id": str(uuid.uuid4()),
        "gen_size": "smimage",
        "gen_size_v2": "16",
        "seed": None,
        "parent_gen_id": None,
        "width": width,
        "height": done_pixels or height,
        "transparent_background": False,
        "orientation": "square",
        "serialization_title": "Image Generation metadata",
    }
    dalle = {"gen_id": generation["gen_id"], "prompt": "", "seed": None, "parent_gen_id": None}
    return {
        "content_type": "image_asset_pointer",
        "asset_pointer": f"sediment://{file_id}",
        "size_bytes": len(content),
        "width": width,
        "height": height,
        "fovea": None,
        "metadata": {"dalle": dalle, "generation": generation, "sanitized": False},
    }


def _native_message(scene: Scene) -> Message:
    return scene.message(
        "tool",
        {"content_type": "multimodal_text", "parts": [_native_part(scene)]},
        name=NATIVE_TOOL,
        weight=0.0,
        metadata={
            "image_gen_title": scene.words("Demo picture", "演示图片"),
            "turn_exchange_id": str(uuid.uuid4()),
        },
    )
