"""Assembling: spans into requests. One request is one trace with its root; it is the unit of every statistic."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from syscard.observation import CREATION, EVENTS, FEEDBACK, SDK_SCOPE
from syscard.rotations import key_number
from syscard.system import System
from syscard.tokens import Call, Nested, sums, told_again
from syscard_monitors.behaviour import Call as Told
from syscard_monitors.behaviour import of_call, of_request
from syscard_monitors.facts import SpanFacts, facts_of
from syscard_monitors.traces import Row, by_root, by_trace, roots
from syscard_monitors.tracing_health import Looker, TracingFacts
from syscard_monitors.versions import Name, Sighting, sightings

SELECTABLE: Final = {
    "gen_ai.operation.name": "operation",
    "gen_ai.request.model": "model",
    "service.name": "service",
    "syscard.component": "component",
}
"""Attributes that components are selected by -> the column of an observation that has them."""
ORPHAN_AFTER: Final = timedelta(minutes=5)
REACH_BACK: Final = timedelta(minutes=10)
"""How far before the frontier a request that is still waiting may have started."""
MOST_PAIRED: Final = 200
"""Spans of one component in a request that are looked at for calls that two instrumentors tell of."""
_Key = tuple[str, int]
"""(span id, start): an id may come again within a request."""
_Features = dict[_Key, dict[str, Any]]
_OF_CALL: Final = ("latency_ms", "error", "error_type", "call")
LARGEST: Final = 1e15
"""Largest number that a span is believed."""
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, order=True)
class Frontier:
    """How far requests have been taken into windows: everything up to (end of root, id of the request) is in."""

    end_us: int = 0
    request: str = ""


def place(end_us: int, trace_id: str, root_id: str) -> Frontier:
    """A request's place in the order in which requests fill windows."""
    return Frontier(end_us, f"{trace_id}/{root_id}")


class Answer(NamedTuple):
    """What came of a request, as feedback says it."""

    accepted: bool
    at_us: int
    """When it came."""


@dataclass(frozen=True)
class Request:
    """One request: its times, and the values of its fields, as lists over repeated calls."""

    trace_id: str
    root_id: str
    """Span id of the root: a trace can hold several requests."""
    start_us: int
    end_us: int
    received_us: int
    """When the newest of its spans was received."""
    values: dict[str, list[Any]] = field(repr=False)
    """`<component>.<field>` -> one value a call, in order of start."""
    spans: tuple[SpanFacts, ...] = field(repr=False, default=())
    tracing: TracingFacts = field(repr=False, default=TracingFacts())
    versions: Mapping[Name, Sighting] = field(repr=False, default_factory=dict)
    """Which versions, models and prompts its components carried."""
    keys: frozenset[int] = frozenset({0})
    """Under which keys its words were hashed (`syscard.rotations.key_number`)."""
    answer: Answer | None = None
    """What came of it, where a stretch of time is looked at that is over (`syscard_monitors.answers`)."""

    @property
    def place(self) -> Frontier:
        """Its place in the order in which requests fill windows."""
        return place(self.end_us, self.trace_id, self.root_id)

    @property
    def reference(self) -> str:
        """`trace_id@start`: trace ids alone are not unique for ever."""
        return f"{self.trace_id}@{self.start_us}"


@dataclass(frozen=True)
class Assembled:
    """What a look at the lake gives."""

    complete: tuple[Request, ...]
    """Requests behind the frontier whose time has come, in order."""
    orphans: int
    """Traces whose root never came, newly given up on."""
    late: int
    """Requests that came, or got spans, after their window had closed."""
    roots: int
    """Requests that were looked at, whether or not they are new."""
    newest_us: int = 0
    """Start of the newest span of a request: feedback is no sign of life."""
    spans: int = 0
    """Spans of requests that were looked at."""
    rows: int = 0
    """Spans that were read from the lake for it."""
    received: Mapping[str, int] = field(default_factory=dict)
    """Spans that were received since the look before: `looked_at`, and of them those with a `suspect` clock."""
    feedback: tuple[Request, ...] = ()
    """What came of earlier requests, newly known, in order: each as a request that has nothing but its answer."""

    def feedback_between(self, after_us: int, until_us: int) -> tuple[Request, ...]:
        """Feedback that ended after one moment and not after another."""
        return tuple(f for f in self.feedback if after_us < f.end_us <= until_us)


