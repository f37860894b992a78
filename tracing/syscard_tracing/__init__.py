"""Spans: emit them, take them in, read their dialects, redact them, keep them.

Importing this loads nothing but itself: the SDK half lives in other people's processes. Recordings are taken in by
`syscard_tracing.ingest.ingest` (a module and its function cannot both have the name here).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from syscard_tracing.doctor import DoctorFinding, check, read_trace_file
    from syscard_tracing.lake import Lake
    from syscard_tracing.receiver import serve
    from syscard_tracing.rules import TraceRules
    from syscard_tracing.sdk import ComponentSpan, component, feedback, user_key
    from syscard_tracing.sdk_setup import delivery, instrument
    from syscard_tracing.sdk_threads import CarryingThreadPool, carried

__all__ = [
    "CarryingThreadPool",
    "ComponentSpan",
    "DoctorFinding",
    "Lake",
    "TraceRules",
    "carried",
    "check",
    "component",
    "delivery",
    "feedback",
    "instrument",
    "read_trace_file",
    "serve",
    "user_key",
]

_HOMES: Final = {
    "sdk": ("ComponentSpan", "component", "feedback", "user_key"),
    "sdk_setup": ("delivery", "instrument"),
    "sdk_threads": ("CarryingThreadPool", "carried"),
    "receiver": ("serve",),
    "doctor": ("DoctorFinding", "check", "read_trace_file"),
    "lake": ("Lake",),
    "rules": ("TraceRules",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"syscard_tracing.{module}"), name)
    raise AttributeError(f"module 'syscard_tracing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
