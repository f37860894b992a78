"""Data that ships with syscard, read as package resources: packs, tables, catalogues, examples and demo recordings.

Nothing here computes. A resource is named by its path inside this package, part by part.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

__all__ = ["names", "read_bytes", "read_text"]

_CODE: Final = ("__init__.py", "__pycache__", "py.typed")


def read_text(*parts: str) -> str:
    """The text of one resource: `read_text("examples", "starter.yaml")`.

    Raises:
        FileNotFoundError: no such resource ships.
        UnicodeDecodeError: the resource is not text.
    """
    return _resource(*parts).read_text(encoding="utf-8")


def read_bytes(*parts: str) -> bytes:
    """The bytes of one resource, for what is compressed or binary.

    Raises:
        FileNotFoundError: no such resource ships.
    """
    return _resource(*parts).read_bytes()


def names(*folder: str) -> tuple[str, ...]:
    """What a folder of resources holds, sorted: `names("examples")` -> `("recommender.yaml", "starter.yaml")`.

    Raises:
        FileNotFoundError: no such folder ships.
    """
    return tuple(sorted(entry.name for entry in _resource(*folder).iterdir() if entry.name not in _CODE))


def _resource(*parts: str) -> Traversable:
    return files(__name__).joinpath(*parts)
