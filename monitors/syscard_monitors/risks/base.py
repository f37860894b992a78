"""What a risk is to the engine that assesses it: places, what is usual there, and a reading of the newest requests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from syscard.card import Card
from syscard.risks import Scale
from syscard.system import EDGE, System, edge_ends
from syscard_monitors.assemble import Request
from syscard_monitors.strata import Strata

MOST_TRACES = 3


@dataclass(frozen=True)
class Case:
    """One place of a system, with the requests that are looked at there."""

    system: System
    about: str
    """A component, an edge, or `system`."""
    requests: Sequence[Request]
    strata: Sequence[str]
    """The stratum of each request."""
    seed: int = 0
    card: Card | None = None
    """As it stands; None while a baseline is set."""
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was computed of these requests already, whatever the place."""

    def numbers(self, name: str) -> list[float | None]:
        """The mean of a field over the calls of each request; None where no call says a number."""
        if name not in self.memo:
            self.memo[name] = [_mean(r.values.get(name)) for r in self.requests]
        found: list[float | None] = self.memo[name]
        return found

    @property
    def source(self) -> str:
        """The component that gives; of a component itself."""
        return edge_ends(self.about)[0] if EDGE.match(self.about) else self.about

    @property
    def target(self) -> str:
        """The component that takes; of a component itself."""
        return edge_ends(self.about)[1] if EDGE.match(self.about) else self.about


@dataclass(frozen=True)
class Reading:
    """What the newest requests say of a risk in one place. Whether that is much is for the engine to say."""

    n: int
    """Requests, or what the catalogue's `least` counts."""
    effect: float
    """What is compared with the threshold: the larger the worse."""
    says: str
    """What was measured, in words with figures."""
    p_value: float | None = None
    """One-sided, of no effect; None where one event is enough."""
    error: float | None = None
    """Standard error of the effect where nothing is wrong (of a factor: of its logarithm)."""
    scale: Scale = "number"
    low: float | None = None
    high: float | None = None
    value: float | None = None
    reference: float | None = None
    unit: str = ""
    share: float = 1.0
    """Share of the requests that are affected."""
    traces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lacking:
    """Why a risk cannot be assessed in a place."""

    why: str
    """`needs cf.items`, or `needs n 200, has 120`."""
    needs: int | None = None
    n: int = 0


class Risk(Protocol):
    """One risk of the catalogue."""

    @property
    def id(self) -> str:
        """`IR-13`."""

    @property
    def invariant(self) -> bool:
        """Whether one event is enough, with or without a baseline: `usual` is then not asked for."""

    def places(self, system: System) -> tuple[str, ...]:
        """Where it can be in this system: components, edges (declared or not), or `system`."""

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """What is kept of the baseline's requests, as JSON of bounded size."""

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """A reading of the newest requests."""


@dataclass
class CaseMaker:
    """Cases over one set of requests; strata are told apart once a place."""

    system: System
    strata: Strata
    requests: Sequence[Request]
    seed: str
    """What the seeds of places are made of."""
    card: Card | None = None
    _known: dict[str, list[str]] = field(default_factory=dict)
    _memo: dict[str, Any] = field(default_factory=dict)

    def case(self, about: str) -> Case:
        """The case of one place."""
        named = about if about in self.strata.named else about.rpartition("->")[2]
        if named not in self._known:
            self._known[named] = self.strata.of(named, self.requests)
        return Case(
            self.system,
            about,
            self.requests,
            self._known[named],
            seed_of(f"{self.seed}/{about}"),
            self.card,
            self._memo,
        )

    def part(self, start: int, size: int) -> CaseMaker:
        """The same over some of the requests."""
        known = {name: strata[start : start + size] for name, strata in self._known.items()}
        return CaseMaker(self.system, self.strata, self.requests[start : start + size], self.seed, self.card, known)


def _mean(calls: Sequence[Any] | None) -> float | None:
    if calls is None:
        return None
    if len(calls) == 1:
        return float(calls[0]) if isinstance(calls[0], bool | int | float) else None
    told = [float(v) for v in calls if isinstance(v, bool | int | float)]
    return sum(told) / len(told) if told else None


def seed_of(name: str) -> int:
    """A seed made of a name: the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def examples(requests: Sequence[Request], marked: Sequence[bool | None]) -> tuple[str, ...]:
    """The newest few of the requests that are marked."""
    found = [r.reference for r, mark in zip(requests, marked, strict=True) if mark]
    return tuple(found[-MOST_TRACES:])
