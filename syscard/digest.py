"""Digests: SHA-256 over RFC 8785 JSON, with floats rounded so that the same figures always give the same bytes."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785

GENESIS: Final = "0" * 64
_DIGITS: Final = 12
_MAX_SAFE_INTEGER: Final = 2**53 - 1


def plain(value: Any) -> Any:
    """JSON values only: floats to 12 significant digits, times as UTC ISO 8601, tuples as lists.

    Raises:
        ValueError: a float that is not finite, or a type that JSON does not have.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return _rounded(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    raise ValueError(f"no JSON form for {type(value).__name__}")


def _rounded(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a figure on the card must be finite")
    return float(f"{value:.{_DIGITS}g}")


def iso(moment: datetime) -> str:
    """UTC, ISO 8601 with `Z`; microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def canonical(value: Any) -> bytes:
    """The canonical form of a JSON-like value (RFC 8785)."""
    return rfc8785.dumps(plain(value))


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of the canonical form of a JSON-like value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of free text, under which it is chained and stored beside."""
    return hashlib.sha256(text.encode()).hexdigest()
