"""What a risk is to the engine that assesses it: places, what is usual there, and a reading of the newest requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Any, Protocol, TypeVar

from syscard.card import Card
from syscard.risks import Scale
from syscard.system import EDGE, System, edge_ends
from syscard_monitors.answers import Known, answer_to, names_of
from syscard_monitors.assemble import Answer, Request
from syscard_monitors.strata import Strata

MOST_TRACES = 3
T = TypeVar("T")


@dataclass(frozen=True)
class Columns:
    """What is computed of each request by itself: once, whatever risk, place or part of the requests asks for it."""

    requests: Sequence[Request]
    whole: Columns | None = None
    """Of which these are a part."""
    start: int = 0
    """Where it begins there."""
    _old: Mapping[Hashable, list[Any]] = field(default_factory=dict, compare=False, repr=False)
    """Of the first of these requests, from the assessment before."""
    _known: dict[Hashable, list[Any]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, name: Hashable, of_request: Callable[[Request], T]) -> list[T]:
        """One value a request; the name stands for `of_request` and everything that it depends on."""
        if name not in self._known:
            self._known[name] = self._column(name, of_request)
        return self._known[name]

    def _column(self, name: Hashable, of_request: Callable[[Request], T]) -> list[T]:
        if self.whole is not None:
            return self.whole.of(name, of_request)[self.start : self.start + len(self.requests)]
        old = self._old.get(name, [])
        return [*old, *(of_request(request) for request in self.requests[len(old) :])]

    def moved_on(self, requests: Sequence[Request]) -> Columns:
        """Of newer requests: what was computed of those that are still among them is not computed again."""
        first = next((i for i, r in enumerate(self.requests) if requests and r is requests[0]), len(self.requests))
        pairs = zip(self.requests[first:], requests, strict=False)
        last = first + sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
        return Columns(requests, _old={name: column[first:last] for name, column in self._known.items()})


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
    memo: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was computed of these requests together already, whatever the place."""
    columns: Columns = field(kw_only=True)
    known: Known = field(default_factory=dict, repr=False)
    """What feedback says of requests."""
    topics: frozenset[str] | None = None
    """What signals, claims and comparisons of groups look at, of any part; None where that is not known."""

    @cached_property
    def now_us(self) -> int:
        """End of the newest request."""
        return max((request.end_us for request in self.requests), default=0)

    def answers(self) -> list[Answer | None]:
        """What had come of each request by the end of the newest; of a baseline, too, so that it is looked at alike."""
        return self.once("answers", self._answers)

    def _answers(self) -> list[Answer | None]:
        found: Iterable[Answer | None] = (request.answer for request in self.requests)
        if self.known:
            named = zip(self.requests, self.columns.of("names of spans", names_of), strict=True)
            found = (answer_to(request, names, self.known) for request, names in named)
        return [one if one is not None and one.at_us <= self.now_us else None for one in found]

    def numbers(self, name: str) -> list[float | None]:
        """The mean of a field over the calls of each request; None where no call says a number."""
        return self.columns.of(name, lambda request: mean_of(request.values.get(name)))

    def once(self, name: Hashable, compute: Callable[[], T]) -> T:
        """What several places or risks compute of the same requests; the name stands for what it depends on."""
        if name not in self.memo:
            self.memo[name] = compute()
        found: T = self.memo[name]
        return found

    @cached_property
    def source(self) -> str:
        """The component that gives; of a component itself."""
        return edge_ends(self.about)[0] if EDGE.match(self.about) else self.about

    @cached_property
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
    severity: str = ""
    """Where this reading alone is less grave than the catalogue says."""
    traces: tuple[str, ...] = ()
    aspect: str = ""
    """Which of several effects it is; empty where a risk has only one."""
    aspects: Mapping[str, float] = field(default_factory=dict)
    """Every effect that these requests tell of, where there are several."""


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
    columns: Columns | None = None
    known: Known = field(default_factory=dict)
    """What feedback says of requests."""
    topics: frozenset[str] | None = None
    """What is looked at, of any part."""
    _memo: dict[Hashable, Any] = field(default_factory=dict)

    def case(self, about: str) -> Case:
        """The case of one place."""
        named = about if about in self.strata.named else about.rpartition("->")[2]
        columns = self._columns()
        strata = columns.of(("stratum", named), lambda request: self.strata.of_one(named, request))
        seed = seed_of(f"{self.seed}/{about}")
        found = self.system, about, self.requests, strata, seed, self.card, self._memo
        return Case(*found, columns=columns, known=self.known, topics=self.topics)

    def part(self, start: int, size: int) -> CaseMaker:
        """The same over some of the requests; what was computed of each of them is not computed again."""
        some = self.requests[start : start + size]
        columns = Columns(some, self._columns(), start)
        return replace(self, requests=some, columns=columns, _memo={})

    def _columns(self) -> Columns:
        self.columns = self.columns or Columns(self.requests)
        return self.columns


@dataclass
class Kept:
    """Columns of the assessment before, while they are of use: no state of the monitors, only time that is saved."""

    columns: Columns | None = None
    of: tuple[str, System] | None = None
    """Which baseline and which declaration they were computed for."""

    def moved_on(self, baseline: str, system: System, requests: Sequence[Request]) -> Columns:
        """Columns of newer requests; those of another baseline or declaration are of no use."""
        old = self.columns if self.columns and self.of == (baseline, system) else Columns(())
        self.columns, self.of = old.moved_on(requests), (baseline, system)
        return self.columns


def mean_of(calls: Sequence[Any] | None) -> float | None:
    """Of the numbers that calls say; None where none does."""
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
