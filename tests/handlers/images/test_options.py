"""How pictures are to look: OpenAI's words, checked before they go anywhere."""

from typing import Any

import pytest

from handlers.images.fields import ImageFields
from handlers.images.options import options_of
from service.vocabulary.errors import RequestError

ALL = {
    "size": "1536x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "webp",
    "moderation": "low",
    "output_compression": 80,
}


def options(*, is_edit: bool = False, **fields: Any) -> dict[str, str | int]:
    return options_of(ImageFields(prompt="a boat", **fields), is_edit=is_edit)


def test_options_keep_their_names_and_what_was_not_sent_stays_away() -> None:
    assert options(**ALL) == ALL
    assert options() == options(size=" ", quality="", background=None) == {}
    assert options(is_edit=True, input_fidelity="high") == {"input_fidelity": "high"}


@pytest.mark.parametrize(
    ("former", "word"), [("hd", "high"), ("standard", "medium"), ("xhigh", "xhigh")]
)
def test_former_words_of_quality_have_their_successors(former: str, word: str) -> None:
    assert options(quality=former) == {"quality": word}


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "16:9"},
        {"size": "0x1024"},
        {"quality": "best"},
        {"background": 7},
        {"background": ["opaque"]},
        {"output_format": "gif"},
        {"moderation": "none"},
        {"output_compression": 101},
        {"output_compression": -1},
        {"input_fidelity": "high"},
        {"background": "transparent", "output_format": "jpeg"},
    ],
)
def test_what_no_image_model_knows_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        options(**wrong)
    assert caught.value.param == next(iter(wrong))
