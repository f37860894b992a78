"""What is done to a world, and the truth about it: a change of one mechanism, or of two, that does damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.risks.worlds import Drawn, Mechanism, Rng, World, simulate
from syscard_monitors.attribution import Series, Table, Target

LARGE: Final = 5_000
"""Requests by which the true damage is measured."""
LEAST_DAMAGE: Final = 0.02
"""Rise of the share of requests in the worst twentieth of before."""


@dataclass(frozen=True)
class Setting:
    """One row of the tables."""

    name: str
    requests: int = 1_000
    drift: float = 0.25
    """Innocent drift of an input, in its own spread."""
    drifts: float = 0.5
    """Share of the cases that have it."""
    hidden: float = 0.0
    missing: int = 0
    """Edges that are left out of the graph."""
    known: bool = True
    """Whether what is left out was observed, and lowers confidence."""
    causes: int = 1


@dataclass(frozen=True)
class Case:
    """Requests before and now, the graph that is believed, and the truth."""

    table: Table
    target: Target
    truth: tuple[str, ...]
    innocent: str | None


def cases(world: World, setting: Setting, count: int, rng: Rng) -> Iterator[Case]:
    """So many cases; kinds of change take turns."""
    limits = _limits(world)
    for i in range(count):
        yield _case(world, setting, limits, ("shift", "edge", "noise")[i % 3], rng)


def calm(world: World, setting: Setting, count: int, rng: Rng) -> Iterator[Case]:
    """Nothing changed; or, with `drifts` 1, an input did and nothing else."""
    limits = _limits(world)
    for i in range(count):
        signal = world.inputs[i % len(world.inputs)]
        moved = _drifted(world, signal, setting.drift * (1 if i % 4 < 2 else -1)) if setting.drifts else world
        target = _target(world, sorted(world.targets)[i % len(world.targets)], limits)
        innocent = world.mechanisms[signal].part if setting.drifts else None
        yield _drawn(world, setting, moved, moved, 1.0, target, (), innocent, rng)


def _limits(world: World) -> dict[str, float]:
    usual = simulate(world, LARGE, np.random.default_rng(1))
    return {t: float(np.quantile(usual[t], 0.95 if high else 0.05)) for t, high in world.targets.items()}


def _target(world: World, signal: str, limits: dict[str, float]) -> Target:
    return Target(signal, limits[signal], above=world.targets[signal])


def _damage(world: World, other: World, share: float, target: Target, hidden: float) -> float:
    values = simulate(world, LARGE, np.random.default_rng(1), other, share, hidden)[target.signal]
    return float((values > target.limit if target.above else values < target.limit).mean()) - 0.05


def _case(world: World, setting: Setting, limits: dict[str, float], kind: str, rng: Rng) -> Case:
    """Drawn again until it does damage, and what is innocent at most half as much."""
    while True:
        target = _target(world, str(rng.choice(sorted(world.targets))), limits)
        share = float(rng.uniform(0.3, 1.0))
        changed, truth = _injected(world, target, kind, setting.causes, rng)
        if changed is None:
            continue
        damage = _damage(world, changed[-1], share, target, 0.0)
        if damage < LEAST_DAMAGE or any(_damage(world, w, share, target, 0.0) < LEAST_DAMAGE for w in changed[:-1]):
            continue
        before, now, innocent = world, changed[-1], None
        if rng.random() < setting.drifts:
            signal = str(rng.choice([s for s in world.inputs if world.mechanisms[s].part not in truth] or [""]))
            if not signal:
                continue
            by = setting.drift * float(rng.choice([-1.0, 1.0]))
            before, now, innocent = (
                _drifted(world, signal, by),
                _drifted(now, signal, by),
                world.mechanisms[signal].part,
            )
            if abs(_damage(world, before, 1.0, target, 0.0)) > damage / 2:
                continue
        return _drawn(world, setting, before, now, share, target, truth, innocent, rng)


def _injected(
    world: World, target: Target, kind: str, causes: int, rng: Rng
) -> tuple[list[World] | None, tuple[str, ...]]:
    """The worlds with each change alone, then with all of them."""
    near = sorted(world.upstream(target.signal))
    signals = [str(s) for s in rng.choice(near, size=causes, replace=False)]
    parts = tuple(world.mechanisms[s].part for s in signals)
    changes = [_change(world.mechanisms[s], kind, rng) for s in signals]
    if len(set(parts)) < causes or None in changes:
        return None, ()
    alone = [replace(world, mechanisms={**world.mechanisms, s: c}) for s, c in zip(signals, changes, strict=True) if c]
    both = {s: c for s, c in zip(signals, changes, strict=True) if c}
    return [*(alone if causes > 1 else ()), replace(world, mechanisms={**world.mechanisms, **both})], parts


def _change(m: Mechanism, kind: str, rng: Rng) -> Mechanism | None:
    if kind == "shift":
        size = float(rng.uniform(0.4, 1.4) * rng.choice([-1, 1]))
        return replace(m, level=m.level + size * (1.6 if m.decides else max(m.spread, 0.3)))
    if kind == "edge":
        if not any(m.parents.values()):
            return None
        edge = str(rng.choice([p for p, w in m.parents.items() if w]))
        return replace(m, parents={**m.parents, edge: m.parents[edge] * float(rng.choice([-0.8, -0.3, 0.0, 2.2, 3.0]))})
    return None if m.decides or m.total else replace(m, spread=m.spread * float(rng.uniform(1.6, 3.0)))


def _drifted(world: World, signal: str, by: float) -> World:
    m = world.mechanisms[signal]
    return world.changed(signal, level=m.level + by * m.spread)


def _drawn(
    world: World,
    setting: Setting,
    moved: World,
    now: World,
    share: float,
    target: Target,
    truth: tuple[str, ...],
    innocent: str | None,
    rng: Rng,
) -> Case:
    before = simulate(world, setting.requests, rng, hidden=setting.hidden)
    after = simulate(moved, setting.requests, rng, now, share, setting.hidden)
    edges = sorted(world.edges)
    lost = {edges[int(i)] for i in rng.choice(len(edges), setting.missing, replace=False)}
    return Case(table_of(world, before, after, lost, known=setting.known), target, truth, innocent)


def table_of(world: World, before: Drawn, now: Drawn, lost: set[tuple[str, str]], *, known: bool) -> Table:
    """What the attribution is given: values, and the declared graph without the edges that are lost."""
    edges = world.edges - lost
    return Table(
        [Series(name, m.part, before[name], now[name]) for name, m in world.mechanisms.items()],
        {part: frozenset(u for u, d in edges if d == part) for part in world.parts},
        doubts=tuple(f"seen, not declared: {u}->{d}" for u, d in sorted(lost)) if known else (),
    )
