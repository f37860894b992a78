"""Every difference between two versions of a card, found by key (reference, slice, number), never by position.

The only module that knows DeepDiff, which is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from syscard.errors import MissingExtra

_KEYS: Final = (
    ("slice",), ("key",), ("number",), ("risk", "about"), ("what", "value"), ("part",), ("segment", "group"),
    ("group",), ("signal",), ("name",), ("role", "version", "at"), ("document_sha256",), ("at", "author", "what"),
    ("start",),
)  # fmt: skip
"""What the entries of a list are known by, the first that all of them have and that tells them apart."""


@dataclass(frozen=True)
class FullChange:
    """One value that is there on one side only, or is another."""

    path: tuple[str, ...]
    change: Literal["added", "removed", "changed"]
    before: Any
    after: Any


def full_diff(before: dict[str, Any], after: dict[str, Any]) -> tuple[FullChange, ...]:
    """Every difference, in the order of the paths.

    Raises:
        MissingExtra: DeepDiff is not installed.
    """
    try:
        from deepdiff import DeepDiff
    except ImportError as error:
        raise MissingExtra("server", "card diff --full") from error
    old, new = _differing(before, after)
    found = DeepDiff(keyed(old), keyed(new), view="tree", threshold_to_diff_deeper=0, verbose_level=2)
    changes = [_change(kind, level) for kind, levels in found.items() for level in levels]
    return tuple(sorted(changes, key=lambda change: change.path))


def _change(kind: str, level: Any) -> FullChange:
    path = tuple(map(str, level.path(output_format="list")))
    if kind.endswith("_added"):
        return FullChange(path, "added", None, level.t2)
    if kind.endswith("_removed"):
        return FullChange(path, "removed", level.t1, None)
    return FullChange(path, "changed", level.t1, level.t2)


def _differing(before: dict[str, Any], after: dict[str, Any], deep: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without what is equal, so that a table of thousands costs only what changed in it."""
    old, new = dict[str, Any](), dict[str, Any]()
    for key in dict.fromkeys((*before, *after)):
        one, other = before.get(key), after.get(key)
        if key in before and key in after and one == other:
            continue
        if deep > 1 and isinstance(one, dict) and isinstance(other, dict):
            one, other = _differing(one, other, deep - 1)
        old |= {key: one} if key in before else {}
        new |= {key: other} if key in after else {}
    return old, new


def keyed(value: Any) -> Any:
    """JSON whose lists are tables: entries by what they are known by, texts by themselves, others by position."""
    if isinstance(value, dict):
        return {str(key): keyed(item) for key, item in value.items()}
    if isinstance(value, list):
        return dict(_entries(value))
    return value


def _entries(items: list[Any]) -> Iterator[tuple[str, Any]]:
    if all(isinstance(item, str) for item in items) and len(set(items)) == len(items):
        yield from ((item, True) for item in items)
        return
    names = next((names for keys in _KEYS if (names := _names(items, keys))), [])
    for at, item in enumerate(items):
        yield (names[at] if names else f"#{at + 1}"), keyed(item)


def _names(items: list[Any], keys: tuple[str, ...]) -> list[str]:
    """What every entry is called by some keys; none where one lacks them or two are called alike."""
    if not all(isinstance(item, dict) and all(key in item for key in keys) for item in items):
        return []
    names = [" ".join(str(item[key]) for key in keys) for item in items]
    return names if len(set(names)) == len(names) else []
