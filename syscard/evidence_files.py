"""Evidence that is a file: kept under its SHA-256 digest, so that who has the digest can tell it is the same."""

from __future__ import annotations

import hashlib
import os
import tempfile
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
    if not is_whole(path):
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


def is_whole(path: Path) -> bool:
    """Whether a file is there and is what its name says."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    except FileNotFoundError:
        return False
