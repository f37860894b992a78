"""Which share of traces a sender kept and how it chose, where its spans say so: every rate is of a sample. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from syscard_tracing.spans import Attributes, RawSpan, Value

SAMPLING: Final = "span.sampling"
"""Feature: share of such traces that were kept, above 0 and at most 1."""
SAMPLER: Final = "span.sampler"
"""Feature: how they were chosen, one of `syscard.observation.SAMPLERS`."""
POLICY: Final = "tailsampling.policy"
"""What a Collector's tail sampler says of its choice, as an attribute of the instrumentation scope."""
_OT: Final = re.compile(r"(?:^|,)\s*ot=([^,]*)")
_FIELD: Final = re.compile(r"(?:^|;)(th|p):([0-9a-f]{1,14})(?=;|\s*$)")
_WHOLE: Final = 16**14
_MOST_P: Final = 62
"""OpenTelemetry's older p-value; 63 means none of them."""
_PROBABILITIES: Final = ("sampling.probability", "sampling.ratio", "sampling.rate", "_dd.rule_psr")
_RATES: Final = ("_sample_rate",)
_ONE_IN: Final = ("SampleRate", "sample_rate", "sampling.adjusted_count", "adjusted_count")
"""These say how many a trace stands for, not how it was chosen."""
SAMPLED_BY: Final = frozenset((*_PROBABILITIES, *_RATES, *_ONE_IN, "sampler.type", POLICY))
"""Attributes that say it."""
_JAEGER: Final = {"ratelimiting": "rate limit", "lowerbound": "rate limit"}
_TOWARDS: Final = (
    ("errors", re.compile(r"(?i)(?<![a-z])err(?:or)?s?(?![a-z])|fail|exception|5xx")),
    ("slow requests", re.compile(r"(?i)slow|latenc|duration")),
)
"""What the name of a policy says it looks for."""


class Sampling(NamedTuple):
    """What a span says of its trace's sampling; None where it does not."""

    share: float | None = None
    """Of such traces, above 0 and at most 1."""
    by: str | None = None
    """As in `SAMPLER`."""


def sampling_of(trace_state: str, attributes: Attributes) -> Sampling:
    """By the W3C trace state (`ot=th:`, older `ot=p:`), which goes first, or attributes."""
    share, by = _share_of(trace_state, attributes)
    policy = attributes.get(POLICY)
    return Sampling(share, _tail(policy) if isinstance(policy, str) else by)


def tell_choice(scope: Attributes, spans: Iterable[RawSpan]) -> None:
    """What a scope says of the choice of its spans, to the spans, where they do not say it themselves."""
    if POLICY in scope:
        for span in spans:
            span.attributes.setdefault(POLICY, scope[POLICY])


def _share_of(trace_state: str, attributes: Attributes) -> Sampling:
    stated = _by_state(trace_state) if trace_state else None
    probability = (
        stated,
        *(_share(attributes[key]) for key in _PROBABILITIES if key in attributes),
        _jaeger(attributes),
    )
    for share in probability:
        if share is not None:
            return Sampling(share, "probability")
    counted = (_share(attributes[key]) for key in _RATES if key in attributes)
    counted_in = (_inverse(attributes[key]) for key in _ONE_IN if key in attributes)
    share = next((s for s in (*counted, *counted_in) if s is not None), None)
    return Sampling(share, _JAEGER.get(str(attributes.get("sampler.type"))) if share is None else None)


def _tail(policy: str) -> str:
    """A policy's name may be anything: what is kept is what it looks for."""
    towards = next((word for word, named in _TOWARDS if named.search(policy[:200])), None)
    return f"tail {towards}" if towards else "tail"


def _jaeger(attributes: Attributes) -> float | None:
    return _share(attributes.get("sampler.param")) if attributes.get("sampler.type") == "probabilistic" else None


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
