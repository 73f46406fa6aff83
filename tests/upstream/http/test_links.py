import pytest
import yarl

from service.vocabulary.errors import UpstreamProtocolError
from tests.rows import each_row
from upstream.http.links import Links

ROOT = "http://up.example:8080/prefix-1234"
SIGNED = "https://files.oaiusercontent.com/file-A?se=2024-01-01T00%3A00%3A00Z&sig=a%2Fb%2B%3D"


def located(link, *, rewrite=None, root=ROOT, base="http://up.example:8080", referrer=None):
    found = Links.of(base, rewrite).locate(link, root, referrer)
    return str(found.url), found.is_own


@each_row(
    ("link", "url", "is_own"),
    [
        (SIGNED, SIGNED, False),
        ("/backend-api/estuary/content?id=1&sig=%2B", f"{ROOT}/backend-api/estuary/content?id=1&sig=%2B", True),
        ("backend-api/x", f"{ROOT}/backend-api/x", True),
        ("/prefix-1234/backend-api/x?a=1", f"{ROOT}/backend-api/x?a=1", True),
        ("http://up.example:8080/backend-api/x", "http://up.example:8080/backend-api/x", True),
        ("//cdn.example/x", "http://cdn.example/x", False),
        ("https://up.example:8080/x", "https://up.example:8080/x", False),
        ("http://up.example/x", "http://up.example/x", False),
        ("http://UP.example:8080/x", "http://UP.example:8080/x", True),
        ("http://up.example.evil.test:8080/x", "http://up.example.evil.test:8080/x", False),
        ("http://up.example:8080@evil.test/x", "http://evil.test/x", False),
        (
            "https://chatgpt.com/backend-api/estuary/content?id=f&ts=1&p=fs&sig=%2F",
            f"{ROOT}/backend-api/estuary/content?id=f&ts=1&p=fs&sig=%2F",
            True,
        ),
        ("https://chatgpt.com/other", "https://chatgpt.com/other", False),
        ("http://127.0.0.1:1/blob?x=a b", "http://127.0.0.1:1/blob?x=a+b", False),
    ],
)  # fmt: skip
def test_a_link_leads_where_it_says_and_only_the_own_origin_is_own(link, url, is_own):
    assert located(link) == (url, is_own)


def test_an_official_estuary_link_stays_when_the_upstream_is_official():
    link = "https://chatgpt.com/backend-api/estuary/content?id=1"
    assert located(link, base="https://chatgpt.com", root="https://chatgpt.com") == (link, True)


def test_without_a_prefix_a_relative_link_starts_at_the_base():
    base = "http://up.example:8080"
    assert located("/backend-api/x", root=base) == (f"{base}/backend-api/x", True)


def test_a_host_is_rewritten_and_the_signature_kept():
    rewrite = {"files.oaiusercontent.com": "files.pandoranext.com"}
    url, is_own = located(SIGNED, rewrite=rewrite)
    assert url == SIGNED.replace("files.oaiusercontent.com", "files.pandoranext.com")
    assert not is_own


def test_a_rewrite_may_name_a_port():
    assert located("http://a.test/x", rewrite={"a.test": "b.test:81"})[0] == "http://b.test:81/x"
    assert located("http://a.test:9/x", rewrite={"a.test:9": "b.test"})[0] == "http://b.test/x"


def test_a_relative_redirect_belongs_to_the_address_that_sent_it():
    referrer = yarl.URL("https://cdn.example/a/b")
    assert located("../c?q=1", referrer=referrer) == ("https://cdn.example/c?q=1", False)
    assert located("/c", referrer=referrer) == ("https://cdn.example/c", False)


@each_row(
    "link", ["ftp://x/y", "file:///etc/passwd", "data:text/plain,x", "javascript:1", "http://", "http://[::1", "http://a:99999/"]
)  # fmt: skip
def test_a_link_of_another_kind_is_a_fault_of_the_upstream(link):
    with pytest.raises(UpstreamProtocolError):
        located(link)


def test_an_empty_link_is_a_fault_of_the_upstream():
    with pytest.raises(UpstreamProtocolError):
        located(" ")
