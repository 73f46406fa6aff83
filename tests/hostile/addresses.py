"""Addresses that a gateway is told to fetch from, and must not."""

from tests.hostile.case import Hostile, Section, asked, short
from tests.upstream.fetching.test_fetch import HOSTILE_HOSTS, HOSTILE_LINKS

PORT = "{port}"  # one that the bench listens at, on every address of loopback
NO_HOST = ("http:///127.0.0.1:{port}", "http://", "http://[127.0.0.1]:{port}/", "http://[::1")
PARAM = "messages[0].content[0].image_url.url"


def _address(link: str) -> Hostile:
    part = {"type": "image_url", "image_url": {"url": link}}
    fields = {"messages": [{"role": "user", "content": [part]}]}
    why = "its host is not public, or is none" if _has_host(link) else "it is no address of the web"
    shown = short(ascii(link)[1:-1]).replace(PORT, "PORT")
    code = "invalid_attachment" if _has_host(link) else "invalid_request"
    return asked(shown, why, fields, status=400, code=code, param=PARAM, shown=shown)


def _has_host(link: str) -> bool:
    """Return whether this is an address of the web at all, as far as the request's reader sees."""
    return link.strip().lower().startswith("http://") and link not in NO_HOST


ADDRESSES = Section(
    "Addresses to fetch a picture from",
    "None of them gets a packet: only hosts whose every address is public are fetched from, "
    "resolved once, without a name or password in the address. The tests listen at the port on "
    "`127.0.0.1`, `127.0.0.2` and `::1`.",
    tuple(
        _address(link)
        for link in (*(f"http://{host}:{PORT}/" for host in HOSTILE_HOSTS), *HOSTILE_LINKS)
    ),
)
