from aiohttp.test_utils import make_mocked_request

from handlers.edge.links import api_base, caller_address, public_url
from service.settings.config import ServerConfig
from tests.rows import each_row


def url(
    remote: str = "127.0.0.1", settings: dict[str, object] | None = None, **headers: str
) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("GET", "/", headers=named).clone(remote=remote)
    return public_url(request, ServerConfig(**(settings or {})))


@each_row(("prefix", "base"), [("", ""), ("secret", "/secret"), ("/a/b/", "/a/b"), ("/", "")])
def test_the_api_is_under_its_prefix(prefix: str, base: str) -> None:
    assert api_base(ServerConfig(api_prefix=prefix)) == base


def test_the_setting_goes_first() -> None:
    settings = {"public_url": "https://pub.example/base/"}
    assert url(settings=settings, Host="x.example", X_Forwarded_Host="y") == (
        "https://pub.example/base"
    )


def test_the_requests_host_is_next() -> None:
    assert url(Host="gw.example:33333") == "http://gw.example:33333"
    assert url(Host="[::1]:33333") == "http://[::1]:33333"


@each_row("host", ["a b", 'a"><script>', "a/b", "user@evil", "", "a:b", "x" * 300])
def test_a_host_that_is_none_is_not_repeated(host: str) -> None:
    assert url(Host=host) == "http://localhost:33333"
    assert url(Host="gw.example", X_Forwarded_Host=host) == "http://gw.example"


@each_row(
    ("headers", "expected"),
    [
        ({"X_Forwarded_Proto": "https"}, "https://gw.example"),
        ({"X_Forwarded_Host": "pub.example"}, "http://pub.example"),
        ({"X_Forwarded_Prefix": "/gw/"}, "http://gw.example/gw"),
        ({"X_Forwarded_Prefix": "/a/b"}, "http://gw.example/a/b"),
        ({"X_Forwarded_Prefix": "//evil.example"}, "http://gw.example"),
        ({"X_Forwarded_Prefix": "/a?b"}, "http://gw.example"),
        ({"X_Forwarded_Proto": "https, http", "X_Forwarded_Host": "a, b"}, "https://a"),
        ({"X_Forwarded_Proto": "javascript"}, "http://gw.example"),
        ({"Forwarded": "for=1.2.3.4;proto=https;host=pub.example"}, "https://pub.example"),
        ({"Forwarded": 'Host="pub.example:8443" ; Proto=HTTPS'}, "https://pub.example:8443"),
        ({"Forwarded": "host=a, host=b;proto=https"}, "http://a"),
        ({"Forwarded": "host=a", "X_Forwarded_Host": "b"}, "http://a"),
        ({"Forwarded": '"'}, "http://gw.example"),
    ],
)
def test_a_trusted_proxy_tells_the_callers_address(headers: dict[str, str], expected: str) -> None:
    assert url(Host="gw.example", **headers) == expected


@each_row(
    ("remote", "is_trusted"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.1.2.3", False),
        ("8.8.8.8", False),
        ("fe80::1%eth0", False),
        ("nonsense", False),
        ("", True),  # a Unix socket
    ],
)
def test_others_are_not_believed(remote: str, is_trusted: bool) -> None:
    found = url(remote, Host="gw.example", X_Forwarded_Host="pub.example")
    assert found == ("http://pub.example" if is_trusted else "http://gw.example")


def test_the_trusted_networks_are_a_setting() -> None:
    settings = {"trusted_proxies": ["10.0.0.0/8"]}
    headers = {"Host": "gw.example", "X_Forwarded_Host": "pub.example"}
    assert url("10.1.2.3", settings, **headers) == "http://pub.example"
    assert url("127.0.0.1", settings, **headers) == "http://gw.example"


@each_row(
    ("remote", "headers", "address"),
    [
        ("8.8.8.8", {}, "8.8.8.8"),
        ("8.8.8.8", {"X_Forwarded_For": "1.2.3.4"}, "8.8.8.8"),  # not a trusted proxy
        ("127.0.0.1", {}, "127.0.0.1"),
        ("127.0.0.1", {"X_Forwarded_For": "1.2.3.4"}, "1.2.3.4"),
        (
            "127.0.0.1",
            {"X_Forwarded_For": "6.6.6.6, 1.2.3.4"},
            "1.2.3.4",
        ),  # the first is forged
        ("127.0.0.1", {"X_Forwarded_For": "1.2.3.4, 127.0.0.2"}, "1.2.3.4"),
        ("127.0.0.1", {"X_Forwarded_For": "1.2.3.4:5678"}, "1.2.3.4"),
        ("127.0.0.1", {"Forwarded": 'for=6.6.6.6, for="1.2.3.4:80";proto=https'}, "1.2.3.4"),
        ("127.0.0.1", {"Forwarded": 'For="[2001:db8:1:2:3::4]:80"'}, "2001:db8:1:2::/64"),
        ("127.0.0.1", {"X_Forwarded_For": "unknown"}, "unknown"),
        ("127.0.0.1", {"X_Forwarded_For": "a," * 1000 + "1.2.3.4"}, "1.2.3.4"),
        ("2001:db8:1:2:ffff::1", {}, "2001:db8:1:2::/64"),
        ("::ffff:8.8.8.8", {}, "8.8.8.8"),
        ("", {}, ""),
    ],
)
def test_the_address_of_a_caller_is_the_last_that_is_no_trusted_proxy(
    remote: str, headers: dict[str, str], address: str
) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("GET", "/", headers=named).clone(remote=remote)
    assert caller_address(request, ServerConfig()) == address
