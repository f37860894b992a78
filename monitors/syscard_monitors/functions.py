"""Functions over the fields of requests that SQL has no words for: over lists, and over the requests of a window. Pure.

`repeated(f)`: share of a request's answers that equal an earlier one among the same `BLOCK` requests. `first(f)`: first
of the last list. `rbo(a, b)`: likeness of two orders, 0 to 1. `same_first(a, b)`: whether both begin alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

from syscard_monitors.assemble import Request
from syscard_monitors.packs import WINDOW

BLOCK: Final = WINDOW
"""Requests among which answers are compared, wherever their values are taken: a baseline's as a window's."""
PERSISTENCE: Final = 0.9
"""Of rank-biased overlap: how much each further place counts beside the one before."""
_CALL: Final = re.compile(r"^\s*(repeated|first|rbo|same_first)\(\s*([\w.]+)\s*(?:,\s*([\w.]+)\s*)?\)\s*$")
_Values = Mapping[str, list[Any]]


def computed(expression: str, requests: Sequence[Request]) -> list[Any] | None:
    """The value of one of these functions for every request, None where it has none; None if it is another expression.

    An argument too many or too few is another expression, too.
    """
    match = _CALL.match(expression)
    if match is None or (match[3] is not None) is not (match[1] in _OF_TWO):
        return None
    if match[1] == "repeated":
        return repeated(requests, match[2])
    if match[1] == "first":
        return [next(iter(last_list(r.values, match[2])), None) for r in requests]
    return [_of_two(_OF_TWO[match[1]], r.values, match[2], match[3]) for r in requests]


def repeated(requests: Sequence[Request], field: str) -> list[float | None]:
    """Share of the answers of each request that equal an earlier one, among the same `BLOCK` requests."""
    found: list[float | None] = []
    for start in range(0, len(requests), BLOCK):
        found += _repeated_in([r.values.get(field, ()) for r in requests[start : start + BLOCK]])
    return found


def _repeated_in(block: Sequence[Sequence[Any]]) -> Iterator[float | None]:
    seen: set[Hashable] = set()
    for answers in block:
        again = 0
        known = [tuple(a) if isinstance(a, list) else a for a in answers if a not in ([], "")]
        for answer in known:
            again += answer in seen
            seen.add(answer)
        yield again / len(known) if known else None


def rbo(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Rank-biased overlap of two orders, extrapolated from the shorter one's length (Webber, Moffat & Zobel 2010).

    1 where both begin with the same things in the same order, 0 where they share none; the top counts most.
    """
    depth = min(len(one), len(other))
    shared = [len({*one[:d]} & {*other[:d]}) / d for d in range(1, depth + 1)]
    p = PERSISTENCE
    tail = shared[-1] * p**depth
    return tail + (1 - p) / p * sum(share * p**d for d, share in enumerate(shared, start=1))


def _same_first(one: Sequence[Any], other: Sequence[Any]) -> float:
    return float(one[0] == other[0])


_OF_TWO: Final[Mapping[str, Callable[[Sequence[Any], Sequence[Any]], float]]] = {"rbo": rbo, "same_first": _same_first}


def _of_two(
    compare: Callable[[Sequence[Any], Sequence[Any]], float], values: _Values, one: str, other: str
) -> float | None:
    orders = last_list(values, one), last_list(values, other)
    return compare(*orders) if all(orders) else None


def last_list(values: _Values, field: str) -> list[str]:
    """The last list of a request, each thing once: later calls take the place of earlier ones."""
    lists = [value for value in values.get(field, ()) if isinstance(value, list)]
    return list(dict.fromkeys(map(str, lists[-1]))) if lists else []
