"""The store of files."""

import re

import pytest

from upstream.demo.scenes.files import Files


def test_generated_files_have_the_ids_of_their_generation() -> None:
    files = Files()
    classic = files.make("me", "a.png", b"x")
    native = files.make("me", "a.png", b"x", is_native=True)
    assert re.fullmatch(r"file-[A-Za-z0-9]{24}", classic)
    assert re.fullmatch(r"file_[0-9a-f]{32}", native)
    assert files.find(classic).media_type == "image/png"


def test_a_file_belongs_to_its_owner() -> None:
    files = Files()
    stored = files.expect("me", "a.bin", 3)
    assert files.owned("me", stored.id) is stored
    assert files.owned("you", stored.id) is None


def test_the_first_time_that_a_path_is_asked_for_is_told() -> None:
    files = Files()
    assert files.is_first_ask("m", "p")
    assert not files.is_first_ask("m", "p")


def test_the_oldest_files_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upstream.demo.scenes.files.KEPT_BYTES", 10)
    files = Files()
    first, second = (files.make("me", "a.bin", b"123456") for _ in range(2))
    assert files.find(first) is None
    assert files.find(second) is not None
