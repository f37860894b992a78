"""OTLP/JSON -> spans.

Hex ids in any case, 64-bit numbers as string or number, enums as numbers only, unknown fields ignored.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from syscard.errors import BadSpanData, BodyTooLarge
from syscard_tracing.logs import LogRecord
from syscard_tracing.sampling import tell_choice
from syscard_tracing.spans import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_EVENTS,
    MAX_ITEMS,
    MAX_KEY,
    MAX_STATE,
    MAX_TEXT,
    Attributes,
    Decoded,
    Event,
    Link,
    RawSpan,
    Value,
    good_links,
    ids_problem,
    parent_or_none,
)

_METRICS: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_INT64: Final = 1 << 63
_INT32: Final = 1 << 31
MAX_OPENED: Final = 1_500_000
"""Brackets and braces that one body of JSON opens. 64 MiB of the densest recorded spans have 1.15 million."""
MAX_COMMAS: Final = 3_000_000
"""Commas of one body of JSON. 64 MiB of the densest recorded spans have 1.6 million."""


def decode_json(body: bytes) -> Decoded:
    """Spans of an ExportTraceServiceRequest in OTLP/JSON.

    Raises:
        BadSpanData: not JSON, or not of the request's shape.
    """
    return decode_document(_parse(body))


def decode_document(document: object) -> Decoded:
    """Spans of a request that is already parsed JSON.

    Raises:
        BadSpanData: not of the request's shape.
    """
    if not isinstance(document, dict):
        raise BadSpanData("OTLP/JSON must be an object with resourceSpans")
    spans: list[RawSpan] = []
    rejected: Counter[str] = Counter()
    for resource_spans in _objects(document, "resourceSpans"):
        resource = _attributes(_object(resource_spans, "resource"))
        for scope_spans in _objects(resource_spans, "scopeSpans"):
            scope = _object(scope_spans, "scope")
            first = len(spans)
            for span in _objects(scope_spans, "spans"):
                _take(span, resource, _text(scope, "name"), spans, rejected)
            if "attributes" in scope:
                tell_choice(_attributes(scope), spans[first:])
    return Decoded(spans, rejected)


def decode_json_logs(body: bytes) -> list[LogRecord]:
    """Records of an ExportLogsServiceRequest in OTLP/JSON.

    Raises:
        BadSpanData: not JSON, or not of the request's shape.
    """
    records: list[LogRecord] = []
    for resource_logs in _objects(_request(body, "resourceLogs"), "resourceLogs"):
        resource = _attributes(_object(resource_logs, "resource"))
        for scope_logs in _objects(resource_logs, "scopeLogs"):
            scope = _text(_object(scope_logs, "scope"), "name")
            records += (_record(record, resource, scope) for record in _objects(scope_logs, "logRecords"))
    return records


def count_json_points(body: bytes) -> int:
    """How many data points an ExportMetricsServiceRequest in OTLP/JSON holds.

    Raises:
        BadSpanData: not JSON, or not of the request's shape.
    """
    request = _request(body, "resourceMetrics")
    scopes = (s for resource in _objects(request, "resourceMetrics") for s in _objects(resource, "scopeMetrics"))
    metrics = (metric for scope in scopes for metric in _objects(scope, "metrics"))
    return sum(len(_objects(_object(metric, kind), "dataPoints")) for metric in metrics for kind in _METRICS)


def _request(body: bytes, member: str) -> dict[str, Any]:
    document = _parse(body)
    if not isinstance(document, dict):
        raise BadSpanData(f"OTLP/JSON must be an object with {member}")
    return document


def _record(record: dict[str, Any], resource: Attributes, scope: str) -> LogRecord:
    _unsigned(record, "flags", 32)
    seen = _unsigned(record, "observedTimeUnixNano")
    return LogRecord(
        _text(record, "traceId").lower(),
        _text(record, "spanId").lower(),
        _unsigned(record, "timeUnixNano") or seen,
        _text(record, "eventName"),
        _attributes(record),
        _value(record.get("body"), 0),
        resource,
        scope,
    )


def _parse(body: bytes) -> object:
    # A list of two bytes takes a hundred once parsed: how many there are is looked at before.
    if body.count(b"{") + body.count(b"[") > MAX_OPENED or body.count(b",") > MAX_COMMAS:
        raise BodyTooLarge("JSON holds too many values: send smaller batches, or protobuf")
    try:
        return json.loads(body)
    except RecursionError as error:
        raise BadSpanData("JSON is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise BadSpanData("JSON is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise BadSpanData(f"not JSON: {error}") from error
    except ValueError as error:  # its text tells how to lift a bound of Python
        raise BadSpanData("a number in the JSON has too many digits") from error


def _take(span: dict[str, Any], resource: Attributes, scope: str, spans: list[RawSpan], rejected: Counter[str]) -> None:
    trace_id = _text(span, "traceId").lower()
    span_id = _text(span, "spanId").lower()
    parent = _text(span, "parentSpanId").lower()
    if problem := ids_problem(trace_id, span_id, parent):
        rejected[problem] += 1
        return
    _unsigned(span, "flags", 32)  # nothing reads them, yet a span that writes them otherwise is no OTLP
    status = _object(span, "status")
    spans.append(
        RawSpan(
            trace_id,
            span_id,
            parent_or_none(parent),
            _text(span, "name")[:MAX_TEXT],
            _enum(span, "kind"),
            _unsigned(span, "startTimeUnixNano"),
            _unsigned(span, "endTimeUnixNano"),
            _attributes(span),
            tuple(_events(span)),
            _enum(status, "code"),
            _text(status, "message")[:MAX_TEXT],
            resource,
            scope,
            _links(span),
            _text(span, "traceState")[:MAX_STATE],
        )
    )


def _events(span: dict[str, Any]) -> Iterator[Event]:
    for event in _objects(span, "events")[:MAX_EVENTS]:
        _unsigned(event, "timeUnixNano")
        yield Event(_text(event, "name"), _attributes(event))


def _links(span: dict[str, Any]) -> tuple[Link, ...]:
    links = _objects(span, "links")
    for link in links:
        _unsigned(link, "flags", 32)
    return good_links((_text(link, "traceId").lower(), _text(link, "spanId").lower()) for link in links)


def _attributes(holder: dict[str, Any], depth: int = 0) -> Attributes:
    return _pairs(holder.get("attributes"), "attributes", depth)


def _pairs(pairs: object, name: str, depth: int) -> Attributes:
    """A list of `{"key": ..., "value": {...}}`, bounded. This is where decoding spends its time."""
    if pairs is None:
        return {}
    if not isinstance(pairs, list):
        raise BadSpanData(f"{name} must be an array of objects")
    found: Attributes = {}
    for pair in pairs[:MAX_ATTRIBUTES]:
        if type(pair) is not dict:
            raise BadSpanData(f"{name} must be an array of objects")
        key = pair.get("key")
        if type(key) is not str:
            key = _text(pair, "key")
        if key and len(key) <= MAX_KEY:
            found[key] = _value(pair.get("value"), depth)
    return found


def _value(wire: object, depth: int) -> Value:
    if type(wire) is not dict:
        if wire is None:
            return None
        raise BadSpanData(
            f"attribute value must be an object such as {{'stringValue': ...}}, not {type(wire).__name__}"
        )
    for kind, value in wire.items():
        if read := _KINDS.get(kind):
            return read(value, depth)
    return None  # bytesValue and kinds that do not exist yet: nothing that is ever kept


def _array(value: object, depth: int) -> Value:
    holder = _as_object(value, "arrayValue")
    if depth >= MAX_DEPTH:
        return None
    return [_value(item, depth + 1) for item in _objects(holder, "values")[:MAX_ITEMS]]


def _kvlist(value: object, depth: int) -> Value:
    holder = _as_object(value, "kvlistValue")
    return None if depth >= MAX_DEPTH else _pairs(holder.get("values"), "values", depth + 1)


def _string(value: object, _depth: int) -> str:
    if type(value) is not str:
        raise BadSpanData(f"stringValue must be a string, not {type(value).__name__}")
    return value[:MAX_TEXT]


def _bool(value: object, _depth: int) -> bool:
    if not isinstance(value, bool):
        raise BadSpanData(f"boolValue must be true or false, not {type(value).__name__}")
    return value


def _int64(value: object, _depth: int) -> int:
    number = _whole(value)
    if number is None or not -_INT64 <= number < _INT64:
        raise BadSpanData("intValue must be a 64-bit number, or a string of its digits")
    return number


def _double(value: object, _depth: int) -> float:
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadSpanData(f"doubleValue must be a number, not {type(value).__name__}")
    try:
        return float(value)  # proto3 JSON spells NaN and Infinity as strings
    except (ValueError, OverflowError) as error:
        raise BadSpanData("doubleValue is no number") from error


def _whole(value: object) -> int | None:
    """A whole number as proto3 JSON writes it; None for anything else."""
    if type(value) is int:
        return value
    if (
        isinstance(value, str)
        and len(value) <= 20
        and value.removeprefix("-").isascii()
        and value.removeprefix("-").isdigit()
    ):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _unsigned(holder: dict[str, Any], key: str, bits: int = 64) -> int:
    """A time in nanoseconds, or flags; 0 where there is none. Only null says so: an empty list is no number."""
    value = holder.get(key)
    if value is None:
        return 0
    number = _whole(value)
    if number is None or not 0 <= number < 1 << bits:
        raise BadSpanData(f"{key} must be an unsigned {bits}-bit number, or a string of its digits")
    return number


def _enum(holder: dict[str, Any], key: str) -> int:
    value = holder.get(key)
    if value is None:
        return 0
    if type(value) is not int or not -_INT32 <= value < _INT32:
        raise BadSpanData(f"{key} must be a number of 32 bits: OTLP/JSON has no enum names")
    return value


def _text(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadSpanData(f"{key} must be a string, not {type(value).__name__}")
    return value


def _object(holder: dict[str, Any], key: str) -> dict[str, Any]:
    value = holder.get(key)
    return {} if value is None else _as_object(value, key)


def _as_object(value: object, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadSpanData(f"{key} must be an object, not {type(value).__name__}")
    return value


def _objects(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadSpanData(f"{key} must be an array of objects")
    return value


_KINDS: Final[dict[str, Callable[[object, int], Value]]] = {
    "stringValue": _string,
    "intValue": _int64,
    "doubleValue": _double,
    "boolValue": _bool,
    "arrayValue": _array,
    "kvlistValue": _kvlist,
}
