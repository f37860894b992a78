"""How the runs of the monitors are told: a table, JSON, and what `doctor` says of the last of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Final

from syscard.runs import MonitorRun
from syscard.words import one_line, plural, span_of

_ROW: Final = "{:<17} {:>7} {:>9} {:>9} {:>9} {:>9} {:>8}  {}"
_HEAD: Final = ("STARTED (UTC)", "LOOKS", "WALL s", "CPU s", "SPANS", "REQUESTS", "WINDOWS", "FINDINGS")


def lines(runs: Sequence[MonitorRun]) -> Iterator[str]:
    """A table of runs, newest first; below each what failed in it."""
    yield _ROW.format(*_HEAD)
    for run in runs:
        found = ", ".join(f"{n:,} {state}" for state, n in sorted(run.findings.items())) or "-"
        figures = (f"{run.looks:,}", f"{run.wall_s:,.2f}", f"{run.cpu_s:,.2f}", f"{run.rows:,}", f"{run.requests:,}")
        yield _ROW.format(f"{run.started:%Y-%m-%d %H:%M}", *figures, f"{run.windows:,}", found)
        yield from (f"  failed: {one_line(text)}" for text in run.failed)
        if run.error:
            yield f"  {'the process died' if run.died else 'given up'}: {one_line(run.error)}"


def document(runs: Sequence[MonitorRun]) -> list[dict[str, Any]]:
    """What `--json` prints."""
    return [run.model_dump(mode="json") for run in runs]


def health(system: str, runs: Sequence[MonitorRun], now: datetime) -> dict[str, Any]:
    """What `doctor` says of the newest runs: whether the last look was given up, and since when looks are.

    Args:
        system: reference of the system.
        runs: newest first.
        now: the time that ages are counted from.
    """
    if not runs:
        return {"ok": True, "what": f"{system}: the monitors have never looked", "do": "syscard monitor --once"}
    last, bad = runs[0], list(takewhile(lambda run: bool(run.error), runs))
    if bad:
        looks = plural(sum(run.looks for run in bad), "look")
        since = f"{bad[-1].started:%Y-%m-%d %H:%M} UTC"
        what = f"{system}: the last {looks} of the monitors failed, since {since}: {one_line(last.error)}"
        return {"ok": False, "what": what, "do": "syscard monitor runs"}
    what = f"{system}: the monitors looked last {span_of(now - last.ended)} ago"
    if last.failed:
        what += f"; {plural(len(last.failed), 'signal')} failed in it, the first: {one_line(last.failed[0])}"
    return {"ok": True, "what": what, "do": "syscard monitor runs" if last.failed else ""}
