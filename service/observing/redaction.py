"""Replaces what looks like a secret in log lines: the last defence.

Code that logs leaves tokens out by itself; this catches secrets that a library puts into an
exception or a traceback.
"""

import re

REDACTED = "[redacted]"
_NAMES = r"(?:(?:refresh|access|id|session|bearer)[\s_-]?token|api[_-]?key|authorization|password|secret|gpts_key|(?<![a-z_-])token)"
SECRET_NAME = re.compile(rf"(?i).*{_NAMES}")
_PATTERNS = (
    re.compile(r"eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*()"),  # a JWT, and the start of one
    re.compile(r"(?i)\b(bearer\s+)[^\s\"'\\,;<>]+"),
    # An assignment, as written in code, JSON (escaped or not), a form or a query.
    re.compile(
        rf"(?i)({_NAMES}\\*[\"']?\s*[:=]>?\s*(?P<slashes>\\{{1,8}})?(?:[bru]{{0,2}}(?P<quote>[\"']))?(?:basic\s+)?)"
        r"(?!bearer\b)"
        # Up to the quote that was opened, spaces too; else one word.
        r"(?(quote)(?(slashes)(?:(?!(?P=slashes)(?P=quote))[^\n])+|(?:\\.|(?!(?P=quote))[^\\\n])+)"
        r"|[^\s\"'\\,;&<>)}]+)"
    ),
    re.compile(r"(://)[^/\s@\"']*(?=@)"),  # the user and password of an address
    re.compile(r"\b()(?:fk|pk|sk|rt)[-_][A-Za-z0-9_-]{16,}"),
)
# Each pattern needs one of these signs, or the word; most texts have none and skip the patterns.
_SIGNS = (":", "=", "eyJ", "k-", "k_", "rt-", "rt_")
_BEARER = "bearer"


def has_signs(text: str) -> bool:
    """Tell whether a text, or several put together, may hold anything that `redact` replaces."""
    for sign in _SIGNS:
        if sign in text:
            return True
    return _BEARER in text.lower()


def redact(text: str) -> str:
    """Return the text without JWTs, bearer tokens, assigned secrets and passwords in URLs."""
    if not has_signs(text):
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{REDACTED}", text)
    return text
