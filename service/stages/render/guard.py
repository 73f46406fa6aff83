"""Rendered -> Rendered: the last guard against private-use marks (spec 7.2).

The stages before it should leave none. Marks that they miss, or that come in unexpected places,
such as the title of a page or the words of an error, are removed here and counted.
"""

import operator
from typing import Any

import msgspec
from msgspec import Struct, structs

from service.vocabulary.rendered import ContentText, Rendered
from service.vocabulary.text import has_private_use, without_private_use

REMOVED = "private-use character"  # the kind of unknown event


_ENCODER = msgspec.json.Encoder(enc_hook=repr)
_FIRST_BYTE = 0xEE  # of each mark in UTF-8, and of few other characters


def _may_have_marks(piece: Rendered) -> bool:
    """Look for marks by one look at all of a piece: a walk through its fields takes ten times as long."""
    try:
        return _FIRST_BYTE in _ENCODER.encode(piece)
    except UnicodeEncodeError:  # a lone surrogate
        return True


class Guard:
    """Removes the marks from pieces; `removed` counts them."""

    def __init__(self) -> None:
        self.removed = 0

    def feed(self, piece: Rendered) -> Rendered:
        """Return a piece without marks; without any in it, the piece itself."""
        if type(piece) is ContentText:
            if not has_private_use(piece.text):
                return piece  # nearly all pieces
        elif not _may_have_marks(piece):
            return piece
        cleaned: Rendered = self._cleaned(piece)
        return cleaned

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value) if has_private_use(value) else value
        if isinstance(value, tuple | list):
            cleaned = type(value)(map(self._cleaned, value))
            return value if all(map(operator.is_, cleaned, value)) else cleaned
        if isinstance(value, dict):
            told = {self._cleaned(key): self._cleaned(each) for key, each in value.items()}
            return value if told == value else told
        if isinstance(value, Struct):
            fields = {name: self._cleaned(field) for name, field in structs.asdict(value).items()}
            changed = {name: new for name, new in fields.items() if new is not getattr(value, name)}
            return structs.replace(value, **changed) if changed else value
        return value

    def _text(self, text: str) -> str:
        shown, count = without_private_use(text)
        self.removed += count
        return shown
