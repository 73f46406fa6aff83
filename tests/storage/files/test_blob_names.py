"""Names of stored files: made here and recognised again."""

from collections import Counter

import pytest

from storage.files.blob_names import checked_folder, is_inline, is_name, new_name, type_of
from tests.rows import each_row


def test_a_new_name_is_one_of_ours_and_has_the_type_it_was_made_for() -> None:
    for media_type in ("image/png", "image/webp", "text/csv", "application/pdf"):
        name = new_name("", media_type)
        assert is_name("files", name)
        assert type_of(name) == media_type
        assert is_inline(media_type) == media_type.startswith("image/")


def test_a_name_has_128_random_bits() -> None:
    names = [new_name("a.png", "image/png") for _ in range(3000)]
    assert len(set(names)) == 3000
    for place in zip(*(name.removesuffix(".png") for name in names), strict=True):
        seen = Counter(place)
        assert set(seen) == set("0123456789abcdef")
        assert max(seen.values()) < 300  # about 188 are expected; a fair choice stays far below
    assert len(list(zip(*names, strict=True))) == 32 + len(".png")


@each_row("name", ["", "a.png", "0" * 32 + "/a", f".{'0' * 32}.part", "0" * 32 + "\n"])
def test_other_names_are_not_ours(name: str) -> None:
    assert not is_name("images", name)


def test_there_are_two_folders() -> None:
    assert [checked_folder(folder) for folder in ("images", "files")] == ["images", "files"]
    assert not is_name("uploads", "0" * 32)
    with pytest.raises(ValueError, match="no such folder"):
        checked_folder("..")
