"""Stored files: unguessable names, no half-written files, nothing kept too long."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.vocabulary.errors import StorageError, StorageFullError
from storage.files.blobs import FileBlobs, StoredBlob
from storage.files.retention import Swept
from tests.rows import each_row
from tests.storage.conftest import NoRoom

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def blobs(root: Path) -> FileBlobs:
    return FileBlobs(root)


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def left_in(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


async def test_a_body_is_found_under_the_name_that_save_returned(
    blobs: FileBlobs, root: Path
) -> None:
    name = await blobs.save("images", "cat.png", "image/png", body(PNG[:1000], PNG[1000:], b""))
    found = await blobs.find("images", name)
    assert found == StoredBlob(root / "images" / name, "image/png", is_inline=True)
    assert found.content.read_bytes() == PNG
    assert left_in(root) == [name]
    assert await blobs.find("files", name) is None


async def test_an_empty_body_is_a_file(blobs: FileBlobs) -> None:
    found = await blobs.find("files", await blobs.save("files", "a.txt", "text/plain", body()))
    assert found is not None
    assert found.content.read_bytes() == b""


async def test_names_never_repeat_and_cannot_be_guessed(blobs: FileBlobs) -> None:
    saves = (blobs.save("files", "same.txt", "text/plain", body(b"x")) for _ in range(50))
    names = await asyncio.gather(*saves)
    assert len(set(names)) == 50
    assert all(re.fullmatch(r"[0-9a-f]{32}\.txt", name) for name in names)


@each_row(
    ("name", "media_type", "extension"),
    [
        ("report.XLSX", "", ".xlsx"),
        ("archive.tar.gz", "application/gzip", ".gz"),
        ("../../etc/passwd", "text/plain", ".txt"),
        ("a/b\\c.p/../y", "", ""),
        ("x.ph\0p", "", ""),
        ("x.longerthanten", "text/csv", ".csv"),
        ("x.ünicode", "", ""),
        ("x.٣", "", ""),
        ("x. png", "image/png", ".png"),
        ("", "image/webp", ".webp"),
        ("", "IMAGE/PNG; charset=binary", ".png"),
        ("picture", "image/jpeg", ".jpg"),
        ("picture.jpeg", "image/jpeg", ".jpeg"),
        ("picture.dat", "image/png", ".png"),
        ("picture.html", "image/gif", ".gif"),
        ("page.html", "text/html", ".html"),
        (".png", "", ""),
        ("x.", "nonsense", ""),
        ("x", "text/plain", ".txt"),
        ("notes.md", "", ".md"),
    ],
)
async def test_of_the_given_name_only_a_sane_extension_is_kept(
    blobs: FileBlobs, name: str, media_type: str, extension: str
) -> None:
    stored = await blobs.save("files", name, media_type, body(b"x"))
    assert re.fullmatch(r"[0-9a-f]{32}" + re.escape(extension), stored)
    assert await blobs.find("files", stored) is not None


@each_row(
    ("name", "media_type", "is_inline"),
    [
        ("x.png", "image/png", True),
        ("x.jpg", "image/jpeg", True),
        ("x.jpeg", "image/jpeg", True),
        ("x.gif", "image/gif", True),
        ("x.webp", "image/webp", True),
        ("x.svg", "image/svg+xml", False),
        ("x.html", "text/html", False),
        ("x.pdf", "application/pdf", False),
        ("x.csv", "text/csv", False),
        ("x.gz", "application/octet-stream", False),
        ("x.svgz", "application/octet-stream", False),
        (
            "x.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            False,
        ),
        ("x.whatever", "application/octet-stream", False),
        ("x", "application/octet-stream", False),
    ],
)
async def test_only_pictures_may_be_shown_by_a_browser(
    blobs: FileBlobs, name: str, media_type: str, is_inline: bool
) -> None:
    found = await blobs.find("files", await blobs.save("files", name, "", body(b"x")))
    assert found is not None
    assert (found.media_type, found.is_inline) == (media_type, is_inline)


@each_row(
    "name",
    [
        "",
        ".",
        "..",
        "../state.db",
        "0" * 31 + ".png",
        "0" * 33,
        "0" * 32 + ".png\n",
        "0" * 32 + ".PNG",
        "0" * 32 + ".png.part",
        "." + "0" * 32 + ".part",
        "0" * 31 + "G",
        "0" * 31 + "٣",
        "%2e%2e%2fstate.db",
        "0" * 32 + "/../x",
        "0" * 32 + "\0",
    ],
)
async def test_a_name_that_was_never_made_finds_nothing(
    blobs: FileBlobs, root: Path, name: str
) -> None:
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "state.db").touch()
    for made in ("0" * 33, "0" * 32 + ".PNG", f".{'0' * 32}.part", "0" * 32 + ".png.part"):
        (root / "images" / made).touch()
    assert await blobs.find("images", name) is None


@pytest.mark.parametrize("folder", ["", ".", "..", "other", "images/../.."])
async def test_there_are_two_folders(blobs: FileBlobs, root: Path, folder: str) -> None:
    assert await blobs.find(folder, "0" * 32) is None
    with pytest.raises(ValueError, match="folder"):
        await blobs.save(folder, "x", "", body(b"x"))
    assert left_in(root.parent) == []


async def test_a_full_disk_is_a_storage_error_and_leaves_nothing(
    blobs: FileBlobs, root: Path, no_room: NoRoom
) -> None:
    with no_room(10_000):
        for chunks in ((b"x" * 20_000,), (b"x" * 5000,) * 3, (b"x" * 9000, b"x" * 1001)):
            with pytest.raises(StorageFullError, match="could not be stored") as caught:
                await blobs.save("files", "x.txt", "", body(*chunks))
            assert str(root) not in caught.value.message
    assert left_in(root) == []


async def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        await FileBlobs(tmp_path / "file").save("files", "x.txt", "", body(b"x"))


async def test_a_disk_that_takes_nothing_is_a_problem_until_it_does(
    blobs: FileBlobs, root: Path, no_room: NoRoom
) -> None:
    assert await blobs.problem() is None
    with no_room():
        problem = await blobs.problem()
    assert problem == "the disk of pictures and files cannot be written: File too large"
    assert await blobs.problem() is None
    assert left_in(root) == []


async def test_a_directory_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    problem = await FileBlobs(tmp_path / "file").problem()
    assert problem == "the disk of pictures and files cannot be written: Not a directory"


@pytest.mark.parametrize("error", [ConnectionResetError("cut"), LookupError("other")])
async def test_an_error_of_the_body_goes_through_and_leaves_nothing(
    blobs: FileBlobs, root: Path, error: Exception
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise error

    with pytest.raises(type(error)):
        await blobs.save("files", "x.txt", "", broken())
    assert left_in(root) == []


async def test_a_save_that_was_cancelled_leaves_nothing(blobs: FileBlobs, root: Path) -> None:
    has_begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        has_begun.set()
        await asyncio.sleep(60)

    saving = asyncio.ensure_future(blobs.save("files", "x.txt", "", endless()))
    await has_begun.wait()
    assert len(left_in(root)) == 1
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert left_in(root) == []


WRITING = """
import asyncio, pathlib, sys
from storage.files.blobs import FileBlobs

