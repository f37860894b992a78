"""What the faces show of the newest window: live values, which are the monitors' state and no edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from syscard.card import Card
from syscard.finding import Finding, State, Window
from syscard.live import EncoderNow, Live, PartNow, SignalNow, WatcherNow
from syscard_monitors.assemble import Request
from syscard_monitors.memory import Memory
from syscard_monitors.parts import parts_now
from syscard_monitors.plan import Plan
from syscard_monitors.samples import sampling_of
from syscard_monitors.telling import Said
from syscard_monitors.traces import moment
from syscard_monitors.tracing_health import figures, totals
from syscard_monitors.vectors import made_in
from syscard_monitors.versions import versions_now

LEAST_MINUTES: Final = 1 / 60
"""A window that took less than a second says nothing of a rate."""

MOST_ENCODERS: Final = 3
"""Makers of one component's vectors that are told: spans can name any number of them."""


def live_of(
    plan: Plan,
    said: Said,
    memory: Memory,
    requests: Sequence[Request],
    window: Window,
    findings: Sequence[Finding],
    minutes: float,
    errors: Mapping[str, str],
    now: datetime,
) -> Live:
    """What a window shows.

    Args:
        plan: by which it was judged.
        said: what was written of it.
        memory: with the window in it.
        requests: of the window.
        window: their stretch.
        findings: every one of it.
        minutes: since the end of the window before.
        errors: claims that could not be computed, and why.
        now: when it was looked at.
    """
    failed = [f"{f.key}: {f.why}" for f in findings if f.state is State.ERROR]
    signals = [f for f in findings if f.kind not in ("undeclared", "risk")]
    topics: dict[str, str] = {s.key: s.topic for s in plan.signals}
    topics |= {o.key(severity): o.topic for o in plan.objectives for severity in o.severities}
    verdicts = sum(f.state in (State.OK, State.WARN, State.BREACH) for f in signals)
    watcher = WatcherNow(
        last_span=moment(memory.newest_us),
        last_run=now,
        ran=verdicts,
        total=len(signals),
        errors=(*failed, *(f"{ref}: {why}" for ref, why in errors.items())),
        requests=memory.requests,
        windows=memory.windows,
        per_minute=len(requests) / minutes if minutes > LEAST_MINUTES else None,
        orphans=memory.orphans,
        late=memory.late,
        **sampled_of(memory),
    )
    return Live(
        as_of=window.end,
        watcher=watcher,
        parts=_parts(said, memory, requests, max(minutes, LEAST_MINUTES), window),
        signals={f.key: _signal(f, memory, topics.get(f.key, "")) for f in findings},
        claims=said.claims,
        tracing=figures(memory.tracing, memory.skew),
        versions=versions_now(said.after, memory.versions),
        encoders=_encoders(said.after, requests),
    )


def _encoders(card: Card, requests: Sequence[Request]) -> dict[str, tuple[EncoderNow, ...]]:
    """What made the vectors of a window, by component."""
    found = {ref: made_in(requests, ref)[:MOST_ENCODERS] for ref in card.components}
    return {ref: tuple(EncoderNow(**one._asdict()) for one in made) for ref, made in found.items() if made}


def _parts(
    said: Said, memory: Memory, requests: Sequence[Request], minutes: float, window: Window
) -> dict[str, PartNow]:
    parts = parts_now(said.after, requests, minutes, said.traffic, memory.reach)
    return {ref: p.model_copy(update={"last_seen": window.end if p.requests else None}) for ref, p in parts.items()}


def _signal(finding: Finding, memory: Memory, topic: str) -> SignalNow:
    shared: dict[str, Any] = finding.model_dump(
        include={"about", "label", "kind", "state", "value", "reference", "unit", "n", "tolerance", "effect", "method"}
        | {"one_in", "one_in_needed", "p_value", "threshold", "needs", "why", "sampled"}
    )
    since = moment(memory.streaks[finding.key].state_since_us)
    return SignalNow(**shared, key=finding.key, topic=topic, since=since, history=tuple(memory.history[finding.key]))


def sampled_of(memory: Memory) -> dict[str, Any]:
    """How the requests of the newest windows were sampled."""
    total = totals(memory.tracing)
    sampled = sampling_of(total, int(total.get("requests", 0)))
    return {"kept": sampled.kept if sampled else None, "sampled": sampled}
