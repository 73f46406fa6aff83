"""Links to stored pictures and files that expire (`files.link_seconds`).

    images/0f3c….png?e=1767225600&s=9d1e…

`e` is the expiry in seconds since 1970, `s` the HMAC-SHA256 of `images/<name>/<e>` in hexadecimal.
"""

import hmac
import math
import time
from collections.abc import Mapping, Sequence

from storage.secrets.cipher import derived_key

_PURPOSE = b"backend-to-v1 links"
_MAX_DIGITS = 12


class LinkSigner:
    """Signs links with a key derived from the secret that also seals stored tokens.

    Args:
        secret: shared by all workers, and by all machines that serve each other's links.
        seconds: how long a link is valid; 0 signs nothing, and links never expire.
        old_secrets: links signed with these stay valid until they expire.

    Raises:
        ValueError: the secret is empty.
    """

    def __init__(self, secret: bytes, seconds: float, old_secrets: Sequence[bytes] = ()) -> None:
        self._key, *self._old = (derived_key(one, _PURPOSE) for one in (secret, *old_secrets))
        self._seconds = seconds

    def signed(self, path: str) -> str:
        """Return the end of a link, signed, for the path `images/<name>` or `files/<name>`."""
        if not self._seconds:
            return path
        expiry = str(math.ceil(time.time() + self._seconds))
        return f"{path}?e={expiry}&s={_signature(self._key, path, expiry)}"

    def seconds_left(self, path: str, query: Mapping[str, str]) -> float:
        """Return the seconds for which a link is valid: 0 if it is not, `inf` if none expire."""
        if not self._seconds:
            return math.inf
        expiry, signature = query.get("e", ""), query.get("s", "")
        if not (expiry.isascii() and expiry.isdigit() and len(expiry) <= _MAX_DIGITS):
            return 0.0
        given = signature.encode("utf-8", "replace")
        expected = [_signature(key, path, expiry).encode() for key in (self._key, *self._old)]
        if not any(hmac.compare_digest(one, given) for one in expected):
            return 0.0
        return max(0.0, int(expiry) - time.time())


def _signature(key: bytes, path: str, expiry: str) -> str:
    return hmac.digest(key, f"{path}/{expiry}".encode("utf-8", "replace"), "sha256").hex()
