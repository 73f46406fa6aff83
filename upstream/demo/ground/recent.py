"""What is remembered for a while, since load tests run for long and all is in memory."""

from typing import TypeVar

from typing_extensions import override

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(dict[Key, Value]):
    """A dict of at most so many entries, which forgets the one that was new first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    @override
    def __setitem__(self, key: Key, value: Value) -> None:
        """Set an entry, and forget the oldest one if there are too many."""
        super().__setitem__(key, value)
        if len(self) > self._most:
            del self[next(iter(self))]
