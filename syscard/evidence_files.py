"""Evidence that is a file: kept under its SHA-256 digest, so that who has the digest can tell it is the same."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from syscard.modes import FOLDER


class Kept(NamedTuple):
    """One file of evidence."""

    path: Path
    digest: str


def keep(folder: Path, content: bytes, suffix: str) -> Kept:
    """Write a file whole or not at all, for its owner only; one that is there already is the same and stays.

    Args:
        folder: made where it is missing.
        content: what is written.
        suffix: behind the digest in its name, as `.json`.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{digest}{suffix}"
    folder.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    if is_whole(path):
        os.utime(path)  # evidence that was made again is new
    else:
        handle, draft = tempfile.mkstemp(prefix=f".{digest[:16]}", suffix=".partial", dir=folder)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
    return Kept(path, digest)


class LetGo(NamedTuple):
    """One file of evidence that is not kept any more; its digest stays where it is named."""

    digest: str
    bytes: int


def let_go(folder: Path, suffix: str, newest: int, needed: Collection[str]) -> tuple[LetGo, ...]:
    """Remove evidence of one kind, but for the newest files and those that are needed.

    Args:
        folder: where it is; need not be there.
        suffix: of its names, as `.html`.
        newest: how many stay.
        needed: digests of those that stay however old they are.
    """
    files = [(path, path.stat()) for path in folder.glob(f"*{suffix}") if not path.name.startswith(".")]
    by_age = sorted(files, key=lambda file: (file[1].st_mtime_ns, file[0].name), reverse=True)
    going = [(path, stat.st_size) for path, stat in by_age[newest:] if path.stem not in needed]
    for path, _ in going:
        path.unlink(missing_ok=True)
    return tuple(LetGo(path.stem, size) for path, size in going)


def is_whole(path: Path) -> bool:
    """Whether a file is there and is what its name says."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    except FileNotFoundError:
        return False
