"""Compound systems that are simulated: one number a request and signal, made by mechanisms that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Values = NDArray[np.float64]
Drawn = Mapping[str, Values]
Link = Literal["plain", "exp", "share", "yes", "count"]
Noise = Literal["normal", "heavy", "skewed"]
HIDDEN: Final = "hidden"


@dataclass(frozen=True)
class Mechanism:
    """How one signal comes about: a level, what parents add, noise, and how that is seen."""

    part: str
    parents: Mapping[str, float] = field(default_factory=dict)
    level: float = 0.0
    spread: float = 1.0
    link: Link = "plain"
    noise: Noise = "normal"
    bend: Callable[[Drawn], Values | float] | None = None
    """What parents add beside the straight lines."""
    total: Callable[[Drawn], Values] | None = None
    """In place of all that: a sum of what is seen of others, with a factor of noise."""

    @property
    def decides(self) -> bool:
        """Whether it is drawn anew from its chance: a yes or no, or a count."""
        return self.link in ("yes", "count")


@dataclass(frozen=True)
class World:
    """A system with its mechanisms, in order, and the promises by which damage is measured."""

    name: str
    mechanisms: Mapping[str, Mechanism]
    targets: Mapping[str, bool]
    """Signal -> whether high is bad. Bad is the worst twentieth of before."""
    inputs: tuple[str, ...]
    """Signals whose drift is innocent in the harder tables."""
    shared: tuple[str, ...]
    """Signals that a hidden common cause moves, where there is one."""

    @property
    def parts(self) -> tuple[str, ...]:
        """In order."""
        return tuple(dict.fromkeys(m.part for m in self.mechanisms.values()))

    @property
    def edges(self) -> frozenset[tuple[str, str]]:
        """Part acts on part: what a team would declare."""
        pairs = {(self.mechanisms[p].part, m.part) for m in self.mechanisms.values() for p in self.acting(m)}
        return frozenset((u, d) for u, d in pairs if u != d)

    def acting(self, mechanism: Mechanism) -> tuple[str, ...]:
        """Signals that a mechanism reads; a total reads every signal of time."""
        times = [n for n in self.mechanisms if n.endswith("_ms") and self.mechanisms[n].total is None]
        return (*mechanism.parents, *(times if mechanism.total else ()))

    def upstream(self, signal: str) -> frozenset[str]:
        """Signals that act on one, itself included."""
        found, waiting = {signal}, [signal]
        while waiting:
            fresh = {*self.acting(self.mechanisms[waiting.pop()])} - found
            found |= fresh
            waiting += sorted(fresh)
        return frozenset(found)

    def changed(self, signal: str, **changes: Any) -> World:
        """The world with another mechanism of one signal."""
        other = replace(self.mechanisms[signal], **changes)
        return replace(self, mechanisms={**self.mechanisms, signal: other})


def simulate(
    world: World, n: int, rng: Rng, other: World | None = None, share: float = 1.0, hidden: float = 0.0
) -> Drawn:
    """Requests of a world; a drawn share of them, of another one.

    Args:
        world: the mechanisms.
        n: requests.
        rng: where chance comes from; as many draws whatever the mechanisms, so that worlds can be compared.
        other: mechanisms of the share.
        share: of the requests.
        hidden: how much a common cause that no signal tells of moves the world's `shared` signals.
    """
    cause = hidden * rng.standard_normal(n)
    is_other = rng.random(n) < share if other else np.zeros(n, dtype=bool)
    felt: dict[str, Values] = {}
    seen: dict[str, Values] = {}
    for name in world.mechanisms:
        draws = _draws(n, rng)
        moved = cause * (name in world.shared)
        felt[name], seen[name] = _one(world.mechanisms[name], felt, seen, draws, moved)
        if other is not None:
            changed = _one(other.mechanisms[name], felt, seen, draws, moved)
            felt[name] = np.where(is_other, changed[0], felt[name])
            seen[name] = np.where(is_other, changed[1], seen[name])
    return seen


@dataclass(frozen=True)
class _Draws:
    even: Values
    noise: Mapping[Noise, Values]


def _draws(n: int, rng: Rng) -> _Draws:
    even, normal, scale = rng.random(n), rng.standard_normal(n), rng.chisquare(4, n) / 4
    skewed = np.exp(0.8 * normal) - np.exp(0.32)
    return _Draws(even, {"normal": normal, "heavy": normal / np.sqrt(scale) / np.sqrt(2), "skewed": skewed})


def _one(m: Mechanism, felt: Drawn, seen: Drawn, draws: _Draws, moved: Values) -> tuple[Values, Values]:
    """What children feel of a signal, and what is seen of it."""
    noise = m.spread * draws.noise[m.noise]
    if m.total is not None:
        found = np.exp(np.log(m.total(seen)) + m.level + noise)
        return np.log(found), found
    eta: Values = m.level + moved + sum((w * felt[p] for p, w in m.parents.items()), np.zeros(len(noise)))
    eta = eta + (m.bend(felt) if m.bend else 0.0)
    if m.link == "yes":
        told = (draws.even < _chance(eta)).astype(float)
        return told, told
    if m.link == "count":
        told = _poisson(draws.even, np.exp(np.minimum(eta, 4)))
        return told, told
    eta = eta + noise
    return eta, {"plain": eta, "exp": np.exp(np.clip(eta, -20, 20)), "share": _chance(eta)}[m.link]


def _chance(eta: Values) -> Values:
    found: Values = 1 / (1 + np.exp(-np.clip(eta, -30, 30)))
    return found


def _poisson(even: Values, mean: Values) -> Values:
    """Counts by inversion, up to 60."""
    term = np.exp(-mean)
    below, found = term.copy(), np.zeros(len(even))
    for k in range(1, 61):
        found += even > below
        term = term * mean / k
        below += term
    return found
