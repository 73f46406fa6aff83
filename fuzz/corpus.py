"""Inputs on disk: what a target begins with, and what of its findings is committed."""

import hashlib
from pathlib import Path

from fuzz import targets

COMMITTED = Path(__file__).parent / "corpus"
MAX_TARGET_INPUTS = 80
MAX_TARGET_BYTES = 48 * 1024  # of one target's folder: all of them stay under 1 MB


def committed(name: str) -> dict[str, bytes]:
    """Return the committed inputs of a target, by file name."""
    folder = COMMITTED / name
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.read_bytes() for path in found}


def inputs(name: str) -> dict[str, bytes]:
    """Return all that a target begins with: its seeds and the committed inputs."""
    return {**targets.load(name).seeds(), **committed(name)}


def write(folder: Path, found: dict[str, bytes]) -> None:
    """Write inputs as libFuzzer reads them, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in found.values():
        (folder / digest(data)).write_bytes(data)


def keep(name: str, grown: Path) -> int:
    """Commit what a run has found, as much as there is room for; return how many bytes that is.

    Which they are is decided by their digests, so that small and large ones are among them.
    """
    known = {digest(data) for data in targets.load(name).seeds().values()}
    every = {digest(data): data for data in committed(name).values()}
    every |= {path.name: path.read_bytes() for path in sorted(grown.iterdir())}
    folder, size = COMMITTED / name, 0
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    new = sorted((key, data) for key, data in every.items() if key not in known)
    for key, data in new[:MAX_TARGET_INPUTS]:
        if size + len(data) <= MAX_TARGET_BYTES:
            (folder / key).write_bytes(data)
            size += len(data)
    return size


def digest(data: bytes) -> str:
    """Return the name that libFuzzer gives to an input."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def dictionary(name: str) -> str:
    """Return the target's words in libFuzzer's form."""
    words = targets.load(name).TOKENS
    return "".join(f'"{"".join(map(_escaped, word))}"\n' for word in words)


def _escaped(byte: int) -> str:
    return f"\\x{byte:02x}"
