"""Text that grows: what of it the caller has not seen (spec 7.2, rewrite)."""

from itertools import takewhile

from service.stages.text import ends_in_half, join_surrogates


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
        self._pieces: list[str] = []  # seen as well, not yet joined to it
        self._behind: str | None = None  # the text now, while it is shorter than what was given

    def replace(self, text: str, *, is_final: bool = False) -> str:
        """Take the whole text as it is now and return its unseen end."""
        if not is_final and ends_in_half(text):
            text = text[:-1]
        given = self._joined()
        if text.startswith(given):
            self._given, self._behind = text, None
            return text[len(given) :]
        if given.startswith(text):
            self._behind = text
            return ""
        self.rewrites += 1
        self._given, self._behind = text, None
        return text[_common_chars(given, text) :]

    def append(self, text: str) -> str:
        """Take text added to the end and return what of it is unseen."""
        if self._behind is not None or ends_in_half(text) or "\udc00" <= text[:1] <= "\udfff":
            return self._append_with_care(text)
        self._pieces.append(text)
        return text

    def _append_with_care(self, text: str) -> str:
        """Append where the text is behind, or where a character is cut in two."""
        now = self._joined() if self._behind is None else self._behind
        unseen = self.replace(whole := join_surrogates(now + text))
        if ends_in_half(whole):
            self._behind = whole
        return unseen

    def _joined(self) -> str:
        if self._pieces:
            self._given += "".join(self._pieces)
            self._pieces.clear()
        return self._given


def _common_chars(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
