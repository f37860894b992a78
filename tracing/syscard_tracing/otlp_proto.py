"""OTLP protobuf -> spans, and a receiver's replies in both encodings. The one user of opentelemetry-proto."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

from syscard.errors import BadSpanData, MissingExtra
from syscard_tracing.spans import (
    MAX_ATTRIBUTES,
    MAX_EVENTS,
    MAX_TEXT,
    Attributes,
    Decoded,
    Event,
    Link,
    RawSpan,
    good_links,
    ids_problem,
    parent_or_none,
)

try:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    from syscard_tracing.otlp_attributes import AttributeReader
    from syscard_tracing.otlp_schema import request_class
except ImportError as error:
    raise MissingExtra("server", "reading OTLP protobuf") from error

_REQUEST: Final = request_class()
_READER: Final = AttributeReader()
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


def decode_protobuf(body: bytes) -> Decoded:
    """Spans of an ExportTraceServiceRequest in protobuf.

    Raises:
        BadSpanData: the bytes are no such message.
    """
    spans: list[RawSpan] = []
    rejected: Counter[str] = Counter()
    try:
        for resource_spans in _REQUEST.FromString(body).resource_spans:
            resource = _READER.resource(resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                scope = scope_spans.scope.name
                for span in scope_spans.spans:
                    _take(span, resource, scope, spans, rejected)
    except DecodeError as error:
        raise BadSpanData("not an OTLP protobuf request") from error
    return Decoded(spans, rejected)


def _take(span: Any, resource: Attributes, scope: str, spans: list[RawSpan], rejected: Counter[str]) -> None:
    trace, own, above = span.trace_id, span.span_id, span.parent_span_id
    trace_id, span_id, parent = trace.hex(), own.hex(), above.hex()
    sound = len(trace) == 16 and len(own) == 8 and len(above) in (0, 8) and trace != _NO_TRACE and own != _NO_SPAN
    if not sound and (problem := ids_problem(trace_id, span_id, parent)):
        rejected[problem] += 1
        return
    status = span.status
    spans.append(
        RawSpan(
            trace_id,
            span_id,
            parent_or_none(parent),
            span.name[:MAX_TEXT],
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            _READER.read(span.attributes[:MAX_ATTRIBUTES]),
            _events(span.events) if span.events else (),
            status.code,
            status.message[:MAX_TEXT],
            resource,
            scope,
            _links(span.links) if span.links else (),
        )
    )


def _events(wire: Any) -> tuple[Event, ...]:
    return tuple(Event(event.name, _READER.read(event.attributes[:MAX_ATTRIBUTES])) for event in wire[:MAX_EVENTS])


def _links(wire: Any) -> tuple[Link, ...]:
    return good_links((link.trace_id.hex(), link.span_id.hex()) for link in wire)


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
