"""Edits of earlier releases, read as today's. What is stored never changes: links are of the bytes that were written.

A step is asked of every stored edit of its kind, in the order in which releases brought them; it gives the next shape,
or None where the edit has that shape already. Fields that were only added need no step: they have a default that is
left out of what is written, so that old digests stay (`exclude_if`, as in `syscard.edits`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """From one shape of a kind to the next. `change` gets the stored body and must not change it."""

    kind: str
    since: str
    """The release that writes the newer shape."""
    change: Callable[[Json], Json | None]


STEPS: Final[tuple[Step, ...]] = ()
"""None so far: today's models read every shape that a release wrote. `tests/data/cards` holds that."""


def upcast(draft: Json, steps: Sequence[Step] = STEPS) -> Json:
    """A stored draft (`body`, `author`, `observed`) with its body in today's shape; itself where that is so already."""
    body = draft.get("body")
    if not isinstance(body, dict):
        return draft
    for step in steps:
        newer = step.change(body) if body.get("kind") == step.kind else None
        body = body if newer is None else newer
    return draft if body is draft["body"] else {**draft, "body": body}
