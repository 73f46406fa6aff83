"""Draws real PNGs: a small landscape that depends on the prompt, with its words below."""

import hashlib
import io
import random
import re

from PIL import Image, ImageDraw, ImageFont

MIN_SIDE, MAX_SIDE = 64, 2048
SIZE = re.compile(r"(?<!\d)(\d{2,4})\s*[x×*]\s*(\d{2,4})(?!\d)")
WIDE = re.compile(r"\b(wide|landscape)\b|横", re.IGNORECASE)
TALL = re.compile(r"\b(tall|portrait)\b|竖", re.IGNORECASE)
HILLS = 4
CAPTION_CHARS = 60


def size_of(prompt: str) -> tuple[int, int]:
    """Return the width and height in pixels that a prompt asks for in words."""
    if found := SIZE.search(prompt):
        width, height = (max(MIN_SIDE, min(MAX_SIDE, int(side))) for side in found.groups())
        return width, height
    if WIDE.search(prompt):
        return 1536, 1024
    if TALL.search(prompt):
        return 1024, 1536
    return 1024, 1024


def draw(prompt: str, width: int, height: int) -> bytes:
    """Return a PNG, always the same one for the same prompt and size."""
    chance = random.Random(hashlib.sha256(prompt.encode("utf-8", "replace")).digest())
    sky = tuple(chance.randint(120, 230) for _ in range(3))
    image = Image.new("RGB", (width, height), sky)
    brush = ImageDraw.Draw(image)
    _draw_sun(brush, chance, width, height)
    for hill in range(HILLS):
        _draw_hill(brush, chance, (width, height), hill)
    _write_caption(brush, prompt, width, height)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _draw_sun(brush: ImageDraw.ImageDraw, chance: random.Random, width: int, height: int) -> None:
    radius = min(width, height) // 10
    x = chance.randint(radius, width - radius)
    y = chance.randint(radius, height // 3)
    brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 230, 120))


def _draw_hill(
    brush: ImageDraw.ImageDraw, chance: random.Random, size: tuple[int, int], hill: int
) -> None:
    width, height = size
    top = height * (4 + hill) // 9
    points = [
        (width * step // 8, top + chance.randint(-height // 16, height // 16)) for step in range(9)
    ]
    shade = 150 - 30 * hill
    color = (chance.randint(20, shade), shade, chance.randint(20, shade))
    brush.polygon([*points, (width, height), (0, height)], fill=color)


def _write_caption(brush: ImageDraw.ImageDraw, prompt: str, width: int, height: int) -> None:
    # the font that ships with Pillow has Latin letters only
    words = re.sub(r"[^ -~]+", " ", prompt).strip()[:CAPTION_CHARS] or "demo"
    font = ImageFont.load_default(max(10, width // 40))
    brush.text((width // 40, height - height // 16), f"demo: {words}", fill="white", font=font)
