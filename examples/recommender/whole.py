"""Files and folders that appear whole under their name, or not at all, however many processes make them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """A place to write to; what is there when the block ends becomes the file or folder `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed and had this number
    try:
        yield draft
        if draft.is_dir() and path.is_dir():
            return  # another process was first
        draft.replace(path)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft)
        draft.unlink(missing_ok=True)
