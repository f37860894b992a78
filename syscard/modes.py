"""Who may read what syscard writes: in a home its owner and nobody else, elsewhere whoever the umask lets.

Most files of a home are made by SQLite and by the lake's library, which take no mode from us. So the umask itself is
set, once, where the program begins: it reaches them, every thread, and every process that is started.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FOLDER: Final = 0o700
FILE: Final = 0o600
_OTHERS: Final = 0o077
_at_start: int | None = None
"""The umask with which the program was started; None where it has not been touched."""


@contextmanager
def owner_only() -> Iterator[None]:
    """Within, everything that this process and its children make is for its owner only."""
    global _at_start  # noqa: PLW0603 - the umask is the process's own, too
    _at_start = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(_at_start)
        _at_start = None


@contextmanager
def for_others() -> Iterator[None]:
    """Within, files have the modes that the user's umask gives: those that the user names, outside the home.

    Nothing else may be made meanwhile by another thread.
    """
    if _at_start is None:
        yield
        return
    inside = os.umask(_at_start)
    try:
        yield
    finally:
        os.umask(inside)


def close_to_others(path: Path) -> None:
    """Take a file or folder that is there from everybody but its owner."""
    path.chmod(FOLDER if path.is_dir() else FILE)
