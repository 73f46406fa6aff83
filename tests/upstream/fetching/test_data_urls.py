import pytest

from tests.rows import each_row
from upstream.fetching.data_urls import DataUrl, DataUrlError, decode


@each_row(
    ("url", "content", "kind"),
    [
        ("data:image/png;base64,aGk=", b"hi", "image/png"),
        ("DATA:Image/PNG;charset=utf-8;BASE64,aGk=", b"hi", "image/png"),
        ("data:;base64,aGk=", b"hi", None),
        ("data:;base64,aG\n k=\r\n", b"hi", None),
        ("data:text/plain,a%20b+c", b"a b+c", "text/plain"),
        ("data:,%E4%BD%A0", "你".encode(), None),
        ("data:text/plain;charset=utf-8,你", "你".encode(), "text/plain"),
        ("data:nonsense;base64,aGk=", b"hi", None),
        ("data:,", b"", None),
        ("data:a/b;base64,", b"", "a/b"),
    ],
)
def test_a_data_url_is_decoded(url, content, kind):
    assert decode(url, 100) == DataUrl(content, kind)


@each_row(
    "url",
    [
        "data:image/png;base64",
        "aGk=",
        "http://x/",
        "data:image/png;base64,aGk",
        "data:image/png;base64,a-_=",
        "data:image/png;base64,aGk=aGk=",
        "data:image/png;base64,a%47k=",
        "data:image/png;base64,äöü=",
        "data:text/plain,100%",
        "data:text/plain,%zz",
        "data:text/plain,\ud800",
        "data:" + "x" * 600 + ",a",
    ],
)
def test_a_damaged_data_url_is_an_error(url):
    with pytest.raises(DataUrlError):
        decode(url, 100)


@each_row(
    "url",
    ["data:;base64," + "QUFB" * 34, "data:;base64," + "QUFB" * 33 + "QUE=", "data:," + "x" * 101],
)
def test_content_over_the_limit_is_an_error(url):
    with pytest.raises(DataUrlError, match="over the limit of 100 bytes"):
        decode(url, 100)


def test_content_of_just_the_limit_is_taken():
    assert len(decode("data:;base64," + "QUFB" * 33 + "QQ==", 100).content) == 100
