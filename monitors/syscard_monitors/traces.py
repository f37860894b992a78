"""Which spans belong together: observation rows by trace, by use of an id, and by root. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Row = dict[str, Any]
_PAUSE_US: Final = 60_000_000
"""So long nothing of a trace runs: what comes then under the same ids is another use of them."""
MOST_SPANS: Final = 2_000
"""Spans of one request that are looked at."""


def moment(us: int) -> datetime:
    """UTC time of microseconds since the epoch."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def by_trace(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The spans of each trace, in order of start; an id that was used twice gives two traces."""
    traces: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        traces[row["trace_id"]].append(row)
    for spans in traces.values():
        spans.sort(key=lambda s: (s["start_us"], s["span_id"]))
        yield from _uses(spans)


def _uses(spans: list[Row]) -> Iterator[list[Row]]:
    """The uses of one trace id: a host that seeds `random` makes the same ids again.

    Uses lie apart in time, as starts of the host do. Where they do not (replicas that were seeded alike), each begins
    with the span at which it is rooted. A host that seeds anew within a request makes ids again within one use.
    """
    if len({s["span_id"] for s in spans}) == len(spans):
        yield spans
        return
    for part in _apart(spans):
        yield from _side_by_side(part)


def _apart(spans: list[Row]) -> Iterator[list[Row]]:
    """Stretches between which nothing ran for a while."""
    part: list[Row] = []
    until = 0
    for span in spans:
        if part and span["start_us"] > until + _PAUSE_US:
            yield part
            part = []
        part.append(span)
        until = max(until, span["start_us"] + span["duration_us"])
    yield part


def _side_by_side(spans: list[Row]) -> list[list[Row]]:
    """A span whose id came once in each use belongs to the n-th, any other to the newest use begun before it."""
    ids = Counter(s["span_id"] for s in spans)
    tops = Counter(s["span_id"] for s in spans if s["parent_span_id"] not in ids)
    first, count = tops.most_common(1)[0] if tops else ("", 1)
    if count == 1:
        return [spans]
    begins = [s["start_us"] for s in spans if s["span_id"] == first]
    came: Counter[str] = Counter()
    uses: list[list[Row]] = [[] for _ in begins]
    for span in spans:
        newest = max(0, bisect_right(begins, span["start_us"]) - 1)
        uses[came[span["span_id"]] if ids[span["span_id"]] == count else newest].append(span)
        came[span["span_id"]] += 1
    return uses


def roots(spans: list[Row], name: str | None) -> list[Row]:
    """Spans at which requests begin. Without a name only a span without any parent can be told to be one."""
    if name is None:
        return [s for s in spans if s["parent_span_id"] is None]
    ours = {s["span_id"] for s in spans}
    return [s for s in spans if s["name"] == name and s["parent_span_id"] not in ours]


def by_root(spans: list[Row], tops: list[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Each root with its spans; one that no root is above of goes to the newest root before it."""
    if len(tops) <= 1:
        yield from ((top, spans[:MOST_SPANS]) for top in tops)
        return
    by_id = {s["span_id"]: s for s in spans}
    own: dict[str, list[Row]] = {t["span_id"]: [] for t in tops}
    for span in spans:
        before = [t["span_id"] for t in tops if t["start_us"] <= span["start_us"]] or [tops[0]["span_id"]]
        own[_top_of(span, by_id, own.keys()) or before[-1]].append(span)
    yield from ((top, own[top["span_id"]][:MOST_SPANS]) for top in tops)


def _top_of(span: Row, by_id: Mapping[str, Row], tops: Collection[str]) -> str | None:
    """The root above a span, by its parents; None where the way up is broken (or goes in a circle)."""
    for _ in range(len(by_id)):
        if span["span_id"] in tops:
            return str(span["span_id"])
        above = by_id.get(span["parent_span_id"] or "")
        if above is None:
            return None
        span = above
    return None
