"""Links that expire: they can be neither forged nor prolonged."""

import math
import re
import time
from urllib.parse import parse_qsl

import pytest

from storage.secrets import link_signer
from storage.secrets.cipher import Cipher, derived_key
from storage.secrets.link_signer import LinkSigner
from tests.rows import each_row

PATH = "images/0123456789abcdef0123456789abcdef.png"


def query_of(link: str) -> dict[str, str]:
    path, _, query = link.partition("?")
    assert path == PATH
    return dict(parse_qsl(query, strict_parsing=True))


def test_a_signed_link_is_good_for_as_long_as_was_said() -> None:
    signer = LinkSigner(b"secret", 60)
    link = signer.signed(PATH)
    assert re.fullmatch(re.escape(PATH) + r"\?e=\d{10}&s=[0-9a-f]{64}", link)
    assert 59 < signer.seconds_left(PATH, query_of(link)) <= 61


def test_every_process_with_the_same_secret_knows_the_link() -> None:
    query = query_of(LinkSigner(b"secret", 60).signed(PATH))
    assert LinkSigner(b"secret", 5).seconds_left(PATH, query) > 58
    assert LinkSigner(b"another", 60).seconds_left(PATH, query) == 0


def test_a_link_that_has_expired_is_good_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = LinkSigner(b"secret", 60)
    query = query_of(signer.signed(PATH))
    later = time.time() + 61
    monkeypatch.setattr(link_signer.time, "time", lambda: later)
    assert signer.seconds_left(PATH, query) == 0


def test_a_link_is_good_for_its_own_file_only() -> None:
    signer = LinkSigner(b"secret", 60)
    query = query_of(signer.signed(PATH))
    for other in (PATH.replace("images", "files"), PATH.replace("0", "1"), PATH + "\ud800", ""):
        assert signer.seconds_left(other, query) == 0


@each_row(
    "change",
    [
        {"e": "99999999999"},
        {"e": "-1"},
        {"e": "+9999999999"},
        {"e": "٩٩٩٩٩٩٩٩٩٩"},
        {"e": "9" * 5000},
        {"e": "1e12"},
        {"e": ""},
        {"s": ""},
        {"s": "0" * 64},
        {"s": "é" * 64},
        {"s": "\ud800"},
    ],
)
def test_a_changed_link_is_good_for_nothing(change: dict[str, str]) -> None:
    signer = LinkSigner(b"secret", 60)
    query = query_of(signer.signed(PATH))
    assert signer.seconds_left(PATH, query | change) == 0
    assert signer.seconds_left(PATH, change) == 0


def test_links_that_never_expire_are_plain() -> None:
    signer = LinkSigner(b"secret", 0)
    assert signer.signed(PATH) == PATH
    for query in ({}, query_of(LinkSigner(b"secret", 60).signed(PATH)), {"e": "1", "s": "x"}):
        assert signer.seconds_left(PATH, query) == math.inf


def test_the_key_of_links_is_not_the_one_of_tokens() -> None:
    keys = {derived_key(b"secret", purpose) for purpose in (b"one", b"two")}
    assert len(keys) == 2
    assert (
        Cipher(b"secret").decrypt(query_of(LinkSigner(b"secret", 9).signed(PATH))["s"].encode())
        is None
    )


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        LinkSigner(b"", 60)


def test_links_of_an_old_secret_are_good_until_they_expire() -> None:
    query = query_of(LinkSigner(b"old", 60).signed(PATH))
    signer = LinkSigner(b"new", 60, [b"older", b"old"])
    assert signer.seconds_left(PATH, query) > 58
    mine = query_of(signer.signed(PATH))
    assert LinkSigner(b"new", 60).seconds_left(PATH, mine) > 58
    assert LinkSigner(b"old", 60).seconds_left(PATH, mine) == 0
