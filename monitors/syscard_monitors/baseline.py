"""Baselines: the reference window that drift is measured against. Set by a human, never moved by software."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from hashlib import sha256
from itertools import chain
from typing import Any

from syscard.baseline import Degenerate, Halves
from syscard.digest import canonical
from syscard.edits import SetBaseline
from syscard.errors import MonitorError, UsageError
from syscard.system import System
from syscard_monitors import joint
from syscard_monitors.assemble import Request
from syscard_monitors.frames import evaluate, events, is_event
from syscard_monitors.halves import Like, agreements, degenerates, split_of
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference
from syscard_monitors.risks.calibration import usual_of
from syscard_monitors.strata import EVERYONE, strata_of
from syscard_monitors.vectors import Sample, read_sample, sample_of, seen_in


@dataclass(frozen=True)
class BaselineData:
    """What a baseline keeps, and what was found when it was set."""

    start: datetime
    end: datetime
    requests: int
    values: dict[str, Any]
    """JSON: sorted values by signal key, and the rate."""
    watched: tuple[str, ...]
    too_constant: tuple[str, ...]
    split: str
    """How it was cut into halves."""
    halves: tuple[Halves, ...]
    degenerate: tuple[Degenerate, ...]

    @cached_property
    def body(self) -> bytes:
        """The values in canonical form, as they are kept: hundreds of thousands of numbers are written once."""
        return canonical(self.values)

    def edit(self, name: str, approved_by: str) -> SetBaseline:
        """The edit that makes it the reference."""
        return SetBaseline(
            name=name,
            start=self.start,
            end=self.end,
            requests=self.requests,
            data_digest=sha256(self.body).hexdigest(),
            approved_by=approved_by,
            agreement_p=self.agreement_p,
            watched=self.watched,
            too_constant=self.too_constant,
            split=self.split,
            halves=self.halves,
            degenerate=self.degenerate,
        )

    @property
    def agreement_p(self) -> float | None:
        """Smallest adjusted p over the signals; None where none could be compared."""
        return min((one.p_adjusted for one in self.halves), default=None)


def references(values: Mapping[str, Any]) -> dict[str, Reference]:
    """The reference of every signal, out of what a baseline keeps."""
    rate = values.get("per_minute")
    keys = tuple(values.get("keys", (0,)))  # earlier releases had one
    known = {key: _reference(found, rate, keys) for key, found in values["signals"].items()}
    embedded = values.get("embeddings", {})  # earlier releases had none
    return known | {key: Reference((), rate, keys, sample=read_sample(body)) for key, body in embedded.items()}


def _reference(found: list[Any] | dict[str, list[Any]], rate: float | None, keys: tuple[int, ...]) -> Reference:
    """Values of one signal: a list, or lists by stratum where requests are told apart."""
    if isinstance(found, list):
        return Reference(tuple(found), rate, keys)
    strata = {name: tuple(known) for name, known in found.items()}
    return Reference(tuple(sorted(chain.from_iterable(strata.values()))), rate, keys, strata)


def signal_values(signal: Signal, requests: Sequence[Request], previous_us: int | None) -> list[Any] | None:
    """One value a request for a signal, text for categories, else numbers; for volume, the minutes since the last.

    Raises:
        MonitorError: the expression cannot be computed, or spans carry something else than the signal watches.
    """
    if signal.kind == "volume":
        return gaps(requests, previous_us)
    if is_event(signal.expr, signal.about):
        told = events(requests, signal.expr, signal.about)
        return told if any(v is not None for v in told) else None
    found, typed = evaluate(requests, signal.expr), str if signal.kind == "category" else _number
    try:
        return None if found is None else [None if v is None else typed(v) for v in found]
    except (TypeError, ValueError, OverflowError) as error:
        raise MonitorError(f"{signal.expr} must be a number or yes/no: {error}") from error


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"it is {number}")
    return number


def gaps(requests: Sequence[Request], previous_us: int | None) -> list[float]:
    """Minutes between the ends of requests, in their order; the first counts from `previous_us`."""
    ends = [r.end_us for r in requests]
    before = [previous_us if previous_us is not None else ends[0], *ends[:-1]]
    return [(end - last) / 60_000_000 for end, last in zip(ends, before, strict=True)]


def measure_baseline(system: System, signals: Sequence[Signal], requests: Sequence[Request]) -> BaselineData:
    """The values of every signal over the requests, with an A/A check of its two halves.

    Raises:
        UsageError: there are no requests.
        MonitorError: an expression or the check cannot be computed.
    """
    if not requests:
        raise UsageError("no complete request in that time: nothing to take as a baseline")
    strata = strata_of(system, (s.about for s in signals), requests)
    like = cache(lambda about: strata.of(about, requests))
    numbers = [s for s in signals if s.kind != "embedding"]
    told = {s.key: signal_values(s, requests, None) for s in numbers}
    columns = {s.key: _by_stratum(told[s.key], like(s.about)) for s in numbers}
    minutes = (requests[-1].end_us - requests[0].end_us) / 60_000_000
    kept = {key: found for key, found in columns.items() if found}
    values: dict[str, Any] = {"signals": kept, "per_minute": (len(requests) - 1) / minutes if minutes else None}
    embedded = {s.key: sample.body() for s in signals if (sample := _vectors(s, requests, like)) is not None}
    values |= {"embeddings": embedded} if embedded else {}
    values |= {"strata": strata.body()} if strata.dimensions else {}
    values |= {"joint": joint.body_of(system, signals, requests)}
    values |= {"risks": usual_of(system, strata, requests)}
    keys = sorted(frozenset[int]().union(*(r.keys for r in requests)))
    values |= {"keys": keys} if keys != [0] else {}
    constant = tuple(k for k, r in references(values).items() if r.constant is not None)
    return BaselineData(
        start=_time(min(r.start_us for r in requests)),
        end=_time(requests[-1].end_us),
        requests=len(requests),
        values=values,
        watched=tuple(sorted((*kept, *embedded))),
        too_constant=constant,
        split=split_of(strata),
        halves=agreements(numbers, told, len(requests), strata, like),
        degenerate=degenerates(numbers, told, len(requests)),
    )


def _vectors(signal: Signal, requests: Sequence[Request], like: Like) -> Sample | None:
    if signal.kind != "embedding":
        return None
    return sample_of(seen_in(requests, signal.expr, like(signal.about)))


def _by_stratum(values: Sequence[Any] | None, strata: Sequence[str]) -> list[Any] | dict[str, list[Any]]:
    """Sorted values, by stratum where requests are told apart."""
    found: dict[str, list[Any]] = {}
    for value, stratum in zip(values or (), strata, strict=bool(values)):
        if value is not None:
            found.setdefault(stratum, []).append(value)
    if not {*strata} - {EVERYONE}:
        return sorted(found.get(EVERYONE, []))
    return {stratum: sorted(known) for stratum, known in sorted(found.items())}


def _time(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1_000_000, UTC)
