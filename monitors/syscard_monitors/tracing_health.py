"""Tracing health: what is wrong with the spans themselves, counted as requests are taken into windows. Pure.

Counts are kept by window, of the newest `WINDOWS` windows, so that what was repaired is forgotten.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field

from syscard.live import SkewNow, TracingFigure
from syscard.observation import SAMPLERS
from syscard_configs import read_text
from syscard_monitors.skew import Crossing, Skews, crossing, skews_now
from syscard_monitors.traces import Row

WINDOWS: Final = 50
IDS: Final = 256
"""Requests whose ids are remembered, to know them again: those with the smallest ids, a sample of all."""
AHEAD_US: Final = 1_000_000
MOST_ROOTS: Final = 200
"""Requests of one user or session that a piece is looked for in."""
LEAVES: Final = frozenset({"chat", "embeddings", "retrieval", "rerank", "execute_tool"})
"""Operations at which no request of an agent begins."""
_SESSIONS: Final = ("gen_ai.conversation.id", "session.id", "session_id", "syscard.session.id")
_HITS: Final = {
    "no_root": ("orphans", "traces"),
    "fragments": ("fragments", "named"),
    "bare_calls": ("bare", "requests"),
    "missing_parents": ("missing", "spans"),
    "repeated_ids": ("repeated", "requests"),
    "clock_skew": ("skewed", "crossings"),
    "clock_ahead": ("ahead", "requests"),
    "clock_suspect": ("suspect", "looked_at"),
    "late": ("late", "requests"),
    "sampled": ("sampled", "requests"),
    "two_keys": ("rotated", "requests"),
}
"""Figure -> what is counted, of how many."""
Counts = dict[str, float]
Features = Mapping[tuple[str, int], Mapping[str, Any]]
"""(span id, start) -> what was kept of that span beside its columns."""


class Rule(BaseModel):
    """One figure of `health/tracing.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: str
    of: str
    hint: str
    bad_above: float | None = Field(default=None, ge=0, lt=1)
    min_n: int = Field(ge=1)


@dataclass(frozen=True)
class TracingFacts:
    """What one request says of how it was traced."""

    spans: int = 0
    missing: int = 0
    """Spans whose parent is not in the trace, the root aside."""
    crossings: tuple[Crossing, ...] = ()
    """Spans whose parent is of another service."""
    repeated: bool = False
    named: bool = False
    """It names a user or a session."""
    bare: bool = False
    """It begins with a single call, not with an agent, a workflow or a step."""
    fragment: bool = False
    ahead: bool = False
    kept: float | None = None
    """Share of such traces that their sender kept; None where it does not say."""
    sampler: str | None = None
    """How the sender chose (one of `syscard.observation.SAMPLERS`); None where it does not say."""

    @property
    def sampled(self) -> bool:
        """Whether it is one of a sample, be its share known or not."""
        return self.sampler is not None if self.kept is None else self.kept < 1


@cache
def rules() -> Mapping[str, Rule]:
    """The figures and when they are bad, as they ship."""
    return {key: Rule.model_validate(body) for key, body in yaml.safe_load(read_text("health", "tracing.yaml")).items()}


class Looker:
    """What must be known of all spans of a look before one request can be judged."""

    def __init__(self, spans: Sequence[Row]) -> None:
        uses = Counter((s["trace_id"], s["span_id"]) for s in spans)
        self._repeated = {key[0] for key, count in uses.items() if count > 1}
        self._roots: defaultdict[str, list[tuple[int, int, str, str]]] = defaultdict(list)

    def add_root(self, top: Row, own: Sequence[Row], features: Features) -> None:
        """A request that others may be pieces of."""
        for who in _who(own, features):
            if len(self._roots[who]) < MOST_ROOTS:
                self._roots[who].append((*_time(top), top["trace_id"], top["span_id"]))

    def facts(self, top: Row, own: Sequence[Row], features: Features) -> TracingFacts:
        """What a request says of its tracing. Spans that no root is above of are among `own`."""
        by_id = {s["span_id"]: s for s in own}
        children = [s for s in own if s is not top and s["parent_span_id"] is not None]
        called = [(s, by_id[s["parent_span_id"]]) for s in children if s["parent_span_id"] in by_id]
        kept = [v for f in features.values() if isinstance(v := f.get("span.sampling"), int | float) and 0 < v <= 1]
        samplers = [f.get("span.sampler") for f in features.values()]
        return TracingFacts(
            spans=len(own),
            missing=sum(s["parent_span_id"] not in by_id for s in children),
            crossings=tuple(
                crossing(parent["service"], s["service"], _time(s), _time(parent))
                for s, parent in called
                if parent["service"] != s["service"]
            ),
            repeated=top["trace_id"] in self._repeated,
            named=bool(_who(own, features)),
            bare=top["operation"] in LEAVES,
            fragment=self._is_piece(top, own, features),
            ahead=_time(top)[1] > top["received_us"] + AHEAD_US,
            kept=min(kept, default=None),
            sampler=next((sampler for sampler in SAMPLERS if sampler in samplers), None),
        )

    def _is_piece(self, top: Row, own: Sequence[Row], features: Features) -> bool:
        """A bare call within the time of another request of the same user or session: its thread lost the context."""
        if top["operation"] not in LEAVES:
            return False
        start, end = _time(top)
        return any(
            low <= start and end <= high and (trace, root) != (top["trace_id"], top["span_id"])
            for who in _who(own, features)
            for low, high, trace, root in self._roots[who]
        )


def _who(own: Iterable[Row], features: Features) -> frozenset[str]:
    users = {s["user_key"] for s in own if s["user_key"]}
    sessions = {str(f[key]) for f in features.values() for key in _SESSIONS if key in f}
    return frozenset(users | sessions)


def _time(span: Row) -> tuple[int, int]:
    return span["start_us"], span["start_us"] + span["duration_us"]


def counted(facts: Iterable[TracingFacts], skew_us: int) -> Counts:
    """Counts of the requests of one window; `skew_us` is how much may lie between two clocks."""
    counts: Counter[str] = Counter()
    for f in facts:
        counts.update(
            requests=1,
            traces=1,
            spans=f.spans,
            missing=f.missing,
            crossings=len(f.crossings),
            skewed=sum(call.outside_us > skew_us for call in f.crossings),
            repeated=f.repeated,
            fragments=f.fragment,
            named=f.named,
            bare=f.bare,
            ahead=f.ahead,
            sampled=f.sampled,
        )
    return dict(counts)


def added(buckets: list[Counts], new: Mapping[str, float], *, window: bool) -> list[Counts]:
    """The counts with new ones: a window begins a bucket of its own, what a look adds goes to the newest."""
    if window or not buckets:
        return [*buckets, dict(new)][-WINDOWS:]
    last = {key: buckets[-1].get(key, 0) + new.get(key, 0) for key in {**buckets[-1], **new}}
    return [*buckets[:-1], last]


def known_again(ids: dict[str, int], requests: Iterable[tuple[str, str, int]]) -> tuple[dict[str, int], frozenset[str]]:
    """The remembered ids with new ones (trace, root, start), and the traces whose ids had been used before."""
    kept, again = dict(ids), set()
    for trace, root, start in requests:
        key = f"{trace}/{root}"
        if kept.setdefault(key, start) != start:
            again.add(trace)
    return dict(sorted(kept.items())[:IDS]), frozenset(again)


def totals(buckets: Iterable[Counts]) -> Counts:
    """The counts of all windows together."""
    total: Counter[str] = Counter()
    for bucket in buckets:
        total.update(bucket)
    return dict(total)


def figures(buckets: Iterable[Counts], skew: Iterable[Skews] = ()) -> tuple[TracingFigure, ...]:
    """Every figure over the counts, in the order of the file; clock skew also by pair of services."""
    total = Counter(totals(buckets))
    total["traces"] += total["orphans"]
    pairs = {"clock_skew": skews_now(skew)}
    return tuple(_figure(key, rule, total, pairs.get(key, ())) for key, rule in rules().items())


def _figure(key: str, rule: Rule, total: Mapping[str, float], pairs: tuple[SkewNow, ...]) -> TracingFigure:
    hits, n = (int(total[name]) for name in _HITS[key])
    enough = n >= rule.min_n
    share = hits / n if n else None
    bad = enough and rule.bad_above is not None and share is not None and share > rule.bad_above
    return TracingFigure(
        key=key,
        says=rule.says,
        of=rule.of,
        hint=rule.hint,
        state="bad" if bad else "ok" if enough else "unknown",
        share=share,
        hits=hits,
        n=n,
        needs=None if enough else rule.min_n,
        pairs=pairs,
    )
