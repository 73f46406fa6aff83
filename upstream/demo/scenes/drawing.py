"""Pictures of both generations, as the question orders them (protocol 8)."""

import re
import uuid
from typing import Any

from upstream.demo.ground import pictures
from upstream.demo.ground.templates import fill, load
from upstream.demo.scenes.scene import Scene

PREVIEW_PIXELS = 64
MAX_PICTURES = 4
PARTS = load(__file__)
_PROMPT = re.compile(r"prompt[:：]\s*(.+?)(?:\n\s*size[:：]|$)", re.DOTALL | re.IGNORECASE)
_COUNT = re.compile(
    r"\b([2-4])\s+(?:\w+\s+)?(?:pictures|images)\b|([2-4])\s*(?:张|幅)", re.IGNORECASE
)


def prompt_of(text: str) -> str:
    """Return the prompt of a drawing."""
    found = _PROMPT.search(text)
    return found[1].strip() if found else text


def count_of(text: str) -> int:
    """Return the number of pictures to draw."""
    found = _COUNT.search(text)
    return min(MAX_PICTURES, int(found[1] or found[2])) if found else 1


def dalle_parts(scene: Scene) -> list[Any]:
    """Draw as DALL·E did, as many pictures as are wanted."""
    text = scene.question.text
    prompts = [prompt_of(text) + f" #{number}" * bool(number) for number in range(count_of(text))]
    return [_part(scene, "dalle", prompt, uuid.uuid4().hex[:16]) for prompt in prompts]


def native_part(scene: Scene, pixels: int | None = None) -> Any:
    """Draw natively; with a number of pixels coarsely, at first."""
    return _part(scene, "native", prompt_of(scene.question.text), str(uuid.uuid4()), pixels)


def _part(scene: Scene, kind: str, prompt: str, gen_id: str, pixels: int | None = None) -> Any:
    width, height = pictures.size_of(scene.question.text)
    content = pictures.draw(prompt, pixels or width, pixels or height)
    is_native = kind == "native"
    name = "image.png" if is_native else "dalle.png"
    names = {
        "file_id": scene.files.make(scene.question.owner, name, content, is_native=is_native),
        "gen_id": gen_id,
        "prompt": prompt,
        "size_bytes": len(content),
        "width": width,
        "height": height,
        "done_height": pixels or height,
    }
    return fill(PARTS[kind], names)
