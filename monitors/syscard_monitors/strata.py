"""Strata: groups of requests that are compared with their own like, so that a new mix of them is no change.

Requests are told apart by the time of day (where the baseline has whole days), by each declared segment, and by the
version of the component where the baseline has several. What the baseline has too rarely for a stratum of its own is
put together with its like, whatever the version and the time of day, and what is still too rare with all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from syscard.system import System, edge_ends
from syscard_monitors.assemble import Request
from syscard_monitors.traces import moment

HOUR: Final = "hour"
VERSION: Final = "version"
NONE: Final = "(none)"
"""Label of who says none."""
EVERYONE: Final = ""
"""The stratum of requests of which the baseline has no like, though it knows their labels: compared with all."""
RARE: Final = "*"
"""The stratum of all that the baseline has too rarely."""
LEAST: Final = 50
"""Requests of a baseline that make a stratum of their own."""
MOST: Final = 96
"""Strata of their own; the commonest are."""
WHOLE_DAYS: Final = timedelta(days=2)
"""A baseline this long has every hour at least twice: from then on times of day are told apart."""
BLOCKS: Final = (1, 2, 3, 4, 6, 8, 12)
"""Hours that are taken together: the fewest with which nearly all requests are in a stratum of their own."""
NEARLY_ALL: Final = 0.9
_Said = dict[str, str]


@dataclass(frozen=True)
class Strata:
    """How the requests of one system are told apart, as its baseline has them."""

    dimensions: tuple[str, ...] = ()
    """`hour`, `version`, or the name of a segment."""
    named: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By component or edge: what requests of the baseline said of themselves -> their stratum."""
    usual: Mapping[str, str] = field(default_factory=dict)
    """By component or edge: the version that most requests of the baseline had."""
    block: int = 1
    """Hours that are taken together."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By segment: the labels that the baseline has."""

    def of(self, about: str, requests: Iterable[Request]) -> list[str]:
        """The stratum of each request, for signals of a component or edge.

        A label that the baseline has not is a stratum of its own, of which nothing is known. Everything else that it
        has not (a version, a time of day, a request without a label) is compared with what is nearest to it, because
        a change may be why it is there.
        """
        return [self.of_one(about, request) for request in requests]

    def of_one(self, about: str, request: Request) -> str:
        """The stratum of one request."""
        if not self.dimensions:
            return EVERYONE
        said = _said(self.dimensions, about, request, self.block)
        named = self.named.get(about, {})
        usual = {**said, VERSION: self.usual[about]} if VERSION in said and about in self.usual else said
        known = named.get(_name(said)) or named.get(_name(usual))
        if known is not None:
            return known
        new = [name for name, told in self.labels.items() if said[name] != NONE and said[name] not in told]
        return _name({name: said[name] for name in new}) if new else EVERYONE

    def body(self) -> dict[str, Any]:
        """JSON form."""
        labels = {name: list(told) for name, told in self.labels.items()}
        return {
            "dimensions": self.dimensions,
            "named": self.named,
            "usual": self.usual,
            "block": self.block,
            "labels": labels,
        }


def read_strata(body: Mapping[str, Any]) -> Strata:
    """Strata from their JSON form; baselines of earlier releases have none."""
    if not body:
        return Strata()
    return Strata(
        tuple(body["dimensions"]),
        dict(body["named"]),
        dict(body["usual"]),
        body["block"],
        {name: tuple(told) for name, told in body["labels"].items()},
    )


def strata_of(system: System, abouts: Iterable[str], requests: Sequence[Request]) -> Strata:
    """The strata of a baseline's requests, for signals of these components and edges."""
    dimensions = tuple(_dimensions(system, requests))
    every, block = sorted({*abouts}), 1
    if HOUR in dimensions:
        blocks = (b for b in BLOCKS if all(_share_of_own(_names(dimensions, a, requests, b)) for a in every))
        block = next(blocks, 0)
        dimensions = dimensions if block else tuple(d for d in dimensions if d != HOUR)
    if not dimensions:
        return Strata()
    named = {about: _pooled([_said(dimensions, about, r, block or 1) for r in requests]) for about in every}
    usual = {about: _commonest(_version(about, request) for request in requests) for about in every}
    segments = [d for d in dimensions if d not in (HOUR, VERSION)]
    labels = {name: tuple(sorted({_label(name, r) for r in requests} - {NONE})) for name in segments}
    return Strata(dimensions, named, {about: v for about, v in usual.items() if v}, block or 1, labels)


def _names(dimensions: Sequence[str], about: str, requests: Sequence[Request], block: int) -> list[str]:
    return [_name(_said(dimensions, about, request, block)) for request in requests]


def _share_of_own(names: Sequence[str]) -> bool:
    """Whether nearly all requests would have a stratum of their own."""
    own = [n for n in Counter(names).values() if n >= LEAST][:MOST]
    return sum(own) >= NEARLY_ALL * len(names)


def _pooled(said: Sequence[_Said]) -> dict[str, str]:
    """What requests said -> their stratum: their own, else that of their like at any time and version, else rare."""
    found: dict[str, str] = {}
    left = list(said)
    for without in ((), (HOUR,), (HOUR, VERSION)):
        counts = Counter(_name(_less(one, without)) for one in left)
        ranked = sorted(
            (name for name, n in counts.items() if n >= LEAST and name), key=lambda name: (-counts[name], name)
        )
        own = {*ranked[: MOST - len({*found.values()})]}
        found |= {
            _name(one): _of_rest(_name(_less(one, without)), without)
            for one in left
            if _name(_less(one, without)) in own
        }
        left = [one for one in left if _name(one) not in found]
    return {**found, **{_name(one): RARE for one in left}}


def _less(said: _Said, without: Sequence[str]) -> _Said:
    return {dimension: value for dimension, value in said.items() if dimension not in without}


def _of_rest(name: str, without: Sequence[str]) -> str:
    return f"{name}; any {' and '.join(without)}" if without else name


def _dimensions(system: System, requests: Sequence[Request]) -> Iterable[str]:
    if moment(requests[-1].end_us) - moment(requests[0].end_us) >= WHOLE_DAYS:
        yield HOUR
    yield from sorted(system.traces.segments)
    if any(len({_version(ref, r) for r in requests} - {None}) > 1 for ref in system.components):
        yield VERSION


def _said(dimensions: Sequence[str], about: str, request: Request, block: int) -> _Said:
    return {dimension: _value(dimension, about, request, block) for dimension in dimensions}


def _value(dimension: str, about: str, request: Request, block: int) -> str:
    if dimension == HOUR:
        return f"{moment(request.end_us).hour // block * block:02}"
    if dimension == VERSION:
        return _version(about, request) or NONE
    return _label(dimension, request)


def _label(segment: str, request: Request) -> str:
    label = request.values.get(f"segment.{segment}", [None])[0]
    return NONE if label is None else str(label)


def _version(about: str, request: Request) -> str | None:
    """What the component (of an edge: the one that takes) says of its version, or else of its model."""
    ref = edge_ends(about)[1] if "->" in about else about
    told = request.values.get(f"{ref}.version") or request.values.get(f"{ref}.model") or [None]
    return None if told[0] is None else str(told[0])


def _commonest(versions: Iterable[str | None]) -> str | None:
    counts = Counter(version for version in versions if version is not None)
    return min(counts, key=lambda version: (-counts[version], version), default=None)


def _name(said: Mapping[str, str]) -> str:
    return "; ".join(f"{dimension}={value}" for dimension, value in said.items())
