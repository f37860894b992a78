"""Attributes on the protobuf wire -> keys and values, each distinct one parsed once.

Most attributes of a system's spans come again and again to the byte: components, models, versions, segments. So what an
attribute's bytes say is remembered. What is new is read here where it is plain (a scalar under a short key), which is
several times cheaper than a message object; everything else by protobuf's own `KeyValue`.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from syscard_tracing.otlp_schema import CLASSES
from syscard_tracing.spans import MAX_ATTRIBUTES, MAX_DEPTH, MAX_ITEMS, MAX_KEY, MAX_TEXT, Attributes, Value

REMEMBERED: Final = 16_384
"""Distinct attributes that are remembered; then all are forgotten: what comes often is soon there again."""
REMEMBERED_BYTES: Final = 256
"""Bytes of an attribute that is remembered: texts do not come again."""
_KEY, _VALUE = 0x0A, 0x12  # KeyValue: key = 1, value = 2, both length-delimited
_STRING, _BOOL, _INT, _DOUBLE = 0x0A, 0x10, 0x18, 0x21  # AnyValue: fields 1 to 4
_BYTES: Final = 0x3A  # field 7
_LARGE: Final = 4_000_000
"""Bytes of one attribute from which on its lists and maps are left."""
_RESOURCE, _KEY_VALUE = CLASSES["Resource"], CLASSES["KeyValue"]
_SHORT: Final = 0x80
"""A varint below this is one byte."""
_double: Final = Struct("<d").unpack_from
_Pair = tuple[str, Value]
_LEFT: Final[_Pair] = ("", None)
"""An attribute that is not read: without a key, or with too long a one."""


class AttributeReader:
    """Reads attributes and resources. Safe to use from several threads; what it remembers is bounded."""

    def __init__(self) -> None:
        self._pairs: dict[bytes, _Pair] = {}
        self._resources: dict[bytes, Attributes] = {}
        self._keys: dict[bytes, str] = {}

    def read(self, wire: Iterable[bytes]) -> Attributes:
        """Attributes of one span or event, each as the bytes of a KeyValue; of a key given twice the last counts.

        Raises:
            google.protobuf.message.DecodeError: the bytes are no KeyValue.
        """
        known = self._pairs.get
        found = dict([known(raw) or self._new(raw) for raw in wire])
        found.pop("", None)
        return found

    def resource(self, wire: bytes) -> Attributes:
        """Attributes of a resource, given as its bytes: the same object for the same bytes, so it must not be changed.

        Raises:
            google.protobuf.message.DecodeError: the bytes are no Resource.
        """
        found = self._resources.get(wire)
        if found is None:
            if len(self._resources) >= 256:
                self._resources.clear()
            found = self.read(_RESOURCE.FromString(wire).attributes[:MAX_ATTRIBUTES])
            if len(wire) <= 64 * REMEMBERED_BYTES:
                self._resources[wire] = found
        return found

    def _new(self, raw: bytes) -> _Pair:
        pair = self._plain(raw) or _pair(raw)
        if len(raw) <= REMEMBERED_BYTES:
            if len(self._pairs) >= REMEMBERED:
                self._pairs.clear()
            self._pairs[raw] = pair
        return pair

    def _plain(self, raw: bytes) -> _Pair | None:
        """A scalar under a short key whose lengths add up to the byte; None for anything else."""
        size = len(raw)
        if size < 6 or raw[0] != _KEY:
            return None
        at = raw[1] + 2  # where the value's tag stands
        if not 2 < at < _SHORT or at + 4 > size or raw[at] != _VALUE or raw[at + 1] != size - at - 2:
            return None
        value = _scalar(raw, at + 2, size)
        return None if value is None else (self._key(raw[2:at]), value)

    def _key(self, raw: bytes) -> str:
        """One string object a key, whose hash is worked out once."""
        key = self._keys.get(raw)
        if key is None:
            if len(self._keys) >= REMEMBERED:
                self._keys.clear()
            key = self._keys[raw] = _text(raw)
        return key


def _scalar(raw: bytes, at: int, size: int) -> str | bool | int | float | None:
    """The AnyValue that fills the rest, where it is a short string, a number or a truth; None for anything else."""
    kind = raw[at]
    if kind == _STRING:
        return _text(raw[at + 2 :]) if raw[at + 1] == size - at - 2 and size - at < _SHORT else None
    if kind == _DOUBLE:
        number: float | None = _double(raw, at + 1)[0] if size == at + 9 else None
        return number
    found = _varint(raw, at + 1) if kind in (_INT, _BOOL) else -1
    if found < 0:
        return None
    return found if kind == _INT else bool(found)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("a string is not UTF-8") from error


def _varint(raw: bytes, at: int) -> int:
    """The varint that fills the rest, below 2^56; -1 for anything else."""
    rest = raw[at:]
    if len(rest) == 1:
        return rest[0] if rest[0] < _SHORT else -1
    if len(rest) > 8 or rest[-1] >= _SHORT or min(rest[:-1]) < _SHORT:
        return -1
    found = 0
    for byte in reversed(rest):
        found = found << 7 | byte & 0x7F
    return found


def _pair(raw: bytes) -> _Pair:
    if len(raw) > _LARGE:
        pair = _KEY_VALUE.FromString(raw)
        return (pair.key, value_on_the_wire(pair.value)) if 0 < len(pair.key) <= MAX_KEY else _LEFT
    message = KeyValue.FromString(raw)
    return (message.key, _value(message.value)) if 0 < len(message.key) <= MAX_KEY else _LEFT


def value_on_the_wire(raw: bytes) -> Value:
    """The value that the bytes of an AnyValue hold; None for a list or map of megabytes, which would be gigabytes here.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no AnyValue.
    """
    if len(raw) > _LARGE and raw[0] not in (_STRING, _BYTES):
        return None
    return _value(AnyValue.FromString(raw))


def _attributes(pairs: Any, depth: int) -> Attributes:
    return {pair.key: _value(pair.value, depth) for pair in pairs[:MAX_ATTRIBUTES] if 0 < len(pair.key) <= MAX_KEY}


def _value(wire: Any, depth: int = 0) -> Value:
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
