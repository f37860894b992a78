"""Which share of traces a sender kept, where its spans say so: then every rate here is of a sample. Pure."""

from __future__ import annotations

import re
from typing import Final

from syscard_tracing.spans import Attributes, Value

SAMPLING: Final = "span.sampling"
"""Feature: share of such traces that were kept, above 0 and at most 1."""
_OT: Final = re.compile(r"(?:^|,)\s*ot=([^,]*)")
_FIELD: Final = re.compile(r"(?:^|;)(th|p):([0-9a-f]{1,14})(?=;|\s*$)")
_WHOLE: Final = 16**14
_MOST_P: Final = 62
"""OpenTelemetry's older p-value; 63 means none of them."""
_SHARES: Final = ("sampling.probability", "sampling.ratio", "sampling.rate", "_dd.rule_psr", "_sample_rate")
_ONE_IN: Final = ("SampleRate", "sample_rate", "sampling.adjusted_count", "adjusted_count")
SAMPLED_BY: Final = frozenset(_SHARES + _ONE_IN + ("sampler.type",))
"""Attributes that say it."""


def kept_share(trace_state: str, attributes: Attributes) -> float | None:
    """Share of traces kept, by the W3C trace state (`ot=th:`, older `ot=p:`) or an attribute; None where unsaid."""
    stated = _by_state(trace_state) if trace_state else None
    if stated is not None:
        return stated
    shares = (_share(attributes[key]) for key in _SHARES if key in attributes)
    one_in = (_inverse(attributes[key]) for key in _ONE_IN if key in attributes)
    jaeger = (_share(attributes.get("sampler.param")),) if attributes.get("sampler.type") == "probabilistic" else ()
    return next((s for s in (*shares, *one_in, *jaeger) if s is not None), None)


def _by_state(trace_state: str) -> float | None:
    found = _OT.search(trace_state)
    fields = dict(_FIELD.findall(found[1])) if found else {}
    if threshold := fields.get("th"):
        return 1 - int(threshold.ljust(14, "0"), 16) / _WHOLE
    p = fields.get("p", "")
    return 0.5 ** int(p) if p.isdecimal() and int(p) <= _MOST_P else None


def _number(value: Value) -> float | None:
    if isinstance(value, str) and len(value) <= 24:
        try:
            return float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _share(value: Value) -> float | None:
    number = _number(value)
    return number if number is not None and 0 < number <= 1 else None


def _inverse(value: Value) -> float | None:
    """`SampleRate` 10 is one in ten; where somebody writes 0.1, it is a share."""
    number = _number(value)
    if number is None or not 0 < number < 1e12:
        return None
    return 1 / number if number >= 1 else number
