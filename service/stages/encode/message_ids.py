"""Ids of calls and signatures of thoughts in the Messages dialect: both can be told again.

An id of a call may have letters, digits, `_` and `-` only, and be used once in a conversation. So
it is the upstream's id in Base64, and characters of its own that are cut off on return; ids that
are not of this form are a caller's own, and stay as they are:

    call_a|b:1   toolu_Y2FsbF9hfGI6MQ-x41f09b2c00

A signature says whose it is, and holds what the upstream takes back, if it gave anything.
"""

import base64
import binascii
import re

_TOOL_ID = re.compile(r"toolu_([A-Za-z0-9_-]+)-x[0-9a-f]{8,}")
_TAIL_CHARS = 8
# "backend-to-v1:" in Base64, so that a whole signature is Base64, as others are.
SIGNATURE_PREFIX = "YmFja2VuZC10by12MTo6"


def tool_use_id(call_id: str, message_id: str, index: int) -> str:
    """Return what a call is known by to a caller.

    Args:
        call_id: the upstream's.
        message_id: of the answer; it ends in random hexadecimal digits.
        index: of the call in its answer.
    """
    encoded = base64.urlsafe_b64encode(call_id.encode("utf-8", "surrogatepass")).decode()
    return f"toolu_{encoded.rstrip('=')}-x{message_id[-_TAIL_CHARS:]}{index:02x}"


def upstream_call_id(tool_id: str) -> str:
    """Return the upstream's id of a call, or the caller's own id as it is."""
    found = _TOOL_ID.fullmatch(tool_id)
    if found is None:
        return tool_id
    encoded = found[1]
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return tool_id


def signature_of(sealed: str) -> str:
    """Return the signature of a thought; `sealed` is what the upstream takes back, or empty."""
    return SIGNATURE_PREFIX + sealed


def sealed_in(signature: str) -> str:
    """Return what the upstream takes back; nothing of a signature that is not from here."""
    is_own = signature.startswith(SIGNATURE_PREFIX)
    return signature.removeprefix(SIGNATURE_PREFIX) if is_own else ""
