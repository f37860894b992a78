"""A cross-check of one attribution by another library (DoWhy), side by side with ours. It decides nothing.

DoWhy takes a minute or more and shares the change out also where nothing changed, so it is asked by a human, of one
incident, in a process that is ended after `DEADLINE_S`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from syscard.attribution import Attribution
from syscard.errors import MissingExtra, MonitorError
from syscard.finding import Value
from syscard.system import SYSTEM
from syscard_monitors.attribution.causal import Answer
from syscard_monitors.attribution.question import Of, Question
from syscard_monitors.child import ask, environment

LIBRARY: Final = "dowhy"
DEADLINE_S: Final = 300.0
_NEEDED_FOR: Final = "--check dowhy"
_NONE: Final = 1e-9
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class PartCheck(Value):
    """One part, twice."""

    part: str
    ours: str | None
    """The verdict; None of what stands for the whole of a request."""
    share: float | None
    """Of the damage, by ours; None where it was not worked out."""
    dowhy: float | None
    """Of the change, by DoWhy; None where there is none, or no signal of it was asked about."""
    changed: bool
    """Whether a mechanism of it changed, by DoWhy's own test."""


class CrossCheck(Value):
    """What another library says of the same graph and rows."""

    engine: str
    says: str
    """The promise whose misses, or the signal whose share or mean is shared out."""
    of: Of
    change: float
    """Of the share, or of the mean in standard deviations of before, as it was seen."""
    total: float
    """What DoWhy's values sum to: how far its mechanisms bring the change about."""
    parts: tuple[PartCheck, ...]
    first: str | None
    """Of the parts with a mechanism that changed by DoWhy's test, the one that adds most to the change."""
    agrees: bool | None
    """Whether both name the same part, or neither any; None where ours is not among the parts asked about."""
    signals: int
    left_out: int
    rows_before: int
    rows_now: int


def needed() -> None:
    """Say early that the library is not there.

    Raises:
        MissingExtra: it is not installed.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise MissingExtra("causal", _NEEDED_FOR)


def cross_check(found: Attribution, asked: Question, deadline_s: float = DEADLINE_S) -> CrossCheck:
    """Ask DoWhy, and put both side by side.

    Raises:
        MissingExtra: it is not installed.
        MonitorError: it failed, or took too long.
    """
    needed()
    out = ask(
        "syscard_monitors.attribution.causal", asked.model_dump_json(), deadline_s, {**environment(), **_ONE_THREAD}
    )
    if out is None:
        raise MonitorError(
            f"DoWhy gave no answer within {deadline_s:g} s and was ended; the attribution stands as it is"
        )
    return beside(found, asked, _read(out))


def _read(out: str) -> Answer:
    try:
        answer = Answer.model_validate_json(out)
    except ValidationError as error:
        raise MonitorError("the process that ran DoWhy ended without an answer: is there enough memory?") from error
    if answer.missing:
        raise MissingExtra("causal", _NEEDED_FOR)
    if answer.why:
        raise MonitorError(f"DoWhy failed: {' '.join(answer.why.split())[:200]}")
    return answer


def beside(found: Attribution, asked: Question, answer: Answer) -> CrossCheck:
    """Both, part by part, in the order of the attribution; a part's value is the sum over its signals."""
    added: dict[str, float] = {}
    for signal, part in asked.parts.items():
        added[part] = added.get(part, 0.0) + answer.values[signal]
    total = sum(added.values())
    changed = {asked.parts[signal] for signal in answer.changed}
    first = _first({p: v for p, v in added.items() if p in changed and p != SYSTEM}, total)
    told = {p.part: p for p in found.parts if "->" not in p.part}
    return CrossCheck(
        engine=answer.engine,
        says=asked.says,
        of=asked.of,
        change=_rounded(asked.change),
        total=_rounded(total),
        parts=tuple(
            PartCheck(
                part=part,
                ours=told[part].verdict if part in told else None,
                share=told[part].share if part in told else None,
                dowhy=_rounded(added[part] / total) if part in added and abs(total) > _NONE else None,
                changed=part in changed,
            )
            for part in dict.fromkeys([*told, *added])
        ),
        first=first,
        agrees=None if found.first is not None and found.first not in added else found.first == first,
        signals=len(asked.parts),
        left_out=asked.left_out,
        rows_before=len(asked.before[asked.target]),
        rows_now=len(asked.now[asked.target]),
    )


def _first(added: Mapping[str, float], total: float) -> str | None:
    """Which adds most in the direction of the change."""
    sign = 1.0 if total >= 0 else -1.0
    best = max(added, key=lambda part: (sign * added[part], part), default=None)
    return best if best is not None and sign * added[best] > _NONE else None


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
