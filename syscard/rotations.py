"""Under which key something was hashed: told from when it was received. Nothing here reads a key.

A key that is no longer used bears the moment of its end in its name, `fingerprint.until-<microseconds>.key`; when it is
destroyed, an empty `.gone` of the same name stays. So the rotations of a home are known for good, oldest first, and
the n-th key is that of what was received from the n-th rotation on (the 0-th before any).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

FILE: Final = "fingerprint.key"
"""The key in use."""
NOT_COMPARABLE: Final = "not comparable across a key rotation"
_ENDED: Final = re.compile(r"fingerprint\.until-(\d{1,17})\.(?:key|gone)")
_MARK: Final = re.compile(r"#[0-9a-f]{12}\b")


def ended(keys: Path, until_us: int) -> Path:
    """Where a key is kept whose use ended."""
    return keys / f"fingerprint.until-{until_us:017d}.key"


def rotations(keys: Path) -> tuple[int, ...]:
    """When the key was changed, in microseconds since the epoch, oldest first; empty where it never was.

    A rotation that was cut off before the new key was in use is none: the old one still bears both names.
    """
    named = ((path, _ENDED.fullmatch(path.name)) for path in keys.glob("fingerprint.until-*"))
    return tuple(sorted({int(found[1]) for path, found in named if found and not is_in_use(path)}))


def is_in_use(path: Path) -> bool:
    """Whether a key that is named as an old one is still the one in use."""
    current = path.with_name(FILE)
    return current.is_file() and current.samefile(path)


def key_number(rotated: Sequence[int], received_us: int) -> int:
    """Which key was in use when something was received: the n-th since the home was made, from 0.

    >>> [key_number((100, 200), us) for us in (99, 100, 250)]
    [0, 1, 2]
    """
    return bisect_right(rotated, received_us)


def has_mark(values: Iterable[object]) -> bool:
    """Whether words of which only a keyed hash (`#` and 12 hex digits) is kept are among some values."""
    return any(isinstance(value, str) and _MARK.search(value) for value in values)


def comparable(keys: Collection[int], others: Collection[int] = ()) -> bool:
    """Whether what was hashed under some keys can be compared: only under one and the same."""
    return len({*keys, *others}) <= 1
