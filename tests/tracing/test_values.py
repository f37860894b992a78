"""JSON that is small and made of very many values is refused before it is parsed."""

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
