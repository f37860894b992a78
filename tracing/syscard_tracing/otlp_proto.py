"""OTLP protobuf -> spans, and a receiver's replies in both encodings. The one user of opentelemetry-proto."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from syscard.errors import BadSpanData, MissingExtra
from syscard_tracing.spans import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_EVENTS,
    MAX_ITEMS,
    MAX_KEY,
    MAX_TEXT,
    Attributes,
    Decoded,
    Event,
    RawSpan,
    Value,
    good_links,
    ids_problem,
    parent_or_none,
)

try:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
    )
except ImportError as error:
    raise MissingExtra("server", "reading OTLP protobuf") from error


def decode_protobuf(body: bytes) -> Decoded:
    """Spans of an ExportTraceServiceRequest in protobuf.

    Raises:
        BadSpanData: the bytes are no such message.
    """
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise BadSpanData("not an OTLP protobuf request") from error
    spans: list[RawSpan] = []
    rejected: Counter[str] = Counter()
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                _take(span, resource, scope_spans.scope.name, spans, rejected)
    return Decoded(spans, rejected)


def _take(span: Any, resource: Attributes, scope: str, spans: list[RawSpan], rejected: Counter[str]) -> None:
    trace_id, span_id, parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    if problem := ids_problem(trace_id, span_id, parent):
        rejected[problem] += 1
        return
    spans.append(
        RawSpan(
            trace_id,
            span_id,
            parent_or_none(parent),
            span.name[:MAX_TEXT],
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            _attributes(span.attributes),
            tuple(Event(event.name, _attributes(event.attributes)) for event in span.events[:MAX_EVENTS]),
            span.status.code,
            span.status.message[:MAX_TEXT],
            resource,
            scope,
            good_links((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        )
    )


def _attributes(pairs: Any, depth: int = 0) -> Attributes:
    return {pair.key: _value(pair.value, depth) for pair in pairs[:MAX_ATTRIBUTES] if 0 < len(pair.key) <= MAX_KEY}


def _value(wire: Any, depth: int) -> Value:
    kind = wire.WhichOneof("value")
    if kind == "string_value":
        text: str = wire.string_value[:MAX_TEXT]
        return text
    if kind == "array_value":
        return None if depth >= MAX_DEPTH else [_value(v, depth + 1) for v in wire.array_value.values[:MAX_ITEMS]]
    if kind == "kvlist_value":
        return None if depth >= MAX_DEPTH else _attributes(wire.kvlist_value.values, depth + 1)
    if kind in ("bool_value", "int_value", "double_value"):
        number: bool | int | float = getattr(wire, kind)
        return number
    return None  # bytes are never kept


def reply(rejected: int, message: str, *, as_json: bool) -> bytes:
    """Body of a 200: empty on full success, else `partial_success` with the count and the reasons."""
    if as_json:
        partial = ({"rejectedSpans": str(rejected)} if rejected else {}) | (
            {"errorMessage": message} if message else {}
        )
        return json.dumps({"partialSuccess": partial} if partial else {}).encode()
    response = ExportTraceServiceResponse()
    if rejected or message:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    body: bytes = response.SerializeToString()
    return body


def status_body(code: int, message: str, *, as_json: bool) -> bytes:
    """Body of an error: a google.rpc.Status with a gRPC code."""
    if as_json:
        return json.dumps({"code": code, "message": message}).encode()
    body: bytes = Status(code=code, message=message).SerializeToString()
    return body
