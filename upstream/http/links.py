"""Links in the upstream's answers: where they lead, and whether the bearer is sent (protocol 6.3).

A signed link of a third party must not get the bearer. An estuary link needs it, and names the
official host even when another server proxies the upstream.
"""

import re
from collections.abc import Mapping
from typing import Self

import yarl
from msgspec import Struct

from service.vocabulary.errors import UpstreamProtocolError

OFFICIAL_HOSTS = frozenset({"chatgpt.com", "www.chatgpt.com", "chat.openai.com"})
_NO_LINK = "The upstream named a download link that is neither http nor https."
_BACKEND_PATH = "/backend-api/"
# The characters that RFC 3986 allows in a URL. A link of these alone is used byte for byte, since a
# signature may cover its spelling.
_ENCODED = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")


class Link(Struct, frozen=True):
    """An address to fetch; `is_own` says that it is on the upstream's own origin."""

    url: yarl.URL
    is_own: bool


class Links(Struct, frozen=True):
    """Reads links for an upstream at `base` (its origin), with the operator's host rewrites."""

    base: yarl.URL
    host_rewrite: Mapping[str, str]

    @classmethod
    def of(cls, base_url: str, host_rewrite: Mapping[str, str] | None = None) -> Self:
        """Return the `Links` of a base address such as `https://chatgpt.com`."""
        return cls(yarl.URL(base_url), dict(host_rewrite or {}))

    def locate(self, link: str, root: str, referrer: yarl.URL | None = None) -> Link:
        """Return the address of a link and whether it is the upstream's own.

        Args:
            link: as the upstream wrote it.
            root: base and prefix of the route to use for the upstream's own paths.
            referrer: the address that redirected here, if one did.

        Raises:
            UpstreamProtocolError: it is no http or https link.
        """
        url = self._rewritten(self._absolute(link.strip(), yarl.URL(root), referrer))
        if self._is_official(url) and url.raw_path.startswith(_BACKEND_PATH):
            url = yarl.URL(f"{root}{url.raw_path_qs}", encoded=True)
        return Link(url, is_own=_origin(url) == _origin(self.base))

    def _absolute(self, link: str, root: yarl.URL, referrer: yarl.URL | None) -> yarl.URL:
        try:
            url = yarl.URL(link, encoded=bool(_ENCODED.fullmatch(link)))
            if not url.scheme and link:
                url = _joined(url, root, referrer)
            if url.scheme in ("http", "https") and url.host and url.port is not None:
                # aiohttp would send a user name in a link as credentials beside the bearer.
                return url.with_user(None).with_fragment(None)
        except ValueError as error:
            raise UpstreamProtocolError(_NO_LINK) from error
        raise UpstreamProtocolError(_NO_LINK)

    def _rewritten(self, url: yarl.URL) -> yarl.URL:
        target = self.host_rewrite.get(url.authority) or self.host_rewrite.get(url.host or "")
        if not target:
            return url
        host = yarl.URL(f"{url.scheme}://{target}")
        return url.with_host(host.host or "").with_port(host.explicit_port)

    def _is_official(self, url: yarl.URL) -> bool:
        return _origin(url)[1] in OFFICIAL_HOSTS and _origin(self.base)[1] not in OFFICIAL_HOSTS


def _origin(url: yarl.URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.host or "").lower(), url.port


def _joined(url: yarl.URL, root: yarl.URL, referrer: yarl.URL | None) -> yarl.URL:
    """Return the address of a link without a scheme, joined to the referrer or else to `root`."""
    if referrer is not None or url.absolute:
        return (referrer or root).join(url)
    path = f"/{url.raw_path.lstrip('/')}"
    if path.startswith(f"{root.raw_path.rstrip('/')}/"):
        return root.join(url.with_path(path, encoded=True, keep_query=True))
    query = f"?{url.raw_query_string}" if url.raw_query_string else ""
    return yarl.URL(f"{str(root).rstrip('/')}{path}{query}", encoded=True)
