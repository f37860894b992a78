"""How much of what one part says another says too, beyond what any answer says of any: from fingerprints of words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from syscard.errors import NotComparable
from syscard.fingerprints import containment
from syscard_monitors.assemble import Request
from syscard_monitors.facts import holds_words
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case
from syscard_monitors.stats import mean

SHIFTS: Final = (1, 7, 31)
"""Requests further on, whose answers an input is paired with instead of its own."""
LEAST: Final = 20
"""Requests with words on both sides."""


class Lift(NamedTuple):
    """Mean mention of an input in its own answer, less that in the answers of other requests."""

    level: float
    error: float
    n: int


def lifts(case: Case) -> dict[str, Lift]:
    """By stratum; empty where requests have no fingerprints of both parts."""
    return case.once(("lifts", case.about), lambda: _lifts(case))


def _lifts(case: Case) -> dict[str, Lift]:
    read, wrote = (_words(case, ref) for ref in (case.source, case.target))
    told = [i for i, (one, other) in enumerate(zip(read, wrote, strict=True)) if one and other]
    if len(told) < max(LEAST, *SHIFTS):
        return {}
    by: dict[str, list[float]] = {}
    for at, i in enumerate(told):
        own = _mention(case.requests, read, wrote, i, i)
        others = [_mention(case.requests, read, wrote, i, told[(at + by_) % len(told)]) for by_ in SHIFTS]
        known = [m for m in others if m is not None]
        if own is not None and known:
            by.setdefault(case.strata[i], []).append(own - mean(known))
    return {s: _lift(values) for s, values in sorted(by.items()) if len(values) >= LEAST}


def _lift(values: Sequence[float]) -> Lift:
    centre = mean(values)
    variance = math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1)
    return Lift(centre, math.sqrt(variance / len(values)), len(values))


def _words(case: Case, ref: str) -> list[list[str]]:
    """Fingerprints of what a part wrote, by request."""
    fields = tuple(name for name in roles.fields_of(case, ref) if holds_words(name, taken=False))
    return case.columns.of(("words", *fields), lambda request: _written(request, fields))


def _written(request: Request, fields: Sequence[str]) -> list[str]:
    calls = (call for name in fields for call in request.values.get(name, ()) if isinstance(call, list))
    return sorted({word for call in calls for word in call})


def _mention(
    requests: Sequence[Request], read: Sequence[list[str]], wrote: Sequence[list[str]], i: int, j: int
) -> float | None:
    """The share of what one request's input says that another's answer says; None under two keys."""
    try:
        share = containment(read[i], wrote[j], requests[i].keys | requests[j].keys)
    except NotComparable:
        return None
    return share.value if share else None


def compared(now: Mapping[str, Lift], before: Mapping[str, Sequence[Any]]) -> tuple[Lift, Lift] | None:
    """Now and before over the strata that both have, with the mix of now."""
    known = {s: (lift, Lift(*before[s])) for s, lift in now.items() if s in before}
    n = sum(lift.n for lift, _ in known.values())
    if not n:
        return None
    sides = zip(*known.values(), strict=True)
    weights = [lift.n / n for lift, _ in known.values()]
    found = [
        Lift(
            math.fsum(w * lift.level for w, lift in zip(weights, side, strict=True)),
            math.sqrt(math.fsum((w * lift.error) ** 2 for w, lift in zip(weights, side, strict=True))),
            sum(lift.n for lift in side),
        )
        for side in sides
    ]
    return found[0], found[1]
