"""The files of a snapshot: named by the version of the card, written whole or not at all, and sealed together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from syscard.signatures import Signing, sealed

SUFFIXES: Final = ("md", "json", "html", "pdf")
ENVELOPE: Final = "dsse.json"


def name_of(version: int, suffix: str) -> str:
    """`v7.pdf`."""
    return f"v{version}.{suffix}"


def sha256(content: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def seal(version: int, contents: Mapping[str, bytes], predicate: Mapping[str, Any], key: Signing) -> bytes:
    """The signed envelope over the files of one card version.

    Args:
        version: of the card.
        contents: what is in each, by suffix.
        predicate: what is said of them.
        key: signs.
    """
    subjects = {name_of(version, suffix): sha256(content) for suffix, content in contents.items()}
    return sealed(key, subjects, predicate)


def put(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files by their names; each appears whole, and is on the disk before its name is.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_put(folder / name, content) for name, content in contents.items())


def _put(path: Path, content: bytes) -> Path:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")  # two processes may write the same copies
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return path
