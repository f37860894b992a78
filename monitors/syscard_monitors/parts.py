"""The state of components and edges: what the findings, the incidents and the claims make of each part. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syscard.card import Card, PartCard
from syscard.edits import Author, Draft, SetPart
from syscard.finding import Finding, State, Window
from syscard.live import PartNow
from syscard_monitors.assemble import Request
from syscard_monitors.stats import quantile

RARE = 0.2
"""A component that fewer requests than this reach in the baseline may miss a whole window."""
_VERDICTS = (State.OK, State.WARN, State.BREACH)


def part_drafts(
    card: Card,
    findings: Sequence[Finding],
    quiet: Mapping[int, int],
    author: Author,
    window: Window,
    requests: Sequence[Request],
) -> tuple[Draft, ...]:
    """The edits for parts whose state, reason or incident has changed."""
    silent = _silent(card, findings, requests)
    wanted = {ref: _state(ref, card, findings, quiet, silent) for ref in card.parts}
    changed = [body for ref, body in wanted.items() if _differs(card.parts[ref], body)]
    return tuple(Draft(body=body, author=author, observed=window.end) for body in changed)


def _differs(part: PartCard, body: SetPart) -> bool:
    return (part.state, part.why, part.incident) != (body.state, body.why, body.incident)


def _silent(card: Card, findings: Sequence[Finding], requests: Sequence[Request]) -> frozenset[str]:
    """Parts that no request of the window reached, unless the baseline says that few ever do."""
    rare = {f.about for f in findings if f.signal == "reached" and f.reference is not None and f.reference < RARE}
    quiet = {ref for ref in card.components if ref not in rare and not any(f"{ref}.call" in r.values for r in requests)}
    edges = {ref for ref, e in card.interactions.items() if {e.source, e.target} & quiet}
    return frozenset(quiet | edges)


def _state(
    ref: str, card: Card, findings: Sequence[Finding], quiet: Mapping[int, int], silent: frozenset[str]
) -> SetPart:
    open_now = [i for i in card.open_incidents if quiet.get(i.number) == 0]
    for incident in open_now:
        if incident.subject == ref:
            return SetPart(ref=ref, state="broken", why=incident.title, incident=incident.number)
    for incident in open_now:
        if ref in incident.inherited_by or any(f.about == ref for f in incident.findings):
            why = f"starts in {incident.subject}"
            return SetPart(ref=ref, state="inherited", why=why, incident=incident.number)
    broken = [c.id for c in card.claims.values() if c.status == "broken" and c.declared.get("about") == ref]
    if broken:
        return SetPart(ref=ref, state="broken", why=f"claim broken: {', '.join(broken)}")
    if ref in silent:
        return SetPart(ref=ref, state="unknown", why="no request reaches it")
    return _calm(ref, card, [f for f in findings if f.about == ref])


def _calm(ref: str, card: Card, findings: Iterable[Finding]) -> SetPart:
    seen = list(findings)
    if not any(f.state in _VERDICTS for f in seen):
        why = next((f.why for f in seen if f.why), "nothing watches it")
        return SetPart(ref=ref, state="unknown", why=why)
    waiting = [i for i in card.open_incidents if i.subject == ref]
    if waiting:
        return SetPart(
            ref=ref, state="ok", why=f"INC-{waiting[0].number} is quiet, not resolved", incident=waiting[0].number
        )
    return SetPart(ref=ref, state="ok")


def parts_now(card: Card, requests: Sequence[Request], minutes: float) -> dict[str, PartNow]:
    """Traffic of every part over the requests of a window."""
    return {
        **{ref: _component_now(ref, requests, minutes) for ref in card.components},
        **{ref: _edge_now(ref, e.source, e.target, requests, minutes) for ref, e in card.interactions.items()},
    }


def _component_now(ref: str, requests: Sequence[Request], minutes: float) -> PartNow:
    latencies = [v for r in requests for v in r.values.get(f"{ref}.latency_ms", ())]
    failed = [v for r in requests for v in r.values.get(f"{ref}.error", ())]
    through = sum(f"{ref}.call" in r.values for r in requests)
    return PartNow(
        ref=ref,
        per_minute=through / minutes,
        error_share=sum(failed) / len(failed) if failed else None,
        p50_ms=quantile(latencies, 0.5) if latencies else None,
        p95_ms=quantile(latencies, 0.95) if latencies else None,
        requests=through,
    )


def _edge_now(ref: str, source: str, target: str, requests: Sequence[Request], minutes: float) -> PartNow:
    through = sum(f"{source}.call" in r.values and f"{target}.call" in r.values for r in requests)
    return PartNow(ref=ref, per_minute=through / minutes, requests=through)
