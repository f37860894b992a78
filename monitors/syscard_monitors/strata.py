"""Strata: groups of requests that are compared with their own like, so that a new mix of them is no change.

Requests are told apart by the hour (where the baseline has whole days), by each declared segment, and by the version of
the component where the baseline has several. What the baseline has too rarely is one stratum together.
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
EVERYONE: Final = ""
"""The stratum of who says no segment: such requests are compared with all."""
RARE: Final = "*"
"""The stratum of all that the baseline has too rarely, or that came after too many others."""
LEAST: Final = 50
"""Requests of a baseline that make a stratum of their own."""
MOST: Final = 96
"""Strata of their own; the commonest are."""
WHOLE_DAYS: Final = timedelta(days=2)
"""A baseline this long has every hour at least twice: from then on hours are told apart."""


@dataclass(frozen=True)
class Strata:
    """How the requests of one system are told apart, as its baseline has them."""

    dimensions: tuple[str, ...] = ()
    """`hour`, `version`, or the name of a segment."""
    named: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By component or edge: what requests of the baseline said of themselves -> their stratum."""
    usual: Mapping[str, str] = field(default_factory=dict)
    """By component or edge: the version that most requests of the baseline had."""

    def of(self, about: str, requests: Iterable[Request]) -> list[str]:
        """The stratum of each request, for signals of a component or edge.

        A group that the baseline has not is a stratum of its own; a version that it has not is compared with the usual
        one, as a new version is a change and no new group.
        """
        return [self._of(about, request) for request in requests]

    def _of(self, about: str, request: Request) -> str:
        if not self.dimensions:
            return EVERYONE
        said = _said(self.dimensions, about, request)
        if any(value is None for dimension, value in said.items() if dimension not in (HOUR, VERSION)):
            return EVERYONE
        named = self.named.get(about, {})
        usual = {**said, VERSION: self.usual.get(about)} if VERSION in said else said
        return named.get(_name(said)) or named.get(_name(usual)) or _name(usual)

    def body(self) -> dict[str, Any]:
        """JSON form."""
        return {"dimensions": self.dimensions, "named": self.named, "usual": self.usual}


def read_strata(body: Mapping[str, Any]) -> Strata:
    """Strata from their JSON form; baselines of earlier releases have none."""
    if not body:
        return Strata()
    return Strata(tuple(body["dimensions"]), dict(body["named"]), dict(body["usual"]))


def strata_of(system: System, abouts: Iterable[str], requests: Sequence[Request]) -> Strata:
    """The strata of a baseline's requests, for signals of these components and edges."""
    dimensions = tuple(_dimensions(system, requests))
    named, usual = {}, {}
    for about in {*abouts} if dimensions else ():
        usual[about] = _commonest(_version(about, request) for request in requests)
        said = Counter(_name(_said(dimensions, about, request)) for request in requests)
        own = [name for name, n in sorted(said.items(), key=lambda one: (-one[1], one[0])) if n >= LEAST][:MOST]
        named[about] = {name: name if name in own else RARE for name in sorted(said)}
    return Strata(dimensions, named, {about: version for about, version in usual.items() if version})


def _dimensions(system: System, requests: Sequence[Request]) -> Iterable[str]:
    if moment(requests[-1].end_us) - moment(requests[0].end_us) >= WHOLE_DAYS:
        yield HOUR
    yield from sorted(system.traces.segments)
    if any(len({_version(ref, r) for r in requests} - {None}) > 1 for ref in system.components):
        yield VERSION


def _said(dimensions: Sequence[str], about: str, request: Request) -> dict[str, str | None]:
    return {dimension: _value(dimension, about, request) for dimension in dimensions}


def _value(dimension: str, about: str, request: Request) -> str | None:
    if dimension == HOUR:
        return f"{moment(request.end_us).hour:02}"
    if dimension == VERSION:
        return _version(about, request)
    label = request.values.get(f"segment.{dimension}", [None])[0]
    return None if label is None else str(label)


def _version(about: str, request: Request) -> str | None:
    """What the component (of an edge: the one that takes) says of its version, or else of its model."""
    ref = edge_ends(about)[1] if "->" in about else about
    told = request.values.get(f"{ref}.version") or request.values.get(f"{ref}.model") or [None]
    return None if told[0] is None else str(told[0])


def _commonest(versions: Iterable[str | None]) -> str | None:
    counts = Counter(version for version in versions if version is not None)
    return min(counts, key=lambda version: (-counts[version], version), default=None)


def _name(said: Mapping[str, str | None]) -> str:
    return "; ".join(f"{dimension}={value}" for dimension, value in said.items() if value is not None)
