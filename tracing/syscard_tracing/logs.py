"""Log records -> spans: of logs, the events that belong to a span and that a dialect names are read.

The lake is append-only with one row a span, so an event that comes by itself is a row of its own below its span. Its
operation says that it is no call.
"""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from syscard.observation import CONTENT_EVENT, EVALUATION
from syscard_tracing.dialects import Dialects
from syscard_tracing.events import read_event
from syscard_tracing.spans import Attributes, Decoded, Event, RawSpan, Value, ids_problem
from syscard_tracing.tables import EventTable

_OTHER: Final = "only evaluation and content events that a dialect names are read"
_EMPTY: Final = "the event says nothing"


class LogRecord(NamedTuple):
    """One log record, decoded and not yet judged. It may hold personal data: it never reaches a disk."""

    trace_id: str
    """Lower-case hex digits; empty where it belongs to no span."""
    span_id: str
    time_ns: int
    """When it happened, or else when it was seen; 0 where neither is said."""
    event_name: str
    attributes: Attributes
    body: Value
    resource: Attributes
    scope: str


def as_spans(records: Iterable[LogRecord], dialects: Dialects, key_at: Callable[[int], bytes]) -> Decoded:
    """Each event that a dialect reads as a span below the one that it belongs to.

    `key_at` gives the key that the home used at a time in nanoseconds: an id that were made of content without one
    would give the content away. It is the key of the record's own time, so that a record which is sent again after the
    key was changed keeps its id.
    """
    spans: list[RawSpan] = []
    rejected: Counter[str] = Counter()
    for record in records:
        event = Event(_name(record), record.attributes, record.body)
        dialect = dialects.of_event(record.scope, event.name, event.attributes)
        if dialect is None:
            rejected[_OTHER] += 1
        elif problem := ids_problem(record.trace_id, record.span_id, ""):
            rejected[f"{problem}, so the event belongs to no span"] += 1
        elif read_event(dialect, *event):
            spans.append(_span(record, event, _operation(dialect.events[event.name]), key_at(record.time_ns)))
        else:
            rejected[_EMPTY] += 1
    return Decoded(spans, rejected)


def _name(record: LogRecord) -> str:
    return record.event_name or str(record.attributes.get("event.name", ""))


def _operation(table: EventTable) -> str:
    return EVALUATION if table.evaluation else CONTENT_EVENT


def _span(record: LogRecord, event: Event, operation: str, key: bytes) -> RawSpan:
    return RawSpan(
        record.trace_id,
        _id(event.name, record, key),
        record.span_id,
        event.name,
        0,
        record.time_ns,
        record.time_ns,
        {},
        (event,),
        0,
        "",
        record.resource,
        record.scope,
        event_operation=operation,
    )


def _id(name: str, record: LogRecord, key: bytes) -> str:
    """16 hex digits that are the same when the record is sent again."""
    said = [record.trace_id, record.span_id, name, record.time_ns, record.attributes, record.body]
    text = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(key, b"log\0" + text, "sha256").hex()[:16]
