"""Risks of the lists that people are shown: IR-10 (popularity) and IR-11 (homogenisation)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from syscard.system import System
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.statistics import trend, upper_tail
from syscard_monitors.stats import Z95, mean
from syscard_monitors.strata import EVERYONE

LEAST_EPOCHS: Final = 6
MOST_EPOCHS: Final = 60
LEAST_LISTS: Final = 20
"""Of a stratum, for its lists to be compared with each other."""


class Popularity:
    """IR-10: what is shown gets more popular from training to training."""

    id: Final = "IR-10"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Every ranking."""
        return roles.of_kind(system, "ranking")

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Sum and number of the popularity of lists by training, the newest trainings."""
        found = _epochs(case)
        if not found:
            return roles.needs(f"{case.about}.mean_log_pop with {case.about}.data.asof")
        return {"epochs": {asof: found[asof] for asof in sorted(found)[-MOST_EPOCHS:]}}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The trend over the trainings of the baseline and those of now."""
        now = _epochs(case)
        if not now:
            return roles.needs(f"{case.about}.mean_log_pop with {case.about}.data.asof")
        merged = {asof: list(sums) for asof, sums in usual["epochs"].items()}
        for asof, (total, n) in now.items():
            before = merged.get(asof, [0.0, 0])
            merged[asof] = [before[0] + total, before[1] + n]
        levels = [total / n for _, (total, n) in sorted(merged.items())]
        if len(levels) < LEAST_EPOCHS:
            why = f"needs {LEAST_EPOCHS} trainings ({case.about}.data.asof), has {len(levels)}"
            return Lacking(why, LEAST_EPOCHS, len(levels))
        found = trend(levels)
        grown = found.slope * (len(levels) - 1) / abs(levels[0]) if levels[0] else 0.0
        return Reading(
            n=sum(n for _, n in now.values()),
            effect=grown,
            says=f"over {len(levels)} trainings the popularity of what is shown moved by {grown:+.0%}",
            p_value=found.p_value,
            scale="number",
            value=levels[-1],
            reference=levels[0],
        )


def _epochs(case: Case) -> dict[str, tuple[float, int]]:
    found: dict[str, tuple[float, int]] = {}
    for request, level in zip(case.requests, case.numbers(f"{case.about}.mean_log_pop"), strict=True):
        asof = request.values.get(f"{case.about}.data.asof")
        if level is not None and asof:
            total, n = found.get(str(asof[0]), (0.0, 0))
            found[str(asof[0])] = (total + level, n + 1)
    return found


class Homogenisation:
    """IR-11: the lists of different requests get alike."""

    id: Final = "IR-11"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """What people are shown, and every ranking."""
        caller = roles.caller(system)
        return (*filter(None, [caller]), *roles.of_kind(system, "ranking"))

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """By stratum: how unlike lists are, the error of that, and how many there are."""
        found = _unlikeness(case)
        return {"by": {s: list(u) for s, u in found.items()}} if found else roles.needs(f"{case.about}.items")

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """How much of the unlikeness of lists of one stratum is lost."""
        if not any(roles.lists(case, case.about)):
            return roles.needs(f"{case.about}.items")
        before = {s: _Unlike(*known) for s, known in usual["by"].items()}
        known = {s: (u, before[s]) for s, u in _unlikeness(case).items() if s in before}
        n = sum(u.n for u, _ in known.values())
        if not n:
            return Lacking(f"needs n {LEAST_LISTS} of a group that the baseline has", LEAST_LISTS)
        now = math.fsum(u.n / n * u.level for u, _ in known.values())
        then = math.fsum(u.n / n * b.level for u, b in known.values())
        error = math.sqrt(math.fsum((u.n / n) ** 2 * (u.error**2 + b.error**2) for u, b in known.values()))
        if then <= 0:
            return Lacking("all lists are the same in the baseline")
        lost, spread = (then - now) / then, max(error / then, 1e-9)
        return Reading(
            n=n,
            effect=lost,
            says=f"lists of different requests are unlike by {now:.2f}, {then:.2f} in the baseline (1 shares nothing)",
            p_value=upper_tail(lost / spread),
            error=spread,
            low=lost - Z95 * spread,
            high=lost + Z95 * spread,
            value=now,
            reference=then,
        )


class _Unlike(NamedTuple):
    level: float
    error: float
    n: int


def _unlikeness(case: Case) -> dict[str, _Unlike]:
    by: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for items, stratum in zip(roles.lists(case, case.about), case.strata, strict=True):
        if items:
            by[stratum].append(items)
    if by.get(EVERYONE) and len(by) > 1:
        del by[EVERYONE]  # who has no like cannot be compared with a like
    return {s: _unlike(lists) for s, lists in sorted(by.items()) if len(lists) >= LEAST_LISTS}


def _unlike(lists: Sequence[tuple[str, ...]]) -> _Unlike:
    """1 less the mean cosine of all pairs of lists; its error as of a U-statistic (Hoeffding 1948)."""
    n, sums = len(lists), defaultdict[str, float](float)
    for items in lists:
        for item in items:
            sums[item] += 1 / math.sqrt(len(items))
    # What each list shares with all others, itself taken out.
    alike = [(math.fsum(sums[i] for i in items) / math.sqrt(len(items)) - 1) / (n - 1) for items in lists]
    centre = mean(alike)
    variance = math.fsum((a - centre) ** 2 for a in alike) / (n - 1)
    return _Unlike(1 - centre, 2 * math.sqrt(variance / n), n)
