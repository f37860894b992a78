"""Incidents of the recorded faults: how many, whom they name, how soon; and none where nothing is wrong."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from benchmarks.monitors.faults import Outcome, outcomes

_HEADS: Final = (
    "Recording",
    "On",
    "Incidents",
    "Named first",
    "Right",
    "Requests until then",
    "Who changed",
    "Risks seen",
    "Edits",
)


def table(only: Sequence[str] = ()) -> Iterator[str]:
    """Markdown: every recording, also those that nothing catches, and a line that sums them up."""
    # Spawned: what reads and writes the lake has threads, which a fork would not carry along.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        found = outcomes(pool, only)
    yield f"| {' | '.join(_HEADS)} |"
    yield "| --- " * len(_HEADS) + "|"
    yield from map(_row, found)
    yield ""
    yield _summed(found)


def _row(one: Outcome) -> str:
    cells = (
        one.name,
        ", ".join(one.parts) or one.kind,
        str(len(one.incidents)),
        one.incidents[0] if one.incidents else "none",
        _right(one),
        "-" if one.after is None else str(one.after),
        "; ".join(text for text in one.attributed if text) or "-",
        ", ".join(one.risks) or "none",
        str(one.edits),
    )
    return f"| {' | '.join(cells)} |"


def _right(one: Outcome) -> str:
    if not one.parts:
        return "-" if not one.incidents else "NO: nothing is wrong"
    return "yes" if one.subjects and one.subjects[0] in one.parts else "no"


def _summed(found: Iterable[Outcome]) -> str:
    faults = [one for one in found if one.parts]
    caught = [one for one in faults if one.incidents]
    right = sum(_right(one) == "yes" for one in faults)
    calm = [one for one in found if not one.parts]
    alone = sum(len(one.incidents) == 1 for one in caught)
    false = sum(len(one.incidents) for one in calm)
    return (
        f"{len(caught)} of {len(faults)} faults open an incident, {alone} exactly one; {right} name a part or an "
        f"edge that the fault was on first. {false} incidents on {len(calm)} recordings without a fault."
    )
