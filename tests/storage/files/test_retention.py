"""What a sweep removes, oldest first."""

from storage.files.retention import KeptFile, Swept, due, swept

DAY = 86400.0
NOW = 1000 * DAY


def kept(key: str, days_old: float, size_bytes: int = 10, *, is_part: bool = False) -> KeptFile:
    return KeptFile(key, NOW - days_old * DAY, size_bytes, is_part=is_part)


def keys(files: list[KeptFile], keep_days: float, max_bytes: int) -> list[str]:
    return [file.key for file in due(files, keep_days, max_bytes, NOW)]


def test_the_oldest_go_first_until_the_rest_fits() -> None:
    files = [kept("c", 1), kept("a", 3), kept("b", 2)]
    assert keys(files, 30, 30) == []
    assert keys(files, 30, 29) == ["a"]
    assert keys(files, 30, 10) == ["a", "b"]
    assert keys(files, 2.5, 30) == ["a"]


def test_a_limit_of_zero_is_none() -> None:
    files = [kept("a", 900), kept("b", 1)]
    assert keys(files, 0, 0) == []
    assert keys(files, 30, 0) == ["a"]
    assert keys(files, 0, 15) == ["a"]


def test_what_is_young_or_being_written_stays() -> None:
    minute = 1 / 1440
    assert keys([kept("young", 0.9 * minute)], minute / 10, 1) == []
    assert keys([kept("part", 50 * minute, is_part=True)], minute, 1) == []
    assert keys([kept("left", 70 * minute, is_part=True)], 30, 0) == ["left"]


def test_what_another_process_removed_counts_as_gone_and_not_as_ours() -> None:
    found = [kept("a", 3, 1), kept("b", 2, 10), kept("c", 1, 100)]
    assert swept(found, found[:2], found[:1]) == Swept(1, 1, kept_files=1, kept_bytes=100)
