"""Text that grows: what of it the caller has not seen (spec 7.2, rewrite)."""

from itertools import takewhile

from service.vocabulary.text import Pieces, ends_in_half, join_surrogates


class Growth:
    """The text of one message; one instance per message id.

    What was given out is never withdrawn. A text that turns back (a replay after
    a hand-off, a truncation) gives nothing until it has caught up; one that
    turns into another gives what follows the common beginning, counted in
    `rewrites`. A high surrogate at the end waits for its other half.
    """

    def __init__(self) -> None:
        self.rewrites = 0
        self._given = ""  # the text that counts as seen
        self._pieces: Pieces | None = None  # seen as well, not yet joined to it
        self._behind: str | None = None  # the text now, where it is not what was given

    @property
    def text(self) -> str:
        """The text that counts as seen."""
        return self._joined()

    @property
    def is_level(self) -> bool:
        """Whether what was given out is all there is, so that more text is just that."""
        return self._behind is None

    def replace(self, text: str, *, is_final: bool = False) -> str:
        """Take the whole text as it is now and return its unseen end."""
        shown = text[:-1] if not is_final and ends_in_half(text) else text
        given = self._joined()
        self._behind = None if shown is text else text
        if shown.startswith(given):
            self._given = shown
            return shown[len(given) :]
        if given.startswith(shown):
            self._behind = text
            return ""
        self.rewrites += 1
        self._given = shown
        return shown[_common_chars(given, shown) :]

    def append(self, text: str) -> str:
        """Take text added to the end and return what of it is unseen."""
        if self._behind is not None or ends_in_half(text):
            now = self._joined() if self._behind is None else self._behind
            return self.replace(join_surrogates(now + text))
        if self._pieces is None:
            self._pieces = Pieces()
        self._pieces.add(text)
        return text

    def _joined(self) -> str:
        if self._pieces is not None:
            self._given += self._pieces.joined()
            self._pieces = None
        return self._given


def _common_chars(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
