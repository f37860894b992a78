"""An observation: what is kept of one span, and the shape in which it is stored.

Tracing writes observations, monitors read them; the two rooms meet here and nowhere else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN_SEGMENT: Final = "unknown"
FEEDBACK: Final = "feedback"
"""Operation of a span that says what came of a request, later; it belongs to no component."""
EVALUATION: Final = "evaluation"
"""Operation of a row that says how a span was judged: an event that came by itself, below its span."""
CONTENT_EVENT: Final = "content"
"""Operation of a row that says what a span was given or answered: likewise."""
EMBEDDED: Final = "embedded"
"""Operation of a row that holds vectors of what a span answered: a model made them after the span was stored."""
EVENTS: Final = frozenset({EVALUATION, CONTENT_EVENT, EMBEDDED})
"""Operations of rows that say something of their parent and are no calls; they belong to no component."""
CREATION: Final = "create_agent"
"""Operation of a span that makes or describes an agent and runs nothing: evidence for it, no call and no component."""
NO_CALLS: Final = EVENTS | {FEEDBACK}
SDK_SCOPE: Final = "syscard_tracing"
"""Instrumentation scope of the spans that syscard's own SDK makes."""
SAMPLERS: Final = ("tail errors", "tail slow requests", "tail", "rate limit", "probability")
"""How senders choose the traces that they keep, what says most first; a tail sampler may say what it looks for."""
_NO_SEGMENT: Final = frozenset({"", "nan", "none", "null", "n/a", "na", "unknown", "undefined"})


class Column(NamedTuple):
    """One column of the observation table."""

    name: str
    type: str
    """`string`, `int64`, `bool`, `date32` or `timestamp` (UTC, microseconds)."""
    meaning: str


COLUMNS: Final[tuple[Column, ...]] = (
    Column("trace_id", "string", "32 lower-case hex digits"),
    Column("span_id", "string", "16 lower-case hex digits"),
    Column("parent_span_id", "string", "16 hex digits, null on a root"),
    Column("day", "date32", "partition: UTC day of `start`, or of `received` if the clock is suspect"),
    Column("start", "timestamp", "when the span started, event time"),
    Column("duration_us", "int64", "microseconds from start to end, never negative"),
    Column("received", "timestamp", "when syscard took the span"),
    Column("service", "string", "`service.name` of the resource"),
    Column("environment", "string", "`deployment.environment.name` of the resource"),
    Column("scope", "string", "name of the instrumentation scope"),
    Column("dialect", "string", "the dialect table that read the span"),
    Column("operation", "string", "what the span does: chat, retrieval, invoke_agent, tool, step, ..."),
    Column("name", "string", "span name if it is shaped like a label, else operation and a keyed hash"),
    Column("component", "string", "reference of the component on the card, or a discovered key"),
    Column("component_version", "string", "version that the span states"),
    Column("model", "string", "requested model"),
    Column("model_response", "string", "model that answered"),
    Column("provider", "string", "provider of the model"),
    Column("prompt_hash", "string", "hash of the prompt template"),
    Column("input_tokens", "int64", "tokens in"),
    Column("output_tokens", "int64", "tokens out"),
    Column("counts_tokens", "bool", "whether the tokens of this span add to a sum over the trace"),
    Column("error_type", "string", "null where the span did not fail"),
    Column("fallback", "bool", "the component answered by its fallback"),
    Column("fallback_reason", "string", "why it fell back"),
    Column("segment", "string", "first declared user segment, null where unknown"),
    Column("user_key", "string", "keyed hash of the user, never the user"),
    Column("clock_suspect", "bool", "event time is outside what can be true"),
    Column("features", "string", "JSON object: every other kept attribute, by field name"),
)


def arrow_schema() -> pa.Schema:
    """The Arrow schema of the observation table (all columns nullable)."""
    import pyarrow as pa

    types: dict[str, Any] = {
        "string": pa.string(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
        "date32": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(c.name, types[c.type]) for c in COLUMNS])


def segment_or_none(value: object) -> str | None:
    """A segment label, or None where the sender had none (`""`, `"nan"`, `"None"` ...)."""
    if value is None:
        return None
    label = str(value).strip()
    return None if label.lower() in _NO_SEGMENT else label


def field_name(key: str, component: str | None) -> str:
    """Name of an attribute as signals and claims write it behind `<component>.`.

    >>> field_name("syscard.llm.rationale.grounded", "llm")
    'rationale.grounded'
    >>> field_name("gen_ai.request.temperature", "llm")
    'gen_ai.request.temperature'
    """
    field = key.removeprefix("syscard.")
    if field != key and component:
        field = field.removeprefix(f"{component}.")
    return re.sub(r"[^A-Za-z0-9_.]", "_", field)
