"""Finds the ends of sandbox links in a text (protocol 5.5), looking at each character once.

A text may consist of nothing but beginnings of links; searching for the end of each one anew would
take quadratic time.

    [data](sandbox:/mnt/data/a (1).csv)     up to the parenthesis that closes the target
    sandbox:/mnt/data/a.csv. Or             up to what cannot be part of a path
"""

import re
from collections import deque

TARGET, BARE = "](sandbox:", "sandbox:"
MAX_PATH_CHARS = 1024
_MAX_KEPT = 4 * MAX_PATH_CHARS  # ends that were not asked for yet
_TARGET_MARK = re.compile(r"[()\n]")
_PATH_END = re.compile(r"[\s()\[\]<>{}\"'`|*，。；：！？、（）【】「」『』《》“”]")
_SENTENCE_END = ".,;:!?"


class LinkEnds:
    """The ends of the links in a growing text, asked for in order; text before them is dropped."""

    def __init__(self) -> None:
        self._text = ""
        self._read = 0  # parentheses before this place have been followed
        self._depth = 0
        self._open: deque[tuple[int, int]] = deque()  # open targets: place and depth
        self._closed: dict[int, int] = {}  # by opening; 0: the line ends first
        self._searched = 0  # no path ends before this place,
        self._path_end = -1  # except here

    def look_at(self, text: str) -> None:
        """Take the current text, which only grows."""
        self._text = text

    def drop(self, count: int) -> None:
        """Forget the beginning of the text."""
        if count >= max(self._read, self._searched):
            self._read = self._searched = 0
            self._open.clear()
            self._closed.clear()
            self._path_end = -1
            return
        self._read = max(0, self._read - count)
        self._searched = max(0, self._searched - count)
        self._path_end = max(-1, self._path_end - count)
        self._open = deque((at - count, depth) for at, depth in self._open if at >= count)
        closed = self._closed.items()
        self._closed = {at - count: end and end - count for at, end in closed if at >= count}

    def of_target(self, at: int) -> int | None:
        """Return the place of the parenthesis that closes the target at `at`; None: not known yet.

        0 means that there is none: the line ends first, or the path is too long.
        """
        opened = at + 1
        limit = opened + MAX_PATH_CHARS + len(BARE)
        while self._open and self._open[0][0] < opened:
            self._open.popleft()
        if len(self._closed) > _MAX_KEPT:
            self._closed = {each: end for each, end in self._closed.items() if each >= opened}
        while opened not in self._closed:
            found = _TARGET_MARK.search(self._text, max(self._read, opened), limit)
            if found is None:
                self._read = max(self._read, min(limit, len(self._text)))
                return 0 if len(self._text) >= limit else None
            self._read = found.end()
            self._take(found[0], found.start())
        closed = self._closed.pop(opened)
        return closed if closed < limit else 0

    def _take(self, mark: str, place: int) -> None:
        if mark == "\n":
            self._closed.update((opened, 0) for opened, _ in self._open)
            self._open.clear()
            self._depth = 0
        elif mark == "(":
            self._depth += 1
            if self._text.startswith("](", place - 1):  # the rest may not have arrived yet
                self._open.append((place, self._depth))
        else:
            if self._open and self._open[-1][1] == self._depth:
                self._closed[self._open.pop()[0]] = place
            self._depth -= 1

    def of_path(self, at: int) -> int | None:
        """Return the end of the bare link at `at`; None: not known yet; 0: the path is too long."""
        limit = at + len(BARE) + MAX_PATH_CHARS
        if self._path_end < at:
            begin = max(self._searched, at + len(BARE))
            found = _PATH_END.search(self._text, begin, limit)
            self._searched = found.start() if found else max(begin, min(limit, len(self._text)))
            if found is None:
                return 0 if len(self._text) >= limit else None
            self._path_end = found.start()
        return self._path_end if self._path_end < limit else 0


def without_sentence_end(link: str) -> str:
    """Return a bare link without the punctuation that ends its sentence."""
    return link.rstrip(_SENTENCE_END)
