"""A growing text, and the part of it that the caller has not seen (spec 7.2, rewrite)."""

from service.vocabulary.text import Pieces, common_chars, ends_in_half, join_surrogates


class Growth:
    """The text of one message; one instance per message id.

    What was returned is never withdrawn. A text that goes back (a replay after a hand-off, a
    truncation) returns nothing until it has caught up. A text that changes returns what follows the
    common beginning, and counts in `rewrites`. A high surrogate at the end waits for its other
    half, until the text is final or the `rest` is wanted.
    """

    def __init__(self) -> None:
        self.rewrites = 0
        self._given = ""  # the text that counts as seen
        self._pieces: Pieces | None = None  # seen as well, but not yet joined to it
        self._half = ""  # a high surrogate after it
        self._replayed: int | None = None  # the length that is repeated now

    @property
    def text(self) -> str:
        """The text that counts as seen."""
        if self._pieces is not None:
            self._given += self._pieces.joined()
            self._pieces = None
        return self._given

    @property
    def is_level(self) -> bool:
        """Whether all of the text was returned, so that more text is simply new."""
        return self._replayed is None and not self._half

    def rest(self) -> str:
        """Return the high surrogate at the end, if there is one, which counts as seen from now on."""
        rest, self._half = self._half, ""
        self._given = self.text + rest
        return rest

    def replace(self, text: str, *, is_final: bool = False) -> str:
        """Take the whole current text and return its unseen end."""
        shown, self._half = text, ""
        if not is_final and ends_in_half(text):
            shown, self._half = text[:-1], text[-1]
        given = self.text
        if shown.startswith(given):
            self._replayed, self._given = None, shown
            return shown[len(given) :]
        if given.startswith(shown):
            self._replayed = len(shown)
            return ""
        return self._rewritten(given, shown)

    def append(self, text: str) -> str:
        """Take text added to the end and return its unseen part, at a cost that does not grow."""
        if self._half:
            text, self._half = join_surrogates(self._half + text), ""
        if ends_in_half(text):
            text, self._half = text[:-1], text[-1]
        if self._replayed is not None:
            text = self._replay(text, self._replayed)
        if text:
            if self._pieces is None:
                self._pieces = Pieces()
            self._pieces.add(text)
        return text

    def _replay(self, text: str, at: int) -> str:
        """Take text that repeats seen text; return the part beyond it."""
        given = self.text
        left = len(given) - at
        if given.startswith(text[:left], at):
            self._replayed = at + len(text) if len(text) < left else None
            return text[left:]
        unseen = self._rewritten(given, given[:at] + text)
        self._given = self._given[: len(self._given) - len(unseen)]  # it is added like any other
        return unseen

    def _rewritten(self, given: str, shown: str) -> str:
        self.rewrites += 1
        self._replayed, self._given = None, shown
        return shown[common_chars(given, shown) :]
