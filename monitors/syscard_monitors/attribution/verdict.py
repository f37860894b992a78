"""The attribution: of every part and edge, whether it changed itself, and whose the damage is. Needs NumPy.

Everything is decided by the values and a seed: the same requests give the same attribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from syscard.attribution import INPUTS, Attribution, PartVerdict, Verdict
from syscard_monitors.attribution.damage import Shares, shares
from syscard_monitors.attribution.naming import harm, name
from syscard_monitors.attribution.screening import screened
from syscard_monitors.attribution.table import Table, Target
from syscard_monitors.attribution.testing import Found, Options, changed, drifted, effect, tested
from syscard_monitors.stats import holm

METHOD: Final = "conditional test, Shapley"
WITHOUT_DAMAGE: Final = "conditional test"


USUAL: Final = Options()


@dataclass(frozen=True, eq=False)
class _Whole:
    """What all verdicts go by."""

    table: Table
    found: Sequence[Found]
    changed: Sequence[str]
    whose: Shares | None
    options: Options

    @cached_property
    def drifted(self) -> frozenset[str]:
        """Parts that differ from before, whatever reaches them."""
        return drifted(self.table, self.options)


def attribute(table: Table, targets: Sequence[Target] = (), options: Options = USUAL) -> Attribution:
    """Who changed between before and now, and whose the damage is.

    Args:
        table: the signals of the requests before and now, with the graph.
        targets: promises; the one whose share of misses rose most is shared out.
        options: limits and seed.
    """
    # Of matrices this small a second thread makes nothing faster, it only waits busily; and one adds in one order.
    with threadpool_limits(1, "blas"):
        return _attributed(table, targets, options)


def _attributed(table: Table, targets: Sequence[Target], options: Options) -> Attribution:
    parents = screened(table)
    found = tested(table, parents)
    seen = harm(table, targets)
    through = [part for part in changed(found, options) if part not in table.outcomes]
    fits = {s.name: s.tested.fit for s in found}
    whose = shares(table, fits, through, seen.target, options.seed) if seen and through else None
    named = name(table, found, parents, through, seen, whose, options)
    told = seen is not None and seen.told
    whole = _Whole(table, found, through, whose if told else None, options)
    return Attribution(
        target=(seen.target.says or seen.target.signal) if seen and told else "",
        damage=_rounded(seen.rise) if seen and told else None,
        parts=(*_parts(whole), *_edges(whole)),
        first=named.order[0] if named.order else None,
        tie=named.tie,
        causes=named.causes,
        wins=_rounded(named.wins),
        confidence=named.confidence,
        lowered_by=named.lowered_by,
        n_before=table.n_before,
        n_now=table.n_now,
        method=METHOD if whose and told else WITHOUT_DAMAGE,
    )


def _parts(whole: _Whole) -> list[PartVerdict]:
    names = dict.fromkeys([*whole.table.parts, *sorted(whole.table.silent)])
    return [_part(whole, part) for part in names if part not in whole.table.outcomes]


def _part(whole: _Whole, part: str) -> PartVerdict:
    own = [s for s in whole.found if s.part == part]
    if not own:
        silent = not any(s.part == part for s in whole.table.series)
        why = "no signal tells of it" if silent else "too few requests, or nothing varies"
        return PartVerdict(part=part, verdict="cannot tell", why=why, n=0)
    main = min(own, key=lambda s: (s.p, not s.beyond, -s.tested.effect))
    verdict, why = _verdict(whole, part, main)
    share, low, high = _share(whole, part)
    return PartVerdict(
        part=part,
        verdict=verdict,
        why=why,
        p_adjusted=_rounded(main.p),
        effect=_rounded(effect(whole.found, part, whole.options)),
        share=share,
        low=low,
        high=high,
        n=max(s.tested.n for s in own),
    )


def _verdict(whole: _Whole, part: str, main: Found) -> tuple[Verdict, str]:
    if part in whole.changed:
        return "changed itself", f"{main.name} changed, given what reaches it"
    if part not in whole.drifted:
        return "unchanged", ""
    if main.beyond:
        return "cannot tell", f"what reaches it is beyond all that was seen before: of {main.name} it cannot be said"
    above = [p for p in whole.changed if p in whole.table.upstream(part)]
    if above:
        return "inherited", f"what it shows follows from {', '.join(above)}"
    return "cannot tell", "it differs from before, and not clearly by itself"


def _share(whole: _Whole, part: str) -> tuple[float | None, float | None, float | None]:
    """Share of the damage, with the 5th and 95th percentile over resamples."""
    whose = whole.whose
    if whose is None or whose.damage <= 0 or part not in whose.players:
        return None, None, None
    i = whose.players.index(part)
    totals = np.maximum(whose.resampled.sum(axis=0), 1e-9)
    low, high = np.quantile(whose.resampled[i] / totals, [0.05, 0.95])
    return _rounded(float(whose.values[i] / whose.damage)), _rounded(float(low)), _rounded(float(high))


def _edges(whole: _Whole) -> list[PartVerdict]:
    """Of every edge, whether what its target makes of its source changed; inputs are no edge's source."""
    table = whole.table
    of = {name: s.part for name, s in table.scaled.items()}
    slopes = [(of[q], s, p) for s in whole.found for q, p in s.tested.edges.items() if of[q] != s.part]
    adjusted = holm([p for _, _, p in slopes])
    terms: dict[tuple[str, str], list[tuple[float, Found]]] = {}
    for (u, s, _), p in zip(slopes, adjusted, strict=True):
        terms.setdefault((u, s.part), []).append((p, s))
    ends = [part for part in table.parts if part not in table.outcomes]
    edges = [(u, d) for d in ends for u in sorted(table.parents.get(d, ())) if not u.startswith(INPUTS)]
    return [_edge(whole, u, d, terms.get((u, d), [])) for u, d in edges]


def _edge(whole: _Whole, u: str, d: str, terms: Sequence[tuple[float, Found]]) -> PartVerdict:
    if not terms:
        why = f"no signal of {d} was seen to go with one of {u}"
        return PartVerdict(part=f"{u}->{d}", verdict="cannot tell", why=why, n=0)
    p, signal = min(terms, key=lambda one: one[0])
    verdict, why = _edge_verdict(whole, u, d, p, signal)
    return PartVerdict(part=f"{u}->{d}", verdict=verdict, why=why, p_adjusted=_rounded(p), n=signal.tested.n)


def _edge_verdict(whole: _Whole, u: str, d: str, p: float, signal: Found) -> tuple[Verdict, str]:
    if d in whole.changed and p < whole.options.alpha:
        return "changed itself", f"{signal.name} goes with {u} in another way"
    if u in whole.changed:
        return "inherited", f"it carries what changed in {u}"
    return "unchanged", ""


def _rounded(value: float | None) -> float | None:
    """Six digits: what the machine's order of sums makes of the rest is in no digest."""
    return None if value is None else float(f"{value:.6g}")
