"""OTLP's requests as protobuf reads them fastest and within bounds: what is nested stays bytes until somebody asks.

An object per attribute is what decoding costs, not parsing; and an empty message takes two bytes on the wire and a
hundred in memory. A length-delimited field may be declared `bytes` and the wire stays the same, so these messages read
what the official ones read, one part at a time. The three signals have one frame: resources, their scopes, their items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from syscard.errors import BadSpanData, BodyTooLarge

MOST_ITEMS: Final = 250_000
"""Spans, log records or metrics of one request, and resources and scopes with them."""
_PACKAGE: Final = "syscard.slim"
_Field = descriptor_pb2.FieldDescriptorProto
_BYTES, _TEXT, _FIXED, _INT = _Field.TYPE_BYTES, _Field.TYPE_STRING, _Field.TYPE_FIXED64, _Field.TYPE_INT32


class _Slot(NamedTuple):
    """One field: its number in OTLP, its type, whether it repeats."""

    number: int
    type: int | str
    repeated: bool = False


_MESSAGES: Final[dict[str, dict[str, _Slot]]] = {
    "Request": {"parts": _Slot(1, _BYTES, repeated=True)},
    "ResourcePart": {"resource": _Slot(1, _BYTES), "parts": _Slot(2, _BYTES, repeated=True)},
    "ScopePart": {"scope": _Slot(1, "Scope"), "parts": _Slot(2, _BYTES, repeated=True)},
    "Scope": {"name": _Slot(1, _TEXT), "attributes": _Slot(3, _BYTES, repeated=True)},
    "Resource": {"attributes": _Slot(1, _BYTES, repeated=True)},
    "KeyValue": {"key": _Slot(1, _TEXT), "value": _Slot(2, _BYTES)},
    "Span": {
        "trace_id": _Slot(1, _BYTES),
        "span_id": _Slot(2, _BYTES),
        "trace_state": _Slot(3, _TEXT),
        "parent_span_id": _Slot(4, _BYTES),
        "name": _Slot(5, _TEXT),
        "kind": _Slot(6, _INT),
        "start_time_unix_nano": _Slot(7, _FIXED),
        "end_time_unix_nano": _Slot(8, _FIXED),
        "attributes": _Slot(9, _BYTES, repeated=True),
        "events": _Slot(11, _BYTES, repeated=True),
        "links": _Slot(13, _BYTES, repeated=True),
        "status": _Slot(15, "Status"),
    },
    "Event": {"name": _Slot(2, _TEXT), "attributes": _Slot(3, _BYTES, repeated=True)},
    "Link": {"trace_id": _Slot(1, _BYTES), "span_id": _Slot(2, _BYTES)},
    "Status": {"message": _Slot(2, _TEXT), "code": _Slot(3, _INT)},
    "LogRecord": {
        "time_unix_nano": _Slot(1, _FIXED),
        "body": _Slot(5, _BYTES),
        "attributes": _Slot(6, _BYTES, repeated=True),
        "trace_id": _Slot(9, _BYTES),
        "span_id": _Slot(10, _BYTES),
        "observed_time_unix_nano": _Slot(11, _FIXED),
        "event_name": _Slot(12, _TEXT),
    },
    # gauge, sum, histogram, exponential histogram, summary: all have their points in field 1
    "Metric": {f"points_{number}": _Slot(number, "Points") for number in (5, 7, 9, 10, 11)},
    "Points": {"parts": _Slot(1, _BYTES, repeated=True)},
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="syscard/slim.proto", package=_PACKAGE, syntax="proto3")
    for name, slots in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, slot in slots.items():
            _add(message, field, slot)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES)
    return {kind.name: message_factory.GetMessageClass(kind) for kind in found}


def _add(message: Any, name: str, slot: _Slot) -> None:
    label = _Field.LABEL_REPEATED if slot.repeated else _Field.LABEL_OPTIONAL
    field = message.field.add(name=name, number=slot.number, label=label)
    if isinstance(slot.type, str):
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{slot.type}"
    else:
        field.type = slot.type


CLASSES: Final = _classes()
"""Message classes by name."""
_REQUEST, _RESOURCE, _SCOPE = (CLASSES[name] for name in ("Request", "ResourcePart", "ScopePart"))


class Items(NamedTuple):
    """What one scope of a request brings."""

    resource: bytes
    scope: str
    says: list[bytes]
    """Attributes of the scope."""
    wire: list[bytes]
    """Each span, log record or metric."""


def items_of(body: bytes) -> Iterator[Items]:
    """The items of a request of any signal, scope by scope.

    Raises:
        BadSpanData: the bytes are no such message.
        BodyTooLarge: they are more than `MOST_ITEMS`.
    """
    room = MOST_ITEMS
    try:
        for raw in _taken(_REQUEST.FromString(body).parts, room):
            resource = _RESOURCE.FromString(raw)
            room -= 1 + len(resource.parts)
            for part in _taken(resource.parts, room):
                scope = _SCOPE.FromString(part)
                wire = _taken(scope.parts, room)
                room -= len(wire)
                yield Items(resource.resource, scope.scope.name, list(scope.scope.attributes), wire)
    except DecodeError as error:
        raise BadSpanData("not an OTLP protobuf request") from error


def _taken(parts: Any, room: int) -> list[bytes]:
    if len(parts) > max(room, 0):
        raise BodyTooLarge(f"more than {MOST_ITEMS} spans or records in one request; send smaller batches")
    return list(parts)