async def endless():
    while True:
        yield b"x" * 100_000
        print("written", flush=True)
        await asyncio.sleep(0.01)

asyncio.run(FileBlobs(pathlib.Path(sys.argv[1])).save("files", "x.txt", "", endless()))
"""


async def test_a_process_that_is_killed_leaves_nothing_that_can_be_found(
    blobs: FileBlobs, root: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITING, str(root)),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    process.kill()
    await process.communicate()
    (left,) = left_in(root)
    stem = left.removeprefix(".").removesuffix(".part")
    assert re.fullmatch(r"[0-9a-f]{32}", stem)
    for name in (left, stem, f"{stem}.part", f"{stem}.txt"):
        assert await blobs.find("files", name) is None
    long_ago = time.time() - 2 * 3600
    os.utime(root / "files" / left, (long_ago, long_ago))
    await blobs.sweep(30, 10**9)
    assert left_in(root) == []


# --- retention -------------------------------------------------------------------------


def make(root: Path, folder: str, name: str, days_old: float, size_bytes: int = 10) -> str:
    (root / folder).mkdir(parents=True, exist_ok=True)
    path = root / folder / name
    path.write_bytes(b"x" * size_bytes)
    then = time.time() - days_old * 86400
    os.utime(path, (then, then))
    return name


async def test_a_sweep_removes_what_is_too_old(blobs: FileBlobs, root: Path) -> None:
    make(root, "images", "1" * 32 + ".png", days_old=31)
    make(root, "files", "2" * 32, days_old=40)
    kept = make(root, "files", "3" * 32 + ".txt", days_old=29)
    assert await blobs.sweep(30, 10**9) == Swept(2, 20, 1, 10)
    assert left_in(root) == [kept]


async def test_a_sweep_removes_the_oldest_of_both_folders_until_it_fits(
    blobs: FileBlobs, root: Path
) -> None:
    make(root, "images", "1" * 32 + ".png", days_old=3, size_bytes=500)
    make(root, "files", "2" * 32, days_old=2, size_bytes=500)
    kept = [
        make(root, "images", "3" * 32 + ".png", days_old=1, size_bytes=500),
        make(root, "files", "4" * 32, days_old=0.5, size_bytes=500),
    ]
    assert await blobs.sweep(30, 1000) == Swept(2, 1000, 2, 1000)
    assert left_in(root) == kept
    assert await blobs.sweep(30, 1000) == Swept(0, 0, 2, 1000)


async def test_a_sweep_never_removes_a_file_under_a_minute_old(
    blobs: FileBlobs, root: Path
) -> None:
    name = await blobs.save("files", "x.txt", "", body(b"x" * 1000))
    assert await blobs.sweep(0.0001, 1) == Swept(0, 0, 1, 1000)
    assert left_in(root) == [name]


async def test_a_sweep_removes_temporary_files_that_nobody_writes(
    blobs: FileBlobs, root: Path
) -> None:
    make(root, "files", f".{'1' * 32}.part", days_old=0.1)
    kept = make(root, "files", f".{'2' * 32}.part", days_old=0.01)
    assert await blobs.sweep(0, 0) == Swept(1, 10, 1, 10)
    assert await blobs.sweep(30, 1) == Swept(0, 0, 1, 10)
    assert left_in(root) == [kept]


async def test_a_limit_of_zero_is_none_and_foreign_files_stay(blobs: FileBlobs, root: Path) -> None:
    assert await blobs.sweep(30, 10) == Swept(0, 0, 0, 0)
    kept = [
        make(root, "files", "1" * 32, days_old=1000),
        make(root, "files", "put-here-by-hand.txt", days_old=1000),
    ]
    assert await blobs.sweep(0, 0) == Swept(0, 0, 1, 10)
    assert left_in(root) == kept
    assert await blobs.sweep(30, 0) == Swept(1, 10, 0, 0)
    assert left_in(root) == kept[1:]


async def test_a_file_that_is_being_written_outlives_any_sweep(
    blobs: FileBlobs, root: Path
) -> None:
    async def swept_meanwhile() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        (part,) = (root / "files").iterdir()
        silent_since = time.time() - 600
        os.utime(part, (silent_since, silent_since))
        assert (await blobs.sweep(0.0001, 1)).removed_files == 0
        yield b"y"

    found = await blobs.find("files", await blobs.save("files", "x.txt", "", swept_meanwhile()))
    assert found is not None
    assert found.content.read_bytes() == b"x" * 100_000 + b"y"