def named_as_declared(rows: Iterable[Row], system: System) -> Iterator[Row]:
    """Rows with the component that the system declares for them now.

    A span that came before its component was declared was stored under a name made from what it does; where the
    declaration selects by something that every observation has, it can be told apart afterwards. Where a system has
    several services, what nobody declared is named with its own: two of them may have a tool or a model alike.
    """
    several = "service.name" not in system.traces.select
    rules = [(ref, _columns(c.select)) for ref, c in system.components.items()]
    usable = [(ref, wanted) for ref, wanted in rules if wanted is not None]
    for row in rows:
        if row["component"] is not None and row["component"] not in system.components and not is_creation(row):
            matched = (ref for ref, wanted in usable if all(row[name] == value for name, value in wanted.items()))
            otherwise = f"{row['component']}@{row['service']}" if several and row["service"] else row["component"]
            row["component"] = next(matched, otherwise)
        yield row


def _columns(select: Mapping[str, str]) -> dict[str, str] | None:
    """A selection by columns; None where it asks for what observations do not have."""
    return {SELECTABLE[k]: v for k, v in select.items()} if select.keys() <= SELECTABLE.keys() else None


def micros(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return round(moment.timestamp() * 1_000_000)


def assemble(
    rows: Iterable[Row],
    *,
    root: str | None,
    frontier: Frontier,
    watermark_us: int,
    before_us: int,
    complete_after: timedelta,
    seen_before_us: int,
    rotated: Sequence[int] = (),
) -> Assembled:
    """Requests out of observation rows.

    Args:
        rows: observations from `REACH_BACK` before the frontier on, in any order.
        root: name that a root span must have; its parent may be in another system (a gateway). None takes any span
            without a parent.
        frontier: how far requests are in windows already.
        watermark_us: newest moment that event time is known to have reached.
        before_us: the watermark of the look before; tells which orphans are new.
        complete_after: how long after its root's end a request may still get spans.
        seen_before_us: newest received time that the look before saw; tells which spans are late.
        rotated: when the key was changed (`syscard.rotations`).
    """
    requests, answered = _parted(rows)
    ready_us = watermark_us - complete_after // _MICROSECOND
    looker = Looker(requests)
    ready: list[tuple[Row, list[Row], _Features]] = []
    orphans = late = looked_at = 0
    for spans in by_trace(requests):
        tops = roots(spans, root)
        if all(is_creation(span) or (not tops and _is_event(span)) for span in spans):
            continue  # nothing runs; what is said of a trace that is not here is no request that lacks its root
        if not tops:
            given_up = max(_end(s) for s in spans) + ORPHAN_AFTER // _MICROSECOND
            orphans += before_us < given_up <= watermark_us
        for top, own in by_root(spans, tops):
            looked_at += 1
            features = _features(own)
            looker.add_root(top, [span for span in own if not _is_event(span)], features)
            if _place(top) <= frontier:
                late += _received(own) > seen_before_us > 0
            elif _end(top) <= ready_us:
                ready.append((top, own, features))
    complete = [_request(top, own, features, looker, rotated) for top, own, features in ready]
    answers = [_answer(row) for row in answered]
    late += sum(a.end_us <= frontier.end_us and a.received_us > seen_before_us > 0 for a in answers)
    return Assembled(
        complete=tuple(sorted(complete, key=lambda r: r.place)),
        orphans=orphans,
        late=late,
        roots=looked_at,
        newest_us=max((row["start_us"] for row in requests if not _is_event(row)), default=0),
        spans=sum(not _is_event(row) for row in requests),
        feedback=tuple(sorted((a for a in answers if a.end_us > frontier.end_us), key=lambda a: a.place)),
    )


def _parted(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Spans of requests, and spans that say what came of one."""
    spans: list[Row] = []
    answered: list[Row] = []
    for row in rows:
        # A component that calls itself so is a component.
        is_answer = row["operation"] == FEEDBACK and row["component"] is None
        (answered if is_answer else spans).append(row)
    return spans, answered


def _is_event(row: Row) -> bool:
    """Whether a row only says something of the span above it: an evaluation, or content that came by itself."""
    return row["operation"] in EVENTS and row["component"] is None


def is_creation(row: Row) -> bool:
    """Whether a row only makes or describes an agent; one whose component is stated or declared is a call of that."""
    return row["operation"] == CREATION and str(row["component"]).startswith(f"{CREATION}:")


def _answer(row: Row) -> Request:
    """A feedback span as a request that has nothing but its answer: `accepted` is `syscard.feedback.accepted`."""
    features: dict[str, Any] = json.loads(row["features"] or "{}")
    values = {k.removeprefix(f"{FEEDBACK}."): [v] for k, v in features.items() if _usable(v)}
    return Request(
        trace_id=row["trace_id"],
        root_id=row["span_id"],
        start_us=row["start_us"],
        end_us=_end(row),
        received_us=row["received_us"],
        values=values,
    )


def _end(row: Row) -> int:
    end: int = row["start_us"] + row["duration_us"]
    return end


def _place(top: Row) -> Frontier:
    return place(_end(top), top["trace_id"], top["span_id"])


def _received(spans: Iterable[Row]) -> int:
    """When the newest of some spans was received."""
    newest: int = max(s["received_us"] for s in spans)
    return newest


def _features(spans: Iterable[Row]) -> _Features:
    """What was kept beside the columns, by span."""
    return {_key(s): json.loads(s["features"] or "{}") for s in spans}


def _request(top: Row, spans: list[Row], kept: _Features, looker: Looker, rotated: Sequence[int]) -> Request:
    values: defaultdict[str, list[Any]] = defaultdict(list)
    facts = []
    said, spans = [s for s in spans if _is_event(s)], [s for s in spans if not _is_event(s)]
    both = _told_by_both(spans)
    errors = _failures(spans, both)
    again = _counted_again(spans)
    for i, span in enumerate(spans):
        features = kept[_key(span)]
        if span["component"] is not None:
            _collect(values, span, features, counts=span["counts_tokens"] and i not in again)
            if _key(span) not in both:
                _collect_call(values, span, errors[_key(span)])
        if span is top:
            _collect_root(values, span, features)
        key = key_number(rotated, span["received_us"])
        facts.append(facts_of(span, features, None if span is top else span["parent_span_id"], key))
    parts = [(i, span) for i, span in enumerate(spans) if span["component"] is not None]
    told = [Told(s, kept[_key(s)], _key(s) not in both, s["counts_tokens"] and i not in again) for i, s in parts]
    values |= of_request(told)
    _collect_said(values, said, {span["span_id"]: span for span in spans})
    return Request(
        trace_id=top["trace_id"],
        root_id=top["span_id"],
        start_us=top["start_us"],
        end_us=_end(top),
        received_us=_received([*spans, *said]),
        values=dict(values),
        spans=tuple(facts),
        tracing=looker.facts(top, spans, kept),
        versions=sightings(spans, both),
        keys=frozenset(fact.key for fact in facts),
    )


def _told_by_both(spans: list[Row]) -> dict[_Key, list[Row]]:
    """Spans of our SDK that hold instrumentors' spans of the same component -> those, in order of start.

    Both tell of the same call. An instrumentor follows its library's callbacks, so its span need not lie below ours: it
    lies within its time, and belongs to the shortest of ours that holds it. Of very many, the first are looked at.
    """
    found: defaultdict[_Key, list[Row]] = defaultdict(list)
    for mine, theirs in _by_component(spans):
        for span in theirs:
            ours = min((m for m in mine if _holds(m, span)), key=lambda m: m["duration_us"], default=None)
            if ours is not None:
                found[_key(ours)].append(span)
    return found


def _by_component(spans: list[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """Ours and others', by component; the first of each."""
    parts: defaultdict[str, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for span in spans:
        if span["component"] is not None:
            parts[span["component"]][span["scope"] != SDK_SCOPE].append(span)
    yield from ((mine[:MOST_PAIRED], theirs[:MOST_PAIRED]) for mine, theirs in parts.values())


def _key(span: Row) -> _Key:
    return span["span_id"], span["start_us"]


def _holds(ours: Row, theirs: Row) -> bool:
    return bool(ours["start_us"] <= theirs["start_us"] and _end(theirs) <= _end(ours))


def _failures(spans: list[Row], both: Mapping[_Key, list[Row]]) -> dict[_Key, Any]:
    """Span -> error type of its call. A failure that only our span tells of is the failure of its last call."""
    errors = {_key(s): s["error_type"] for s in spans}
    for ours, theirs in both.items():
        if errors[ours] is not None and not any(s["error_type"] is not None for s in theirs):
            errors[_key(theirs[-1])] = errors[ours]
    return errors


def _counted_again(spans: list[Row]) -> set[int]:
    """Spans whose tokens count at another: what came in several batches was not seen together before."""
    if sum(bool(s["counts_tokens"]) for s in spans) < 2:
        return set()
    found = sums([Nested(s["span_id"], s["parent_span_id"], bool(s["counts_tokens"])) for s in spans])
    rest = ((i, s) for i, s in enumerate(spans) if s["counts_tokens"] and i not in found)
    return found | told_again(
        Call(i, (s["model"], s["input_tokens"], s["output_tokens"]), s["scope"], s["start_us"], _end(s))
        for i, s in rest
        if s["input_tokens"] is not None
    )


def _collect(values: defaultdict[str, list[Any]], span: Row, features: dict[str, Any], *, counts: bool) -> None:
    """What a component's span says of itself."""
    standard = {
        "fallback": span["fallback"],
        "input_tokens": span["input_tokens"] if counts else None,
        "output_tokens": span["output_tokens"] if counts else None,
        "version": span["component_version"],
        "model": span["model"],
        "model_response": span["model_response"],
        "prompt": span["prompt_hash"],
    }
    said = {**of_call(features), **features}
    own = {name: value for name, value in said.items() if name not in _OF_CALL}
    for name, value in {**own, **standard}.items():
        if _usable(value):
            values[f"{span['component']}.{name}"].append(value)


def _collect_said(values: defaultdict[str, list[Any]], said: list[Row], by_id: Mapping[str, Row]) -> None:
    """What events say of the spans above them is theirs."""
    for event in said:
        above = by_id.get(event["parent_span_id"])
        if above is not None and above["component"] is not None:
            for name, value in json.loads(event["features"] or "{}").items():
                if _usable(value) and name not in _OF_CALL:
                    values[f"{above['component']}.{name}"].append(value)


def _collect_call(values: defaultdict[str, list[Any]], span: Row, error: Any) -> None:
    """What makes a span a call of its component."""
    facts = (span["duration_us"] / 1000, error is not None, error, 1)
    for name, value in zip(_OF_CALL, facts, strict=True):
        if _usable(value):
            values[f"{span['component']}.{name}"].append(value)


def _usable(value: Any) -> bool:
    """Whether a value can be counted with: spans can say NaN, infinity, or a number beyond all measure."""
    return value is not None and not (isinstance(value, int | float) and not abs(value) <= LARGEST)


def _collect_root(values: defaultdict[str, list[Any]], span: Row, features: dict[str, Any]) -> None:
    values["latency"].append(span["duration_us"] / 1_000_000)
    values["error"].append(span["error_type"] is not None)
    for name, value in features.items():
        if _usable(value):
            values[name].append(value)
