"""Which stored pictures and files a sweep removes (spec 3, `files.keep_days`).

A file goes for one of three reasons, in this order:

1. It has expired (`expires_at`) or is older than `keep_days`. 2. It is a `.part` that has not
changed for an hour: its writer has died, for no download takes as
   long.
3. The store is over `max_bytes`: then the oldest go until the rest fits.

Two kinds of file are always spared: files under a minute old, since an answer may just have linked
to them, and parts that are still being written. Removing a file is the only step; there is no list
of files beside the files themselves, so a sweep may stop anywhere, run on several machines at once,
and be repeated. A file that another sweep was quicker to remove is no error. Uploads are not
evicted by age alone but from whoever holds most (`eviction.py`); both use the records below.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

YOUNG_SECONDS = 60.0  # younger files are never swept: an answer may just have linked to them
STALE_SECONDS = 3600.0  # a part this old has lost its writer: no download takes as long
DAY_SECONDS = 86400.0


class KeptFile(Struct, frozen=True):
    """A file of a store; `key` is its path there, `is_part` says that it is still being written.

    Times are seconds since 1970.
    """

    key: str
    changed_at: float
    size_bytes: int
    is_part: bool = False
    expires_at: float = math.inf


class Swept(Struct, frozen=True):
    """The account of a sweep: what it removed and what it left."""

    removed_files: int
    removed_bytes: int
    kept_files: int
    kept_bytes: int


def due(
    files: Iterable[KeptFile], keep_days: float, max_bytes: int, now: float
) -> Iterator[KeptFile]:
    """Yield the files to remove: those past their time, then the oldest until the rest fits.

    A limit of 0 is no limit. Files under a minute old and files still being written stay.
    """
    by_age = sorted(files, key=lambda file: file.changed_at)
    left = sum(file.size_bytes for file in by_age)
    oldest = now - keep_days * DAY_SECONDS if keep_days else 0.0
    for file in by_age:
        if file.changed_at > now - YOUNG_SECONDS:
            break
        if file.is_part:
            is_due = file.changed_at < now - STALE_SECONDS
        else:
            is_old = file.changed_at < oldest or file.expires_at <= now
            is_due = is_old or 0 < max_bytes < left
        if is_due:
            left -= file.size_bytes
            yield file


def swept(found: Sequence[KeptFile], chosen: Sequence[KeptFile], gone: Sequence[KeptFile]) -> Swept:
    """Return the account of a sweep.

    Args:
        found: all files of the store.
        chosen: those that were due.
        gone: those that this sweep removed itself, not another process.
    """
    return Swept(
        removed_files=len(gone),
        removed_bytes=_size(gone),
        kept_files=len(found) - len(chosen),
        kept_bytes=_size(found) - _size(chosen),
    )


def _size(files: Iterable[KeptFile]) -> int:
    return sum(file.size_bytes for file in files)
