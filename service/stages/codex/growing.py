"""Text of an output item that comes in pieces, and once more, whole, at its end (codex 3)."""

from service.vocabulary.text import Pieces, ends_in_half, join_surrogates


class GrowingText:
    """One text; what was given out is never withdrawn.

    `whole` is the text as an event of its own has told it; `chars` counts what was given out, and
    `is_rewritten` tells that the whole text was another one.
    """

    def __init__(self) -> None:
        self.whole: str | None = None
        self.chars = 0
        self.is_rewritten = False
        self._pieces = Pieces()
        self._half = ""  # a high surrogate, whose other half comes with the next piece

    def append(self, text: str) -> str:
        """Take the next piece and return what can be given out now."""
        if self._half:
            text = join_surrogates(self._half + text)
            self._half = ""
        if ends_in_half(text):
            self._half, text = text[-1], text[:-1]
        self._pieces.add(text)
        self.chars += len(text)
        return text

    def complete(self, whole: str | None = None) -> str:
        """Take the whole text and return its unseen end; without one, what was held back."""
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


def common_chars(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike, by halving what is left."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
