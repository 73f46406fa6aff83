"""Which stored pictures and files have been kept long enough (spec 3, `files.keep_days`)."""

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

YOUNG_SECONDS = 60.0  # a file that was just linked to is not swept away
STALE_SECONDS = 3600.0  # a part this old belongs to nobody: no download takes so long
DAY_SECONDS = 86400.0


class KeptFile(Struct, frozen=True):
    """A file of a store; `key` is its path there, `is_part` says that it is being written.

    Times are seconds since 1970.
    """

    key: str
    changed_at: float
    size_bytes: int
    is_part: bool = False
    expires_at: float = math.inf


class Swept(Struct, frozen=True):
    """What a sweep removed, and what it left."""

    removed_files: int
    removed_bytes: int
    kept_files: int
    kept_bytes: int


def due(
    files: Iterable[KeptFile], keep_days: float, max_bytes: int, now: float
) -> Iterator[KeptFile]:
    """Yield what has expired or is older than `keep_days`, then the oldest until it fits.

    Either limit is off when it is 0. No file under a minute old goes, and none that is
    being written.
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
        found: all files that there were.
        chosen: those that were due.
        gone: those that this sweep removed; another process may have been quicker.
    """
    return Swept(
        removed_files=len(gone),
        removed_bytes=_size(gone),
        kept_files=len(found) - len(chosen),
        kept_bytes=_size(found) - _size(chosen),
    )


def _size(files: Iterable[KeptFile]) -> int:
    return sum(file.size_bytes for file in files)
