"""One attribution as a question to another library: a graph of single signals, and their rows. Needs NumPy.

The graph is the one that the gate goes by: of each signal the parents that it is tested given. Signals are on the scale
of the gate, where what is missing is 0. Which of them are asked about goes by how far they moved, never by the verdict
that is to be checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from syscard.finding import Value
from syscard_monitors.attribution.damage import on_scale
from syscard_monitors.attribution.naming import harm
from syscard_monitors.attribution.screening import moved_by, screened
from syscard_monitors.attribution.table import Table, Target, missed
from syscard_monitors.stats import evenly

MOST_SIGNALS: Final = 12
MOST_ROWS: Final = 1_000


Of = Literal["misses", "share", "mean"]
"""Whose change is asked about: the share of requests beyond a limit, that of yes, the mean of a number."""


class Question(Value):
    """Whose is the change of one signal."""

    target: str
    """A signal."""
    says: str
    """What it is called, or the promise that it misses."""
    of: Of
    limit: float | None
    """On the scale of the rows, where it is misses."""
    above: bool
    change: float
    """Of that share, or of the mean in standard deviations of before, over the rows that are sent."""
    parts: dict[str, str]
    """Signal -> part, each after those that act on it."""
    edges: tuple[tuple[str, str], ...]
    """Signal -> signal that it acts on."""
    before: dict[str, tuple[float, ...]]
    """Signal -> a number for each request."""
    now: dict[str, tuple[float, ...]]
    left_out: int
    """Signals that act on the target, too, and moved less than those that are asked about."""
    seed: int = 0


def question_of(table: Table, targets: Sequence[Target], seed: int = 0) -> Question | None:
    """What can be asked about a table; None where no signal varies.

    Args:
        table: the signals.
        targets: promises; the one that the attribution shares out is asked about, else the signal that moved most.
        seed: of whatever the other library draws.
    """
    known = {name: given.declared for name, given in screened(table).items()}
    far = {name: moved_by(table.scaled[name], table.n_before) for name in known}
    if not known:
        return None
    seen = harm(table, targets)
    target = seen.target if seen and seen.told else None
    name = target.signal if target else max(known, key=lambda one: (far[one], one))
    able = ancestors(name, known)
    kept = {name, *sorted(able, key=lambda one: (-far[one], one))[: MOST_SIGNALS - 1]}
    order = [one for one in table.scaled if one in kept]
    rows = {one: table.scaled[one].z.tolist() for one in order}
    before = {one: evenly(values[: table.n_before], MOST_ROWS) for one, values in rows.items()}
    now = {one: evenly(values[table.n_before :], MOST_ROWS) for one, values in rows.items()}
    limit = _limit(table, target) if target else None
    above = target.above if target else True
    return Question(
        target=name,
        says=(target.says or target.signal) if target else name,
        of="misses" if target else "share" if table.scaled[name].binary else "mean",
        limit=limit,
        above=above,
        change=difference(before[name], now[name], limit, above=above),
        parts={one: table.scaled[one].part for one in order},
        edges=contracted(order, known),
        before=before,
        now=now,
        left_out=len(able) + 1 - len(kept),
        seed=seed,
    )


def _limit(table: Table, target: Target) -> float:
    signal = table.scaled[target.signal]
    return on_scale(signal, missed(signal.raw, target), above=target.above)


def difference(before: Any, now: Any, limit: float | None, *, above: bool) -> float:
    """Of two samples: how much larger the share beyond the limit is now, or the mean."""
    shares = (_told(values, limit, above=above) for values in (now, before))
    return next(shares) - next(shares)


def _told(values: Sequence[float], limit: float | None, *, above: bool) -> float:
    told = values if limit is None else [(v > limit) if above else (v < limit) for v in values]
    return float(sum(told) / max(len(values), 1))


def ancestors(name: str, parents: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Every signal that acts on one, directly or not."""
    found: set[str] = set()
    waiting = [*parents.get(name, ())]
    while waiting:
        near = waiting.pop()
        if near not in found:
            found.add(near)
            waiting.extend(parents.get(near, ()))
    return frozenset(found)


def contracted(kept: Sequence[str], parents: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """The edges among some signals; what acted through one that is left out acts directly."""
    found: set[tuple[str, str]] = set()
    for name in kept:
        waiting, passed = [*parents.get(name, ())], set[str]()
        while waiting:
            near = waiting.pop()
            if near in kept:
                found.add((near, name))
            elif near not in passed:
                passed.add(near)
                waiting.extend(parents.get(near, ()))
    return tuple(sorted(found))
