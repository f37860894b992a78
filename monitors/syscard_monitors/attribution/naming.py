"""Whose the damage is, who is named first, and how sure that is. Needs NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from syscard.attribution import INPUTS, Confidence
from syscard_monitors.attribution.damage import REST, Shares
from syscard_monitors.attribution.screening import Parents
from syscard_monitors.attribution.table import Table, Target, missed
from syscard_monitors.attribution.testing import Found, Options, effect

NO_DAMAGE: Final = "no damage to a promise has been seen: who changed is told, shares are not"
MANY: Final = 300
"""Requests now, below which confidence is not high."""
_RISEN: Final = 1.28
"""Standard errors by which misses must have risen to be called damage: who changed is tested more strictly."""
_CLEAR: Final = 2.33
"""From so many on it is clear."""
_LEAST_MISSES: Final = 5
"""Requests that must miss now: of fewer nothing is shared out."""
_DRAWS: Final = 50
_LEFT_OPEN: Final = 0.3
_LEFT_OPEN_GRAVE: Final = 0.5


@dataclass(frozen=True)
class Harm:
    """What is missed more often than before."""

    target: Target
    rise: float
    """Of the share of requests that miss it."""
    errors: float
    """The rise in standard errors of what chance makes."""

    @property
    def clear(self) -> bool:
        """Whether chance makes that of less than one in a hundred."""
        return self.errors > _CLEAR

    @property
    def told(self) -> bool:
        """Whether it is a damage at all."""
        return self.errors > _RISEN


@dataclass(frozen=True)
class Named:
    """Who is first."""

    order: tuple[str, ...]
    """Parts that changed, the first first."""
    causes: tuple[str, ...]
    wins: float | None
    tie: bool
    lowered_by: tuple[str, ...]
    confidence: Confidence


def harm(table: Table, targets: Sequence[Target]) -> Harm | None:
    """The promise whose misses rose most beyond chance; None where there is no promise."""
    known = [_harm(table, target) for target in targets if target.signal in table.scaled]
    return max(known, key=lambda one: (one.clear, one.told, one.rise), default=None)


def _harm(table: Table, target: Target) -> Harm:
    misses, n = missed(table.scaled[target.signal].raw, target), table.n_before
    rise, overall = float(misses[n:].mean() - misses[:n].mean()), float(misses.mean())
    spread = math.sqrt(max(overall * (1 - overall) * (1 / n + 1 / table.n_now), 1e-12))
    errors = rise / spread if misses[n:].sum() >= _LEAST_MISSES else 0.0
    return Harm(target, rise, errors)


def name(
    table: Table,
    found: Sequence[Found],
    parents: Mapping[str, Parents],
    changed: Sequence[str],
    seen: Harm | None,
    whose: Shares | None,
    options: Options,
) -> Named:
    """Who is first: by what is added to the misses; where the graph is in doubt or no damage is clear, by effect.

    By effect a part comes before what it is given: that the mix of inputs moves is how things are, that a part treats
    them in another way is not. Among inputs it is what they add, where that is known.
    """
    if whose is not None and not table.doubts and seen is not None and seen.clear:
        added = dict(zip(whose.players, whose.values.tolist(), strict=True))
        order = sorted(changed, key=lambda part: -added[part])
        wins = _wins_by_share(order, whose)
    else:
        sizes = {part: effect(found, part, options) for part in changed}
        if whose is not None:
            added = dict(zip(whose.players, whose.values.tolist(), strict=True))
            sizes |= {part: added[part] for part in changed if part.startswith(INPUTS)}
        order = sorted(changed, key=lambda part: (part.startswith(INPUTS), -sizes[part]))
        wins = _wins_by_effect(order, found, options)
    tie = wins is not None and wins < options.least_wins
    lowered, confidence = _confidence(
        table, seen, whose if seen and seen.told else None, _doubts(table, parents, changed), tie=tie
    )
    return Named(
        tuple(order), _causes(order, whose if seen and seen.told else None, options), wins, tie, lowered, confidence
    )


def _wins_by_share(order: Sequence[str], whose: Shares) -> float | None:
    """Share of the resamples in which the first comes first."""
    if not order:
        return None
    own = whose.resampled[[whose.players.index(part) for part in order]]
    return float((own.argmax(axis=0) == 0).mean())


def _wins_by_effect(order: Sequence[str], found: Sequence[Found], options: Options) -> float | None:
    """The same, with effects drawn around what they are."""
    if not order:
        return None
    draw = np.random.default_rng(options.seed)
    alike = [part for part in order if part.startswith(INPUTS) == order[0].startswith(INPUTS)]
    drawn = [effect(found, part, options) + _error(found, part) * draw.standard_normal(_DRAWS) for part in alike]
    return float((np.array(drawn).argmax(axis=0) == 0).mean())


def _error(found: Sequence[Found], part: str) -> float:
    """About how much an effect wavers: as a difference of means of two halves, in standard deviations."""
    return 2 / math.sqrt(max((s.tested.n for s in found if s.part == part), default=1))


def _causes(order: Sequence[str], whose: Shares | None, options: Options) -> tuple[str, ...]:
    """The first, and whoever else changed itself and has a material share."""
    if whose is None or whose.damage <= 0:
        return tuple(order)
    share = dict(zip(whose.players, (whose.values / whose.damage).tolist(), strict=True))
    return tuple(part for i, part in enumerate(order) if i == 0 or share[part] >= options.material)


def _doubts(table: Table, parents: Mapping[str, Parents], changed: Sequence[str]) -> tuple[str, ...]:
    """What may be wrong with the graph."""
    of = {name: s.part for name, s in table.scaled.items()}
    pairs = {(of[q], of[name]) for name, given in parents.items() for q in given.undeclared}
    apart = (pair for pair in pairs if {*pair} & {*changed} and not _has_a_way(table, *pair))
    shown = sorted({(min(pair), max(pair)) for pair in apart})
    told = (f"in the baseline {a} and {b} go together, and the graph does not say why" for a, b in shown)
    silent = (f"{part} has no signal: what it does shows in the parts behind it" for part in sorted(table.silent))
    return (*table.doubts, *told, *silent)


def _has_a_way(table: Table, one: str, other: str) -> bool:
    """Whether the graph leads from one to the other: what the signals between do not carry may still come that way."""
    return one in table.upstream(other) or other in table.upstream(one)


def _confidence(
    table: Table, seen: Harm | None, whose: Shares | None, doubts: tuple[str, ...], *, tie: bool
) -> tuple[tuple[str, ...], Confidence]:
    lowered, open_ = list(doubts), _left_open(whose) if seen and seen.clear else 0.0
    if table.n_now < MANY:
        lowered.append(f"few requests since then: {table.n_now}")
    if seen is None or not seen.told:
        lowered.append(NO_DAMAGE)
    elif not seen.clear:
        lowered.append("so slight a damage may be chance")
    if tie:
        lowered.append("a tie: other requests of the same kind may have put another part first")
    if open_ > _LEFT_OPEN:
        lowered.append(f"{100 * open_:.0f} % of the damage are not explained by parts that changed")
    grave = bool(table.doubts) or tie or open_ > _LEFT_OPEN_GRAVE
    return tuple(lowered), "low" if grave else "medium" if lowered else "high"


def _left_open(whose: Shares | None) -> float:
    if whose is None or whose.damage <= 0:
        return 0.0
    return float(whose.values[whose.players.index(REST)] / whose.damage)
