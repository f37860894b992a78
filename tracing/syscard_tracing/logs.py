"""Log records -> spans: of logs, the GenAI events that belong to a span are read, and nothing else.

The lake is append-only with one row a span, so an event that comes by itself is a row of its own below its span. Its
operation says that it is no call.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from syscard.observation import CONTENT_EVENT, EVALUATION
from syscard_tracing.labels import is_label
from syscard_tracing.spans import Attributes, Decoded, RawSpan, Value, ids_problem

EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
MESSAGE_EVENTS: Final = {
    "gen_ai.system.message": "gen_ai.system_instructions",
    "gen_ai.user.message": "gen_ai.input.messages",
    "gen_ai.assistant.message": "gen_ai.input.messages",
    "gen_ai.tool.message": "gen_ai.input.messages",
    "gen_ai.choice": "gen_ai.output.messages",
}
"""Older events, one a message -> the attribute that holds such messages now."""
GENAI_EVENTS: Final = frozenset((EVALUATION_EVENT, DETAILS_EVENT, *MESSAGE_EVENTS))
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")
_OTHER: Final = "only GenAI evaluation and content events are read"
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


def as_spans(records: Iterable[LogRecord], key: bytes) -> Decoded:
    """Each event that is read as a span below the one that it belongs to.

    `key` is the home's: an id that were made of content without it would give the content away.
    """
    spans: list[RawSpan] = []
    rejected: Counter[str] = Counter()
    for record in records:
        name = record.event_name or str(record.attributes.get("event.name", ""))
        if name not in GENAI_EVENTS:
            rejected[_OTHER] += 1
        elif problem := ids_problem(record.trace_id, record.span_id, ""):
            rejected[f"{problem}, so the event belongs to no span"] += 1
        elif said := _said(name, record):
            spans.append(_span(name, record, said, key))
        else:
            rejected[_EMPTY] += 1
    return Decoded(spans, rejected)


def _said(name: str, record: LogRecord) -> Attributes:
    """What an event says, as attributes that a span could have; what stands in its body counts as well."""
    if name in MESSAGE_EVENTS:
        message = record.attributes.get("content") if record.body is None else record.body
        return {} if message is None else {MESSAGE_EVENTS[name]: message}
    given = {**(record.body if isinstance(record.body, dict) else {}), **record.attributes}
    if name == EVALUATION_EVENT:
        return _evaluation(given)
    return {k: v for k, v in given.items() if k.startswith("gen_ai.") and k != "gen_ai.operation.name"}


def _evaluation(given: Attributes) -> Attributes:
    """`evaluation.<name>.score`, `.label`, and how much was said to explain them; empty without a name."""
    name = given.get("gen_ai.evaluation.name")
    word = _NOT_IN_A_NAME.sub("_", name).strip("_").lower() if isinstance(name, str) and is_label(name) else ""
    if not word:
        return {}
    said = {
        f"syscard.evaluation.{word}.score": given.get("gen_ai.evaluation.score.value"),
        f"syscard.evaluation.{word}.label": given.get("gen_ai.evaluation.score.label"),
        "gen_ai.evaluation.explanation": given.get("gen_ai.evaluation.explanation"),
        "error.type": given.get("error.type"),
    }
    return {key: value for key, value in said.items() if value is not None}


def _span(name: str, record: LogRecord, said: Attributes, key: bytes) -> RawSpan:
    operation = EVALUATION if name == EVALUATION_EVENT else CONTENT_EVENT
    return RawSpan(
        record.trace_id,
        _id(name, record, key),
        record.span_id,
        name,
        0,
        record.time_ns,
        record.time_ns,
        {**said, "syscard.operation": operation},
        (),
        0,
        "",
        record.resource,
        record.scope,
    )


def _id(name: str, record: LogRecord, key: bytes) -> str:
    """16 hex digits that are the same when the record is sent again."""
    said = [record.trace_id, record.span_id, name, record.time_ns, record.attributes, record.body]
    text = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(key, b"log\0" + text, "sha256").hex()[:16]
