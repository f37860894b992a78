"""The home's secret key for fingerprints and user keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from syscard.errors import TraceError

FILE: Final = "fingerprint.key"
SIZE: Final = 32


def load_or_make(path: Path) -> bytes:
    """The 32 bytes in the file; made at random, mode 0600, where there is none.

    Two processes that start at once end up with the same key: the file appears whole, under its name, or not at all.

    Raises:
        TraceError: the file cannot be made or read, or is no key.
    """
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise TraceError(f"key {path}: {error.strerror}: check who owns the home") from error
    if len(key) != SIZE:
        raise TraceError(
            f"key {path} is damaged ({len(key)} bytes, not {SIZE}): put the copy back; a new one breaks joins"
        )
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, os.urandom(SIZE))
        os.fsync(handle)
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its key is the key
    finally:
        os.close(handle)
        draft.unlink(missing_ok=True)
