"""Records of uploads: unguessable names, and which names count as one."""

import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from service.vocabulary.requests import LocalFile
from storage.files.upload_records import (
    checked_owner,
    decoded,
    is_alive,
    is_id,
    is_owner,
    kept_file,
    new_upload,
    newest_first,
)
from tests.rows import each_row

FILE = LocalFile(Path("x"), "a.txt", "text/plain", 5, "digest")


def test_an_id_cannot_be_guessed() -> None:
    ids = [new_upload(FILE, "vision", 60).id for _ in range(3000)]
    assert len(set(ids)) == 3000
    assert all(re.fullmatch(r"file-[A-Za-z0-9]{24}", one) and is_id(one) for one in ids)
    for place in zip(*(one.removeprefix("file-") for one in ids), strict=True):
        seen = Counter(place)  # each of 62 some 48 times: 143 bits in all
        assert len(seen) == 62
        assert max(seen.values()) < 150


@each_row("name", ["", "..", "incoming", "A" * 32, "a" * 31, "a" * 32 + "\n"])
def test_what_is_no_owner_is_refused(name: str) -> None:
    assert not is_owner(name)
    with pytest.raises(ValueError, match="owner"):
        checked_owner(name)


def test_a_record_that_cannot_be_read_counts_as_absent() -> None:
    upload = new_upload(FILE, "vision", 60)
    assert decoded(msgspec.json.encode(upload)) == upload
    assert [decoded(raw) for raw in (None, b"", b"{", b"{}", b"\xff")] == [None] * 5


def test_what_has_expired_is_not_listed() -> None:
    first, expired, last = (new_upload(FILE, "vision", seconds) for seconds in (60, -1, 60))
    assert newest_first([first, expired, last]) == [last, first]
    assert not is_alive(expired)
    assert not is_alive(None)
    assert kept_file("k", first).expires_at == first.expires_at
