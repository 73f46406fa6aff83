"""Inputs on disk: those that a target starts with, and the findings that are committed."""

import hashlib
from pathlib import Path

from fuzz import targets

COMMITTED = Path(__file__).parent / "corpus"
MAX_TARGET_INPUTS = 80
MAX_TARGET_BYTES = 48 * 1024  # of one target's folder, so that all stay under 1 MB


def committed(name: str) -> dict[str, bytes]:
    """Return the committed inputs of a target, by file name."""
    folder = COMMITTED / name
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.read_bytes() for path in found}


def inputs(name: str) -> dict[str, bytes]:
    """Return the inputs that a target starts with: its seeds and the committed inputs."""
    return {**targets.load(name).seeds(), **committed(name)}


def write(folder: Path, found: dict[str, bytes]) -> None:
    """Write each input into a file of its own, as libFuzzer reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in found.values():
        (folder / digest(data)).write_bytes(data)


def keep(name: str, grown: Path) -> int:
    """Replace the committed inputs by those of a run, as many as fit; return their bytes.

    They are chosen by their digests, so that small and large ones are among them.
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
    """Return libFuzzer's name of an input, its SHA-1."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def dictionary(name: str) -> str:
    """Return the target's tokens in libFuzzer's format, one quoted and escaped token per line."""
    words = targets.load(name).TOKENS
    return "".join(f'"{"".join(map(_escaped, word))}"\n' for word in words)


def _escaped(byte: int) -> str:
    return f"\\x{byte:02x}"
