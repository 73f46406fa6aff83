"""Ids of calls and signatures of reasoning in the Messages dialect; both can be decoded again.

An id of a call may contain only letters, digits, `_` and `-`, and must be unique in a conversation.
So it is the upstream's id in Base64, followed by unique characters that are cut off on return. Ids
that are not of this form are a caller's own, and stay unchanged:

    call_a|b:1   toolu_Y2FsbF9hfGI6MQ-x41f09b2c00

A signature says that it is from this gateway, and contains the encrypted reasoning, if there was
any.
"""

import base64
import binascii
import re

_TOOL_ID = re.compile(r"toolu_([A-Za-z0-9_-]+)-x[0-9a-f]{8,}")
_TAIL_CHARS = 8
# "backend-to-v1:" in Base64, so that the whole signature is Base64, as usual.
SIGNATURE_PREFIX = "YmFja2VuZC10by12MTo6"


def tool_use_id(call_id: str, message_id: str, index: int) -> str:
    """Return the id of a call for the caller.

    Args:
        call_id: the upstream's.
        message_id: of the answer; it ends in random hexadecimal digits.
        index: of the call in its answer.
    """
    encoded = base64.urlsafe_b64encode(call_id.encode("utf-8", "surrogatepass")).decode()
    return f"toolu_{encoded.rstrip('=')}-x{message_id[-_TAIL_CHARS:]}{index:02x}"


def upstream_call_id(tool_id: str) -> str:
    """Return the upstream's id of a call, or a caller's own id unchanged."""
    found = _TOOL_ID.fullmatch(tool_id)
    if found is None:
        return tool_id
    encoded = found[1]
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return tool_id


def signature_of(sealed: str) -> str:
    """Return the signature of reasoning; `sealed` is its encrypted form, or empty."""
    return SIGNATURE_PREFIX + sealed


def sealed_in(signature: str) -> str:
    """Return the encrypted reasoning in a signature; empty for a foreign signature."""
    is_own = signature.startswith(SIGNATURE_PREFIX)
    return signature.removeprefix(SIGNATURE_PREFIX) if is_own else ""
