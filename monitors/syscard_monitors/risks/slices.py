"""IR-20, segment masking: the whole looks well while one slice of the requests does badly (Simpson)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

from syscard.system import SYSTEM, System
from syscard.words import one_line
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.statistics import Counts, rise
from syscard_monitors.stats import Rates, benjamini_hochberg, fisher_worse

LEAST: Final = 100
"""Requests of a slice."""
MOST_SLICES: Final = 60
"""The largest of the baseline; what is rarer cannot have enough requests now."""
TWICE: Final = 2.0
DISCOVERY: Final = 0.05
"""False discovery rate among the slices of the one half, before the other half is asked."""
_BADLY: Final = 0.5
"""An answer of which less is grounded does badly."""
_ATTRIBUTES: Final = ("known_user", "category")
_SLICES: Final = "(slices)"
_Slice = tuple[tuple[str, str], ...]


class SegmentMasking:
    """A slice is found in every second request and confirmed in the others, so that picking it costs nothing.

    What did badly in the baseline already was accepted with it.
    """

    id: Final = "IR-20"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """The whole."""
        return (SYSTEM,) if system.components else ()

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Of each outcome and slice how many requests did badly, of how many."""
        found: dict[str, dict[str, list[int]]] = {}
        for outcome, bad in _outcomes(case).items():
            slices = _counted(_slices_of(case), bad)
            most = sorted(slices, key=lambda s: (-slices[s].n, s))[: MOST_SLICES + 1]
            found[outcome] = {_text(s): [slices[s].hits, slices[s].n] for s in most}
        if not any(len(slices) > 1 for slices in found.values()):
            return roles.needs("a segment", *_ATTRIBUTES)
        return {"slices": found}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The surest slice of the one half, as the other half has it."""
        candidates = [c for name, bad in _outcomes(case).items() for c in _found(case, name, bad, usual["slices"])]
        large = [c for c in candidates if c.whole.n >= LEAST]
        if not large:
            most = max((c.whole.n for c in candidates), default=0)
            return Lacking(f"needs n {LEAST} in a slice, has {most}", LEAST, most)
        adjusted = benjamini_hochberg([c.p_found for c in large])
        picked = [c for c, q in zip(large, adjusted, strict=True) if q < DISCOVERY and c.times_found >= TWICE]
        best = min(picked or large, key=lambda c: (c.p_found, c.says))
        now, before = (c.hits / c.n for c in (best.now, best.before))
        return Reading(
            n=best.whole.n,
            effect=best.times if picked else min(best.times, 1.0),
            says=f"{best.says}: {now:.1%} do badly in {best.outcome}, {best.of_all:.1%} of all do, {before:.1%} of the "
            "slice in the baseline"
            if picked
            else "no slice does twice as badly as the whole, and worse than it did",
            p_value=best.p_value if picked else 1.0,
            scale="factor",
            value=best.times,
            reference=1.0,
            unit="times",
            share=best.whole.n / len(case.requests),
            traces=examples(case.requests, _marks(case, best)),
        )


class _Candidate(NamedTuple):
    """One slice and outcome: in the half in which it is looked for, and in the other."""

    says: str
    outcome: str
    whole: Counts
    """Both halves."""
    p_found: float
    times_found: float
    now: Counts
    """The other half."""
    of_all: float
    before: Counts
    p_value: float
    slice_: _Slice

    @property
    def times(self) -> float:
        """How many times as badly as the whole, in the other half."""
        return _times(self.now, self.of_all)


def _found(
    case: Case, outcome: str, bad: Sequence[bool | None], usual: Mapping[str, Mapping[str, Sequence[int]]]
) -> Iterator[_Candidate]:
    known = {name: Counts(*kept) for name, kept in usual.get(outcome, {}).items()}
    slices = _slices_of(case)
    halves = [_counted(slices[i::2], bad[i::2]) for i in (0, 1)]
    of = [half.get((), Counts(0, 0)) for half in halves]
    if not of[0].n or not of[1].n:
        return
    for slice_ in sorted({*halves[0]} & {*halves[1]} - {()}):
        before, (one, other) = known.get(_text(slice_)), (half[slice_] for half in halves)
        if before is None or not before.n:
            continue
        more = rise({"": other}, {"": before})
        yield _Candidate(
            says=one_line(_text(slice_)),
            outcome=outcome,
            whole=Counts(one.hits + other.hits, one.n + other.n),
            p_found=max(_worse(one, of[0]), fisher_worse(Rates(*one, *before))),
            times_found=_times(one, of[0].hits / of[0].n),
            now=other,
            of_all=of[1].hits / of[1].n,
            before=before,
            p_value=max(_worse(other, of[1]), more.p_value if more else 1.0),
            slice_=slice_,
        )


def _worse(slice_: Counts, whole: Counts) -> float:
    """Fisher's one-sided p of the slice against all others."""
    return fisher_worse(Rates(slice_.hits, slice_.n, whole.hits - slice_.hits, whole.n - slice_.n))


def _times(slice_: Counts, of_all: float) -> float:
    return slice_.hits / slice_.n / of_all if of_all and slice_.n else 1.0


def _outcomes(case: Case) -> dict[str, list[bool | None]]:
    """What it is to do badly, by name, of each request."""
    system = case.system
    failed = [roles.any_of(case, ref, ("error",)) for ref in system.components]
    found: dict[str, list[bool | None]] = {"errors": [any(bool(f) for f in of) for of in zip(*failed, strict=True)]}
    for ref in system.components:
        agrees = case.numbers(f"{ref}.agrees")
        found[f"{ref}.agrees"] = [None if a is None else a < 1 for a in agrees]
        grounded = case.numbers(f"{ref}.rationale.grounded")
        found[f"{ref}.rationale.grounded"] = [None if g is None else g < _BADLY for g in grounded]
    return {name: told for name, told in found.items() if any(t is not None for t in told)}


def _marks(case: Case, best: _Candidate) -> list[bool]:
    """Requests of a slice that do badly."""
    bad = _outcomes(case)[best.outcome]
    return [bool(b) and best.slice_ in of for of, b in zip(_slices_of(case), bad, strict=True)]


def _counted(slices: Sequence[Sequence[_Slice]], bad: Sequence[bool | None]) -> dict[_Slice, Counts]:
    told = [(of, b) for of, b in zip(slices, bad, strict=True) if b is not None]
    all_, badly = (Counter(s for of, b in told if b or every for s in of) for every in (True, False))
    return {slice_: Counts(badly[slice_], n) for slice_, n in all_.items()}


def _slices_of(case: Case) -> list[tuple[_Slice, ...]]:
    """The slices that each request is in."""
    return case.columns.of(_SLICES, lambda request: tuple(_slices(request)))


def _slices(request: Request) -> Iterator[_Slice]:
    """The whole, and slices by one attribute and by two."""
    said = _said(request)
    for many in (0, 1, 2):
        yield from combinations(said, many)


def _said(request: Request) -> list[tuple[str, str]]:
    names = (n for n in request.values if n.startswith("segment.") or n.partition(".")[2] in _ATTRIBUTES)
    first = ((name, request.values[name][0]) for name in sorted(names) if request.values[name])
    return [(name, str(value)) for name, value in first if isinstance(value, str | bool)]


def _text(slice_: _Slice) -> str:
    return " and ".join(f"{name}={value}" for name, value in slice_)
