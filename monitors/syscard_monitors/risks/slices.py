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
_Attribute = tuple[str, str]
_Slice = tuple[_Attribute, ...]


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
        masks = _masks(case)
        for outcome, (told, bad) in _outcomes(case).items():
            counts = {s: Counts((m & bad).bit_count(), (m & told).bit_count()) for s, m in masks.items()}
            most = sorted((s for s in counts if counts[s].n), key=lambda s: (-counts[s].n, s))[: MOST_SLICES + 1]
            found[outcome] = {_text(s): [*counts[s]] for s in most}
        if not any(len(slices) > 1 for slices in found.values()):
            return roles.needs("a segment", *_ATTRIBUTES)
        return {"slices": found}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The surest slice of the one half, as the other half has it."""
        candidates = [c for name, of in _outcomes(case).items() for c in _found(case, name, of, usual["slices"])]
        large = [c for c in candidates if c.whole.n >= LEAST]
        if not large:
            most = max((c.whole.n for c in candidates), default=0)
            return Lacking(f"needs n {LEAST} in a slice, has {most}", LEAST, most)
        adjusted = benjamini_hochberg([c.p_found for c in large])
        picked = [c for c, q in zip(large, adjusted, strict=True) if q < DISCOVERY and c.times_found >= TWICE]
        best = min(picked or large, key=lambda c: (c.p_found, -c.times_found, c.says))
        now, before = (c.hits / c.n for c in (best.now, best.before))
        return Reading(
            n=best.whole.n,
            effect=best.times if picked else min(best.times, 1.0),
            says=f"{best.says}: {now:.1%} do badly in {best.outcome}, {best.rest.hits / best.rest.n:.1%} of all do, "
            f"{before:.1%} of the slice in the baseline"
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
    rest: Counts
    """All requests of the other half."""
    before: Counts
    slice_: _Slice

    @property
    def times(self) -> float:
        """How many times as badly as the whole, in the other half."""
        return _times(self.now, self.rest)

    @property
    def p_value(self) -> float:
        """In the other half, of doing no worse than all others, or than in the baseline."""
        more = rise({"": self.now}, {"": self.before})
        return max(_worse(self.now, self.rest), more.p_value if more else 1.0)


def _found(
    case: Case, outcome: str, of: tuple[int, int], usual: Mapping[str, Mapping[str, Sequence[int]]]
) -> Iterator[_Candidate]:
    known, (told, bad) = usual.get(outcome, {}), of
    halves = [told & half for half in _halves(len(case.requests))]
    all_, rest = (Counts((half & bad).bit_count(), half.bit_count()) for half in halves)
    if not all_.n or not rest.n:
        return
    for slice_, mask in _masks(case).items():
        before = Counts(*known.get(_text(slice_), (0, 0)))
        one, other = (Counts((mask & half & bad).bit_count(), (mask & half).bit_count()) for half in halves)
        if not slice_ or not before.n or not one.n or not other.n:
            continue
        times = _times(one, all_)
        # The exact p costs most; of what is never picked it is not asked, which makes no other more significant.
        p_found = max(_worse(one, all_), fisher_worse(Rates(*one, *before))) if times >= TWICE else 1.0
        whole = Counts(one.hits + other.hits, one.n + other.n)
        yield _Candidate(one_line(_text(slice_)), outcome, whole, p_found, times, other, rest, before, slice_)


def _worse(slice_: Counts, whole: Counts) -> float:
    """Fisher's one-sided p of the slice against all others."""
    return fisher_worse(Rates(slice_.hits, slice_.n, whole.hits - slice_.hits, whole.n - slice_.n))


def _times(slice_: Counts, of: Counts) -> float:
    return slice_.hits / slice_.n / (of.hits / of.n) if of.hits and slice_.n else 1.0


def _outcomes(case: Case) -> dict[str, tuple[int, int]]:
    """By name of what it is to do badly: the requests that tell, and those that do badly, as bits."""
    return case.once("(outcomes)", lambda: {name: _bits_of(told) for name, told in _told(case) if any(_known(told))})


def _told(case: Case) -> Iterator[tuple[str, list[bool | None]]]:
    refs = tuple(case.system.components)
    failed = [roles.any_of(case, ref, ("error",)) for ref in refs]
    yield "errors", [any(of) for of in zip(*failed, strict=True)]
    for ref in refs:
        yield f"{ref}.agrees", [None if a is None else a < 1 for a in case.numbers(f"{ref}.agrees")]
        grounded = f"{ref}.rationale.grounded"
        yield grounded, [None if g is None else g < _BADLY for g in case.numbers(grounded)]


def _known(told: Sequence[bool | None]) -> Iterator[bool]:
    return (t is not None for t in told)


def _bits_of(told: Sequence[bool | None]) -> tuple[int, int]:
    return bits(list(_known(told))), bits([bool(t) for t in told])


def bits(flags: Sequence[bool]) -> int:
    """A number whose bits are the flags, the first the lowest: requests of a slice are counted by one `and`."""
    return int("".join("1" if flag else "0" for flag in reversed(flags)) or "0", 2)


def _halves(n: int) -> tuple[int, int]:
    """Every second request, and the others."""
    first = bits([i % 2 == 0 for i in range(n)])
    return first, first ^ ((1 << n) - 1)


def _marks(case: Case, best: _Candidate) -> list[bool]:
    """Requests of a slice that do badly."""
    both = _masks(case)[best.slice_] & _outcomes(case)[best.outcome][1]
    return [bool(both >> i & 1) for i in range(len(case.requests))]


def _masks(case: Case) -> dict[_Slice, int]:
    """The requests of each slice, as bits: of the whole, and of slices by one attribute and by two.

    A slice by two is no larger than either by one, so the largest of all are made of the largest by one.
    """
    return case.once(_SLICES, lambda: _masks_of(_said(case), len(case.requests)))


def _masks_of(said: Sequence[Sequence[_Attribute]], n: int) -> dict[_Slice, int]:
    sizes = Counter(one for of in said for one in of)
    most = sorted(sorted(sizes, key=lambda one: (-sizes[one], one))[:MOST_SLICES])
    masks: dict[_Slice, int] = {(): (1 << n) - 1}
    masks |= {(one,): bits([one in of for of in said]) for one in most}
    pairs = ((a, b) for a, b in combinations(most, 2) if a[0] != b[0])
    masks |= {(a, b): both for a, b in pairs if (both := masks[(a,)] & masks[(b,)])}
    return masks


def _said(case: Case) -> list[tuple[_Attribute, ...]]:
    """Attributes of each request that slices are made of."""
    names = tuple(n for n in roles.all_fields(case) if n.startswith("segment.") or n.partition(".")[2] in _ATTRIBUTES)
    return case.columns.of((_SLICES, names), lambda request: tuple(_attributes(request, names)))


def _attributes(request: Request, names: Sequence[str]) -> Iterator[_Attribute]:
    for name in names:
        values = request.values.get(name)
        if values and isinstance(values[0], str | bool):
            yield name, str(values[0])


def _text(slice_: _Slice) -> str:
    return " and ".join(f"{name}={value}" for name, value in slice_)
