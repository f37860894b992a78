"""OTLP protobuf -> spans, and a receiver's replies in both encodings. The one user of opentelemetry-proto."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from syscard.errors import BadSpanData, MissingExtra
from syscard_tracing.logs import LogRecord
from syscard_tracing.sampling import tell_choice
from syscard_tracing.signals import Accepted, Signal
from syscard_tracing.spans import (
    MAX_ATTRIBUTES,
    MAX_EVENTS,
    MAX_LINKS,
    MAX_STATE,
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
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    from syscard_tracing.otlp_attributes import AttributeReader, value_on_the_wire
    from syscard_tracing.otlp_schema import CLASSES, items_of
except ImportError as error:
    raise MissingExtra("server", "reading OTLP protobuf") from error

_SPAN, _EVENT, _LINK, _LOG_RECORD, _METRIC = (
    CLASSES[name] for name in ("Span", "Event", "Link", "LogRecord", "Metric")
)
_READER: Final = AttributeReader()
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_REPLIES: Final[dict[Signal, tuple[str, Any]]] = {
    Signal.TRACES: ("rejected_spans", ExportTraceServiceResponse),
    Signal.METRICS: ("rejected_data_points", ExportMetricsServiceResponse),
    Signal.LOGS: ("rejected_log_records", ExportLogsServiceResponse),
}


def decode_protobuf(body: bytes) -> Decoded:
    """Spans of an ExportTraceServiceRequest in protobuf.

    Raises:
        BadSpanData: the bytes are no such message.
        BodyTooLarge: more spans than one request may bring.
    """
    spans: list[RawSpan] = []
    rejected: Counter[str] = Counter()
    with _told():
        for items in items_of(body):
            resource = _READER.resource(items.resource)
            first = len(spans)
            for raw in items.wire:
                _take(_SPAN.FromString(raw), resource, items.scope, spans, rejected)
            if items.says:
                tell_choice(_READER.read(items.says[:MAX_ATTRIBUTES]), spans[first:])
    return Decoded(spans, rejected)


def decode_protobuf_logs(body: bytes) -> list[LogRecord]:
    """Records of an ExportLogsServiceRequest in protobuf.

    Raises:
        BadSpanData: the bytes are no such message.
        BodyTooLarge: more records than one request may bring.
    """
    records: list[LogRecord] = []
    with _told():
        for items in items_of(body):
            resource = _READER.resource(items.resource)
            records += (_record(_LOG_RECORD.FromString(raw), resource, items.scope) for raw in items.wire)
    return records


def count_protobuf_points(body: bytes) -> int:
    """How many data points an ExportMetricsServiceRequest in protobuf holds.

    Raises:
        BadSpanData: the bytes are no such message.
        BodyTooLarge: more metrics than one request may bring.
    """
    with _told():
        return sum(_points(_METRIC.FromString(raw)) for items in items_of(body) for raw in items.wire)


def _points(metric: Any) -> int:
    return sum(len(points.parts) for _, points in metric.ListFields())


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DecodeError as error:
        raise BadSpanData("not an OTLP protobuf request") from error


def _record(record: Any, resource: Attributes, scope: str) -> LogRecord:
    return LogRecord(
        record.trace_id.hex(),
        record.span_id.hex(),
        record.time_unix_nano or record.observed_time_unix_nano,
        record.event_name,
        _READER.read(record.attributes[:MAX_ATTRIBUTES]),
        value_on_the_wire(record.body),
        resource,
        scope,
    )


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
            span.trace_state[:MAX_STATE],
        )
    )


def _events(wire: Any) -> tuple[Event, ...]:
    read = (_EVENT.FromString(raw) for raw in wire[:MAX_EVENTS])
    return tuple(Event(event.name, _READER.read(event.attributes[:MAX_ATTRIBUTES])) for event in read)


def _links(wire: Any) -> tuple[Link, ...]:
    read = (_LINK.FromString(raw) for raw in wire[: 8 * MAX_LINKS])
    return good_links((link.trace_id.hex(), link.span_id.hex()) for link in read)


def reply(accepted: Accepted, *, as_json: bool) -> bytes:
    """Body of a 200: empty on full success, else `partial_success` with the count and the reasons."""
    field, response_of = _REPLIES[accepted.signal]
    rejected, message = sum(accepted.rejected.values()), accepted.message
    response = response_of()
    if rejected:
        setattr(response.partial_success, field, rejected)
        response.partial_success.error_message = message
    if as_json:
        return json.dumps(MessageToDict(response)).encode()
    body: bytes = response.SerializeToString()
    return body


def status_body(code: int, message: str, *, as_json: bool) -> bytes:
    """Body of an error: a google.rpc.Status with a gRPC code."""
    if as_json:
        return json.dumps({"code": code, "message": message}).encode()
    body: bytes = Status(code=code, message=message).SerializeToString()
    return body


def retry_details(message: str, after_s: int) -> dict[str, bytes]:
    """Trailers of a gRPC answer that says when to come again: as gRPC has them, and as OpenTelemetry's Python reads."""
    retry = RetryInfo()
    retry.retry_delay.seconds = after_s
    status = Status(code=14, message=message)
    status.details.add().Pack(retry)
    return {
        "grpc-status-details-bin": status.SerializeToString(),
        "google.rpc.retryinfo-bin": retry.SerializeToString(),
    }
