"""What was done to what is kept: one JSON line each in `<home>/keeping.jsonl`. Never who a span was of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syscard.digest import iso
from syscard.home import Home

FILE = "keeping.jsonl"


def write(home: Home, at: datetime, did: str, **figures: Any) -> None:
    """Add a line, durably."""
    line = json.dumps({"at": iso(at), "did": did, **figures}, separators=(",", ":")) + "\n"
    handle = os.open(home.root / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def entries(home: Home) -> Iterator[dict[str, Any]]:
    """Every line, oldest first; one that a crash cut off is left out."""
    path = home.root / FILE
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def last(home: Home, did: str) -> dict[str, Any] | None:
    """The newest line of one kind."""
    return next((e for e in reversed(list(entries(home))) if e["did"] == did), None)
