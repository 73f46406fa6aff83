"""The text of an output item, which arrives in pieces and once more as a whole (codex 3)."""

from service.vocabulary.text import Pieces, common_chars, ends_in_half, join_surrogates


class GrowingText:
    """One text; what was returned is never withdrawn.

    `whole` is the text of an event that holds all of it; `chars` counts the characters returned,
    and `is_rewritten` tells that the whole text differed from the pieces.
    """

    def __init__(self) -> None:
        self.whole: str | None = None
        self.chars = 0
        self.is_rewritten = False
        self._pieces = Pieces()
        self._half = ""  # a high surrogate, whose other half comes with the next piece

    def append(self, text: str) -> str:
        """Add a piece; return the text that can be sent now."""
        if self._half:
            text = join_surrogates(self._half + text)
            self._half = ""
        if ends_in_half(text):
            self._half, text = text[-1], text[:-1]
        self._pieces.add(text)
        self.chars += len(text)
        return text

    def complete(self, whole: str | None = None) -> str:
        """Take the whole text and return the part not sent yet; without one, the held surrogate."""
        whole = self.whole if whole is None else whole
        if whole is None:
            rest = self._half
        else:
            given = self._pieces.joined()
            common = len(given)
            if not whole.startswith(given):
                common = common_chars(given, whole)
                self.is_rewritten = common < len(whole)
            rest = whole[common:]
        self._half = ""
        self._pieces.add(rest)
        self.chars += len(rest)
        return rest
