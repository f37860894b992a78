"""A small body that is made of very many parts costs little: it is refused, or its parts are left."""

from __future__ import annotations

import subprocess
import sys

import pytest

from syscard.errors import BodyTooLarge
from syscard_tracing.otlp import MAX_COMMAS, MAX_OPENED, decode_json

CHILD = """
import resource
from syscard.errors import BodyTooLarge
from syscard_tracing.otlp import decode_json
body = b"[" + b"[]," * (16 << 20) + b"0]"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_json(body)
except BodyTooLarge:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("body", [b"[" * (MAX_OPENED + 1), b"{" * (MAX_OPENED + 1), b"," * (MAX_COMMAS + 1)])
def test_too_many_values_are_refused(body: bytes) -> None:
    with pytest.raises(BodyTooLarge, match="send smaller batches"):
        decode_json(body)


def test_48_mib_of_empty_lists_cost_no_memory() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 50 * 1024, "KiB"


WIRE = """
import resource, sys
from syscard.errors import SyscardError
from syscard_tracing.otlp_proto import count_protobuf_points, decode_protobuf, decode_protobuf_logs

def length(size):
    out = b""
    while size > 127:
        out, size = out + bytes([size & 127 | 128]), size >> 7
    return out + bytes([size])

def within(body, *tags):
    for tag in tags:
        body = tag + length(len(body)) + body
    return body

read, empty, *around = sys.argv[1:]
body = within(bytes.fromhex(empty) * (8 << 20), *map(bytes.fromhex, around))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    globals()[read](body)
except SyscardError:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
PARTS = {
    "resources": ("decode_protobuf", "0a00"),
    "scopes": ("decode_protobuf", "1200", "0a"),
    "spans": ("decode_protobuf", "1200", "12", "0a"),
    "attributes of a span": ("decode_protobuf", "4a00", "12", "12", "0a"),
    "events": ("decode_protobuf", "5a00", "12", "12", "0a"),
    "links": ("decode_protobuf", "6a00", "12", "12", "0a"),
    "attributes of a resource": ("decode_protobuf", "0a00", "0a", "0a"),
    "items of an array": ("decode_protobuf", "0a00", "2a", "12", "4a", "12", "12", "0a"),
    "log records": ("decode_protobuf_logs", "1200", "12", "0a"),
    "attributes of a log record": ("decode_protobuf_logs", "3200", "12", "12", "0a"),
    "metrics": ("count_protobuf_points", "1200", "12", "0a"),
    "points of a metric": ("count_protobuf_points", "0a00", "2a", "12", "12", "0a"),
}


@pytest.mark.parametrize("read", PARTS.values(), ids=PARTS)
def test_16_mib_of_empty_messages_take_less_than_half_a_gib(read: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", WIRE, *read], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 512 * 1024, "KiB"
