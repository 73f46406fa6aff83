"""Drawn pictures."""

from io import BytesIO

from PIL import Image

from tests.rows import each_row
from upstream.demo.ground.pictures import draw, size_of


def test_a_picture_is_a_png_of_its_size_that_depends_on_the_prompt() -> None:
    picture = draw("一只猫", 200, 100)
    image = Image.open(BytesIO(picture))
    assert (image.format, image.size) == ("PNG", (200, 100))
    assert draw("一只猫", 200, 100) == picture
    assert draw("一只狗", 200, 100) != picture


@each_row(
    ("prompt", "size"),
    [
        ("a cat", (1024, 1024)),
        ("a cat\nsize:1792x1024", (1792, 1024)),
        ("a wide cat", (1536, 1024)),
        ("竖图", (1024, 1536)),
        ("9999x10", (2048, 64)),
    ],
)
def test_the_size_is_asked_for_in_words(prompt: str, size: tuple[int, int]) -> None:
    assert size_of(prompt) == size
