"""Who is named first, by our attribution and by what people look at instead."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy import stats

from benchmarks.risks.cases import Case
from benchmarks.risks.worlds import Values
from syscard.attribution import Attribution
from syscard_monitors.attribution import Options, attribute
from syscard_monitors.attribution.damage import shares
from syscard_monitors.attribution.screening import screened
from syscard_monitors.attribution.testing import effect, tested

Ranking = Sequence[str]


class Answer(NamedTuple):
    """What a method says of one case."""

    ranking: Ranking
    blamed: tuple[str, ...]
    """Parts that it says changed; of methods that only rank, none."""
    causes: tuple[str, ...] = ()


def ours(case: Case) -> Answer:
    """The attribution as it ships; parts that the gate holds back follow, by p."""
    found = attribute(case.table, [case.target])
    return Answer(_ranking(found), _blamed(found), found.causes)


def _blamed(found: Attribution) -> tuple[str, ...]:
    return tuple(p.part for p in found.parts if p.verdict == "changed itself" and "->" not in p.part)


def _ranking(found: Attribution) -> Ranking:
    parts = {p.part: p for p in found.parts if "->" not in p.part}
    order = [*([found.first] if found.first else ()), *found.causes]
    rest = sorted(parts, key=lambda p: (p not in _blamed(found), parts[p].p_adjusted or 1.0, -(parts[p].effect or 0)))
    return list(dict.fromkeys([*order, *rest]))


def without_shapley(case: Case) -> Answer:
    """The gate alone: by the size of the conditional change."""
    table, options = case.table, Options()
    found = tested(table, screened(table))
    size = {part: effect(found, part, options) for part in table.parts}
    sure = {s.part for s in found if s.p < options.alpha}
    order = sorted(table.parts, key=lambda part: (part not in sure, -size[part]))
    return Answer(order, tuple(sure), tuple(sure))


def without_gate(case: Case) -> Answer:
    """Shapley over every part, whether or not it changed."""
    table = case.table
    fits = {s.name: s.tested.fit for s in tested(table, screened(table))}
    whose = shares(table, fits, table.parts, case.target, 0)
    share = dict(zip(whose.players, whose.values.tolist(), strict=True))
    order = sorted(table.parts, key=lambda part: -share[part])
    return Answer(order, (), tuple(p for p in order if share[p] >= Options().material * max(whose.damage, 1e-9)))


def _by_signal(score: Callable[[Values, Values], float]) -> Callable[[Case], Answer]:
    """Parts by the highest score of a signal that acts on the target."""

    def method(case: Case) -> Answer:
        scores: dict[str, float] = {}
        near = {case.table.scaled[case.target.signal].part}
        near |= case.table.upstream(*near)
        for series in case.table.series:
            if series.part in near:
                scores[series.part] = max(scores.get(series.part, 0.0), score(series.before, series.now))
        order = sorted(case.table.parts, key=lambda part: -scores.get(part, 0.0))
        return Answer(order, (), tuple(order[: len(case.truth)]))

    return method


def _ks(before: Values, now: Values) -> float:
    return float(stats.ks_2samp(before, now, method="asymp").statistic)


def _wasserstein(before: Values, now: Values) -> float:
    return float(stats.wasserstein_distance(before, now) / max(before.std(), 1e-9))


def _error_rate(before: Values, now: Values) -> float:
    """Rise of the share of yes, or of values outside what 98 % of before were."""
    if {*np.unique(before)} <= {0.0, 1.0}:
        return abs(float(now.mean() - before.mean()))
    low, high = np.quantile(before, [0.01, 0.99])
    return float(((now < low) | (now > high)).mean() - ((before < low) | (before > high)).mean())


def _robust(before: Values, now: Values) -> float:
    """How far a mean of a twentieth lies from the median of those before, in their interquartile ranges (BARO)."""
    usual = np.array([b.mean() for b in np.array_split(before, 20)])
    newer = np.array([b.mean() for b in np.array_split(now, 20)])
    spread = float(np.subtract(*np.quantile(usual, [0.75, 0.25])))
    return float(np.abs(newer - np.median(usual)).max() / max(spread, 1e-9))


def by_chance(case: Case) -> Answer:
    """Any order: drawn anew for each case, the same in each run."""
    seed = zlib.crc32(case.table.series[0].now.tobytes())
    order = [str(p) for p in np.random.default_rng(seed).permutation(case.table.parts)]
    return Answer(order, (), tuple(order[: len(case.truth)]))


METHODS: Final[Mapping[str, Callable[[Case], Answer]]] = {
    "**ours**": ours,
    "ours without Shapley": without_shapley,
    "ours without the gate": without_gate,
    "largest drift (Wasserstein)": _by_signal(_wasserstein),
    "largest drift (Kolmogorov-Smirnov)": _by_signal(_ks),
    "error rate": _by_signal(_error_rate),
    "robust score (as BARO)": _by_signal(_robust),
    "random": by_chance,
}
