"""OTLP's request as protobuf reads it fastest: attributes stay bytes until somebody asks.

An object per attribute is what decoding costs, not parsing. A length-delimited field may be declared `bytes` and the
wire stays the same, so these messages read what the official ones read; each distinct attribute is then read once
(`syscard_tracing.otlp_attributes`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

_PACKAGE: Final = "syscard.slim"
_Field = descriptor_pb2.FieldDescriptorProto


class _Slot(NamedTuple):
    """One field: its number in OTLP, its type, whether it repeats."""

    number: int
    type: int | str
    repeated: bool = False


_MESSAGES: Final[dict[str, dict[str, _Slot]]] = {
    "Request": {"resource_spans": _Slot(1, "ResourceSpans", repeated=True)},
    "ResourceSpans": {
        "resource": _Slot(1, _Field.TYPE_BYTES),
        "scope_spans": _Slot(2, "ScopeSpans", repeated=True),
    },
    "ScopeSpans": {"scope": _Slot(1, "Scope"), "spans": _Slot(2, "Span", repeated=True)},
    "Scope": {"name": _Slot(1, _Field.TYPE_STRING)},
    "Span": {
        "trace_id": _Slot(1, _Field.TYPE_BYTES),
        "span_id": _Slot(2, _Field.TYPE_BYTES),
        "trace_state": _Slot(3, _Field.TYPE_STRING),
        "parent_span_id": _Slot(4, _Field.TYPE_BYTES),
        "name": _Slot(5, _Field.TYPE_STRING),
        "kind": _Slot(6, _Field.TYPE_INT32),
        "start_time_unix_nano": _Slot(7, _Field.TYPE_FIXED64),
        "end_time_unix_nano": _Slot(8, _Field.TYPE_FIXED64),
        "attributes": _Slot(9, _Field.TYPE_BYTES, repeated=True),
        "events": _Slot(11, "Event", repeated=True),
        "links": _Slot(13, "Link", repeated=True),
        "status": _Slot(15, "Status"),
    },
    "Event": {"name": _Slot(2, _Field.TYPE_STRING), "attributes": _Slot(3, _Field.TYPE_BYTES, repeated=True)},
    "Link": {"trace_id": _Slot(1, _Field.TYPE_BYTES), "span_id": _Slot(2, _Field.TYPE_BYTES)},
    "Status": {"message": _Slot(2, _Field.TYPE_STRING), "code": _Slot(3, _Field.TYPE_INT32)},
}


def request_class() -> Any:
    """The message class of an ExportTraceServiceRequest whose attributes and resources are bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="syscard/slim.proto", package=_PACKAGE, syntax="proto3")
    for name, slots in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, slot in slots.items():
            _add(message, field, slot)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Request"))


def _add(message: Any, name: str, slot: _Slot) -> None:
    label = _Field.LABEL_REPEATED if slot.repeated else _Field.LABEL_OPTIONAL
    field = message.field.add(name=name, number=slot.number, label=label)
    if isinstance(slot.type, str):
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{slot.type}"
    else:
        field.type = slot.type
