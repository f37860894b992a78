"""Waivers, approvals and runs of gates as lines for a terminal. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from syscard.signing import approval_rows, run_lines, waiver_rows
from syscard.views import View
from syscard.words import pad, wrap

_RUNS: int = 5


def waiver_lines(view: View, width: int, at: datetime | None = None) -> Iterator[str]:
    """Every waiver: what for, until when, who granted it, why, and what is done meanwhile."""
    for row in waiver_rows(view, at):
        scope = f" for {', '.join(row.scope)}" if row.scope else ""
        yield from wrap(f"{row.rule}{scope}: {row.words}", width, first=f"  {pad(row.id, 5)} ", rest="        ")
        for label, text in (
            ("granted by", f"{row.approver}, asked for by {row.requested_by}"),
            ("reason", row.reason or "(text erased)"),
            ("meanwhile", row.control or "(text erased)"),
        ):
            yield from wrap(text, width, first=f"        {pad(label, 11)} ", rest=" " * 20)


def approval_lines(view: View, width: int) -> Iterator[str]:
    """The newest decision of every role, and whether it still counts."""
    for row in approval_rows(view):
        mark = " " if row.counts else "!"
        comment = f": {row.comment}" if row.comment else ""
        text = f"{row.words}  {row.at[:16]}Z  {row.person}, {row.signed_by}{comment}"
        yield from wrap(text, width, first=f"{mark} {pad(row.role, 12)} ", rest="    ")


def gate_run_lines(view: View, width: int) -> Iterator[str]:
    """The newest runs of gates."""
    for line in islice(run_lines(view), _RUNS):
        yield from wrap(line, width, first="  ", rest="    ")
