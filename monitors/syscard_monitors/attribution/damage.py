"""How much of the rise of the share of requests that miss is whose. Needs NumPy.

Each request of before is paired with one of now. Run anew, a pair takes what its parents leave open in a signal from
the request of before, or, where the signal's part is in the coalition, from the one of now, with that one's mechanism.
So the empty coalition gives back the requests of before as they were, and the full one those of now: Shapley's values
sum to the rise that was seen. Parts that did not change have one mechanism, fitted on both; they share one player.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from syscard_monitors.attribution.features import columns
from syscard_monitors.attribution.fits import chances
from syscard_monitors.attribution.gate import Fitted
from syscard_monitors.attribution.shapley import shapley
from syscard_monitors.attribution.table import Scaled, Table, Target, Vector, missed

PAIRS: Final = 1_000
RESAMPLES: Final = 50
REST: Final = ""
"""The player that all parts share that did not change."""


class Shares(NamedTuple):
    """What each player adds to the rise, and over resampled pairs."""

    players: tuple[str, ...]
    damage: float
    """Rise of the share of requests that miss."""
    values: Vector
    """By player; they sum to the damage."""
    resampled: Vector
    """(players, resamples)."""


@dataclass(frozen=True, eq=False)
class _Run:
    """The pairs, and what is needed to run a signal anew."""

    signals: Sequence[Scaled]
    fits: Mapping[str, Fitted]
    changed: frozenset[str]
    before: Vector
    """Place of each pair's request of before."""
    now: Vector
    draws: Mapping[str, Vector]
    """By signal: one number a row between 0 and 1, which decides between yes and no."""


def shares(table: Table, fits: Mapping[str, Fitted], changed: Sequence[str], target: Target, seed: int) -> Shares:
    """Shapley's values of the parts that changed, and of the rest together.

    Args:
        table: the signals.
        fits: mechanism by signal; one without is taken over as it was seen.
        changed: parts that are players of their own.
        target: what is missed.
        seed: pairs, draws and resamples.
    """
    draw = np.random.default_rng(seed)
    players = (*changed, REST)
    n = min(PAIRS, max(table.n_before, table.n_now))
    run = _Run(
        _needed(table, fits, target.signal),
        fits,
        frozenset(changed),
        _spread(draw, table.n_before, n),
        table.n_before + _spread(draw, table.n_now, n),
        {name: draw.random(table.n_before + table.n_now) for name in table.scaled},
    )
    limit = on_scale(table.scaled[target.signal], missed(table.scaled[target.signal].raw, target), above=target.above)
    counts = draw.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    weights = np.vstack([np.full(n, 1 / n), counts])

    def worth(coalitions: Sequence[int]) -> Vector:
        z = _run(run, players, coalitions, target.signal)
        found: Vector = (z > limit if target.above else z < limit).astype(float) @ weights.T
        return found

    found = shapley(worth, len(players), seed)
    return Shares(players, float(found[:, 0].sum()), found[:, 0], found[:, 1:])


def _spread(draw: np.random.Generator, available: int, wanted: int) -> Vector:
    """So many places, each as often as the others (give or take one), in a drawn order."""
    rounds = [draw.permutation(available) for _ in range(-(-wanted // available))]
    found: Vector = np.concatenate(rounds)[:wanted]
    return found


def on_scale(signal: Scaled, misses: Vector, *, above: bool) -> float:
    """The target's limit on the scale of its signal; infinite where all miss, or none."""
    of_misses, others = signal.z[misses > 0], signal.z[(misses == 0) & signal.there]
    if not len(of_misses) or not len(others):
        return np.inf if above else -np.inf
    return float((of_misses.min() + others.max()) / 2 if above else (of_misses.max() + others.min()) / 2)


def _needed(table: Table, fits: Mapping[str, Fitted], target: str) -> list[Scaled]:
    """The target and all that acts on it, in order."""
    found, waiting = {target}, [target]
    while waiting:
        fit = fits.get(waiting.pop())
        fresh = {*(fit.parents if fit else ())} - found
        found |= fresh
        waiting += sorted(fresh)
    return [s for s in table.scaled.values() if s.name in found]


def _run(run: _Run, players: Sequence[str], coalitions: Sequence[int], target: str) -> Vector:
    """The target's value: (coalitions, pairs)."""
    values: dict[str, Vector] = {}
    bits = {part: np.array([c >> i & 1 for c in coalitions], dtype=bool) for i, part in enumerate(players)}
    for signal in run.signals:
        own = bits[signal.part if signal.part in run.changed else REST]
        values[signal.name] = _signal(run, signal, own, values)
    return values[target]


def _signal(run: _Run, signal: Scaled, own: Vector, values: Mapping[str, Vector]) -> Vector:
    """One signal in all coalitions: what its parents make of it, and what they leave open."""
    fit = run.fits.get(signal.name)
    seen = signal.z[run.before], signal.z[run.now]
    if fit is None or any(name not in values for name in fit.parents):
        as_seen: Vector = np.where(own[:, None], seen[1][None, :], seen[0][None, :])
        return as_seen
    m, n = len(own), len(run.before)
    parents = [values[name].reshape(-1) for name in fit.parents]
    given = np.column_stack(parents) if parents else np.empty((m * n, 0))
    now = np.repeat(own, n)
    told = _told(fit, given, signal.part in run.changed, now)
    observed = [_observed(run, signal, fit, rows, is_now=bool(i)) for i, rows in enumerate((run.before, run.now))]
    if signal.binary:
        u = [_consistent(run.draws[signal.name][rows], chances(o), z)
             for rows, o, z in zip((run.before, run.now), observed, seen, strict=True)]  # fmt: skip
        drawn = np.where(own[:, None], u[1][None, :], u[0][None, :])
        yes: Vector = (drawn < chances(told).reshape(m, n)).astype(float)
        return yes
    left = np.where(own[:, None], (seen[1] - observed[1])[None, :], (seen[0] - observed[0])[None, :])
    # Held to what was seen of it: squares of squares, continued far beyond, leave every number behind.
    found: Vector = np.clip(told.reshape(m, n) + left, *_span(signal))
    return found


def _span(signal: Scaled) -> tuple[float, float]:
    there = signal.z[signal.there]
    return float(min(there.min(), 0)), float(max(there.max(), 0))


def _told(fit: Fitted, given: Vector, changed: bool, now: Vector) -> Vector:
    """What parents make of a signal: its mechanism of before, or where `now`, of now."""
    x = columns(given, fit.shape)
    if not changed:
        return x @ fit.steady
    found: Vector = x @ fit.before + now * (fit.added[0] + given @ fit.added[1:])
    return found


def _observed(run: _Run, signal: Scaled, fit: Fitted, rows: Vector, *, is_now: bool) -> Vector:
    """What the parents that were seen make of it."""
    scaled = {s.name: s for s in run.signals}
    given = np.column_stack([scaled[name].z[rows] for name in fit.parents]) if fit.parents else np.empty((len(rows), 0))
    return _told(fit, given, signal.part in run.changed, np.full(len(rows), is_now))


def _consistent(draws: Vector, chance: Vector, seen: Vector) -> Vector:
    """Uniform draws under which a chance gives what was seen."""
    return np.where(seen > 0, draws * chance, chance + draws * (1 - chance))
