"""What changed between two versions of a card, for a terminal and as Markdown. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from syscard.diff import Change
from syscard.full_diff import FullChange
from syscard.render.markdown import escaped
from syscard.words import clip, one_line, wrap

_MARKS: Final = {"added": "+", "removed": "-", "changed": "~"}
_VALUE: Final = 80
"""Signs of a value that are shown; the JSON has all of it."""


def full_text(changes: Iterable[FullChange], width: int = 80) -> str:
    """A line a difference, `~ claims.grounded.slices.all.value: 0.93 -> 0.3`; says so when there are none."""
    lines = [
        line
        for change in changes
        for line in wrap(_said(change), width, first=f"{_MARKS[change.change]} ", rest=" " * 4, most=6)
    ]
    return "\n".join(lines or ["the two are the same"]) + "\n"


def difference_markdown(title: str, changes: Iterable[Change], full: Iterable[FullChange] | None) -> str:
    """The material differences as a list, and all of them where they are asked for."""
    return "\n".join(_markdown(title, changes, full)) + "\n"


def _markdown(title: str, changes: Iterable[Change], full: Iterable[FullChange] | None) -> Iterator[str]:
    yield from (f"# {escaped(title)}", "")
    lines = [f"- {change.mark} {escaped(f'{change.text} ({change.ref})')}" for change in changes]
    yield from lines or ["No material change."]
    if full is not None:
        yield from ("", "## Every difference", "")
        yield from [f"- {_MARKS[one.change]} {escaped(_said(one))}" for one in full] or ["The two are the same."]


def _said(change: FullChange) -> str:
    where = one_line(".".join(change.path))
    if change.change == "changed":
        return f"{where}: {_value(change.before)} -> {_value(change.after)}"
    return f"{where}: {_value(change.after if change.change == 'added' else change.before)}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return clip(one_line(text), _VALUE)
