"""What one window says to the card: incidents, claims and risks as edits. Pure but for the memory it is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syscard.card import Card
from syscard.edits import (
    AddEvidence,
    Draft,
    Edit,
    MoveIncident,
    OpenIncident,
    RiskSeen,
    SetClaim,
    SliceStatus,
    provisional,
)
from syscard.errors import MonitorError
from syscard.finding import Finding, State, Window
from syscard.fold import fold
from syscard.silences import due_moves
from syscard.steps import Step
from syscard.system import Claim, System
from syscard_monitors import claims, incidents, observed
from syscard_monitors.assemble import Request, micros
from syscard_monitors.attributing import Newest, attributing
from syscard_monitors.changes import changes_before
from syscard_monitors.memory import Memory
from syscard_monitors.parts import part_drafts, reach_after
from syscard_monitors.plan import Plan
from syscard_monitors.reach import Served
from syscard_monitors.stretches import length
from syscard_monitors.traces import moment
from syscard_monitors.traffic import Edge, Traffic, traffic
from syscard_monitors.window import AUTHOR, UNDECLARED_PERSIST

Slices = tuple[SliceStatus, ...]
Sums = tuple[int, dict[str, Any]]
"""(end of a window in microseconds, sums by claim and slice)."""


@dataclass(frozen=True)
class Said:
    """What a window says to the card."""

    drafts: tuple[Draft, ...]
    after: Card
    """The card as it will be."""
    claims: dict[str, Slices]
    """Where every claim stands now, whether or not that is worth an edit."""
    traffic: Mapping[Edge, Traffic]
    """Of every edge on the card."""


def starting(plan: Plan, memory: Memory, findings: Sequence[Finding]) -> dict[str, datetime]:
    """Keys whose breach has persisted for just long enough, with the start of its first window."""
    persist = dict.fromkeys(plan.keys | plan.risk_keys, 1) | {s.key: s.persist for s in plan.signals}
    begun = {}
    for finding in findings:
        streak = memory.streaks[finding.key]
        # A monitor that failed keeps its streak where it was; that is no second beginning.
        if finding.state is State.BREACH and streak.windows == persist.get(finding.key, UNDECLARED_PERSIST):
            begun[finding.key] = moment(streak.since_us)
    return begun


def sums_of(
    plan: Plan, requests: Sequence[Request], feedback: Sequence[Request] = ()
) -> tuple[dict[str, Any], dict[str, str]]:
    """The sums of one window for every claim, and the errors of claims that cannot be computed.

    A claim that no request can answer is asked of the feedback that came meanwhile, about whatever request.
    """
    sums, errors = {}, {}
    for claim in plan.system.claims:
        if claim.id in plan.aside:
            errors[claim.id] = plan.aside[claim.id]
            continue
        plan.at(Step(plan.system.system.ref, signal=claim.id))
        try:
            sums[claims.promise(claim)] = claims.body(
                claims.tallies(claim, requests) or claims.tallies(claim, feedback)
            )
        except MonitorError as error:
            errors[claim.id] = str(error)
    return sums, errors


def edits_of(
    card: Card,
    plan: Plan,
    memory: Memory,
    requests: Sequence[Request],
    window: Window,
    findings: Sequence[Finding],
    sums: Sequence[Sums],
    errors: Mapping[str, str],
    newest: Callable[[], Sequence[Edit]] = tuple,
    assessed: Sequence[Draft] = (),
    recent: Newest | None = None,
) -> Said:
    """What a window says to the card: what was seen, incidents, claims, risks, then the parts' states.

    `newest` gives the newest edits of the system; it is asked only where an incident opens. `assessed` holds what was
    found of the risks of the catalogue, as edits; `recent` gives the newest requests, by which incidents
    are attributed.
    """
    begun = starting(plan, memory, [f for f in findings if f.window.index == window.index])
    _note_baseline(card, memory)
    firing = incidents.Firing(memory.quiet, plan.keys | plan.risk_keys, frozenset(memory.rebaselined), memory.reached)
    served = Served(requests, tuple(plan.system.traces.segments))
    outcome = incidents.update(card, findings, begun, firing, plan.graph, AUTHOR, served)
    memory.quiet, memory.reached = dict(outcome.firing.quiet), dict(outcome.firing.reached)
    drafts = [*observed.observing(card, requests, AUTHOR, window), *assessed]
    drafts += _with_changes(outcome.drafts, newest, drafts)
    if recent is not None:
        drafts += attributing(preview(card, drafts), plan, memory.quiet, recent, window, plan.joint)
    slices = assess_claims(plan.system, memory, window, sums, errors)
    drafts += claim_drafts(card, plan.system, slices, window)
    after = preview(card, drafts)
    drafts += _risk_drafts(card, after, memory.quiet, window)
    edges = {(e.source, e.target): ref for ref, e in after.interactions.items()}
    seen = traffic(requests, edges)
    shown = {edges[edge]: found.shown for edge, found in seen.items()}
    memory.reach = reach_after(memory.reach, card.components, requests, shown)
    drafts += part_drafts(preview(card, drafts), findings, memory.quiet, AUTHOR, window, memory.reach)
    return Said(tuple(drafts), preview(card, drafts), slices, seen)


def _with_changes(drafts: Sequence[Draft], newest: Callable[[], Sequence[Edit]], seen: Sequence[Draft]) -> list[Draft]:
    """What opens an incident says what changed before it began."""
    opening = any(isinstance(draft.body, OpenIncident) for draft in drafts)
    edits = newest() if opening else ()
    return [_changed(draft, edits, tuple(seen)) for draft in drafts]


def _changed(draft: Draft, edits: Sequence[Edit], seen: Sequence[Draft]) -> Draft:
    body = draft.body
    if not isinstance(body, OpenIncident):
        return draft
    found = changes_before(edits, seen, body.since)
    return draft.model_copy(update={"body": body.model_copy(update={"changed": found})}) if found else draft


def _note_baseline(card: Card, memory: Memory) -> None:
    """Incidents that are open while the baseline changes are remembered: quiet then proves nothing for them."""
    current = card.baseline.data_digest if card.baseline else None
    if memory.baseline not in (None, current):
        memory.rebaselined = sorted({*memory.rebaselined, *(i.number for i in card.live_incidents)})
    memory.rebaselined = [n for n in memory.rebaselined if n in card.incidents and card.incidents[n].is_live]
    memory.baseline = current


def preview(card: Card, drafts: Sequence[Draft]) -> Card:
    """The card as it will be with these drafts, but for its version."""
    return fold(provisional(drafts, card.observed), start=card)


def assess_claims(
    system: System, memory: Memory, window: Window, sums: Sequence[Sums], errors: Mapping[str, str]
) -> dict[str, Slices]:
    """Where every claim stands after a window; remembers for how many windows running a slice was violated."""
    found: dict[str, Slices] = {}
    violating: dict[str, dict[str, int]] = {}
    for claim in system.claims:
        key, since = claims.promise(claim), micros(window.end) - length(claim)
        if claim.id in errors:
            found[claim.id] = (SliceStatus(status="unknown", why=f"cannot be computed: {errors[claim.id]}"),)
            continue
        merged = claims.over_windows(body[key] for end, body in sums if end > since and key in body)
        assessed = claims.assess(claim, merged, memory.violating.get(key, {}))
        violating[key], found[claim.id] = assessed.violating, assessed.slices
    memory.violating = violating
    return found


def claim_drafts(card: Card, system: System, slices: Mapping[str, Slices], window: Window) -> list[Draft]:
    """Edits for claims whose status or figure has changed, or whose evidence is half expired."""
    worth = [c for c in system.claims if _worth_an_edit(card, c, slices[c.id], window)]
    return [draft for claim in worth for draft in _claim_edit(claim, slices[claim.id], window)]


def _worth_an_edit(card: Card, claim: Claim, slices: Sequence[SliceStatus], window: Window) -> bool:
    """A status changed, the evidence is half expired, or the figure no longer says what is so, or of whom."""
    known = card.claims[claim.id]
    if known.overall.status != slices[0].status or _judged(known.slices) != _judged(slices):
        return True
    if (known.overall.sampled is None) != (slices[0].sampled is None):
        return True
    aged = known.assessed is None or window.end - known.assessed > claim.valid_for / 2
    return aged or _moved(known.overall, slices[0])


def _judged(slices: Sequence[SliceStatus]) -> set[tuple[str, str]]:
    """Slices with a verdict: groups that come and go without one are worth no edit."""
    return {(s.slice, s.status) for s in slices if s.status != "unknown"}


def _moved(stored: SliceStatus, now: SliceStatus) -> bool:
    """The value is further from the stored one than its interval is wide, or there are twice the requests."""
    if now.n >= 2 * stored.n > 0:
        return True
    if stored.value is None or now.value is None:
        return False
    return None not in (stored.low, stored.high) and abs(now.value - stored.value) > _width(stored)


def _width(stored: SliceStatus) -> float:
    return (stored.high or 0.0) - (stored.low or 0.0)


def _claim_edit(claim: Claim, slices: Sequence[SliceStatus], window: Window) -> list[Draft]:
    evidence = {s.slice: _claim_evidence(claim, s, window) for s in slices if s.value is not None}
    named = tuple(
        s.model_copy(update={"evidence": evidence[s.slice].digest}) if s.slice in evidence else s for s in slices
    )
    body = SetClaim(claim=claim.id, slices=named)
    return [*evidence.values(), Draft(body=body, author=AUTHOR, observed=window.end)]


def _claim_evidence(claim: Claim, status: SliceStatus, window: Window) -> Draft:
    body = AddEvidence(
        about=claim.about,
        metric=claim.metric if status.slice == claims.ALL else f"{claim.metric} where {status.slice}",
        value=status.value,
        n=status.n,
        low=status.low,
        high=status.high,
        method="95 % interval, requests as clusters" if status.low is not None else "count",
        sampled=status.sampled,
        window_start=window.end - claim.window.last,
        window_end=window.end,
    )
    return Draft(body=body, author=AUTHOR, observed=window.end)


def _risk_drafts(before: Card, after: Card, quiet: Mapping[int, int], window: Window) -> list[Draft]:
    """A claim that a risk watches has just broken while an incident is firing: observed evidence for the risk."""
    broken = {c for c, card in after.claims.items() if card.status == "broken" and before.claims[c].status != "broken"}
    firing = [i for i in after.live_incidents if quiet.get(i.number) == 0]
    drafts = []
    for risk in after.risks.values():
        hit = sorted(broken & set(risk.declared.get("watch", ())))
        if hit and firing:
            incident = max(firing, key=lambda i: i.number)
            says = f"claim {', '.join(hit)} broke while INC-{incident.number} ({incident.subject}) was open"
            body = RiskSeen(risk=risk.id, incident=incident.number, says=says)
            drafts.append(Draft(body=body, author=AUTHOR, observed=window.end))
    return drafts


def stale_drafts(card: Card, system: System, now: datetime) -> list[Draft]:
    """Claims whose newest evidence is older than they allow."""
    drafts = []
    for claim in system.claims:
        known = card.claims[claim.id]
        expired = known.assessed is not None and now - known.assessed > claim.valid_for
        if expired and any(s.status in ("holds", "broken") for s in known.slices):
            body = SetClaim(claim=claim.id, slices=tuple(claims.stale(s) for s in known.slices))
            drafts.append(Draft(body=body, author=AUTHOR, observed=now))
    return drafts


def released_drafts(card: Card, quiet: Mapping[int, int], now: datetime) -> list[Draft]:
    """Incidents whose silence or acceptance is over by the clock, and that were firing in the newest window.

    For looks without a window: requests that stay away must not keep quiet what somebody silenced for two hours.
    A silence still begins with a window, as what it is about is seen in one.
    """
    due = due_moves(card, now, {n for n, runs in quiet.items() if not runs}, AUTHOR)
    return [draft for draft in due if isinstance(draft.body, MoveIncident) and draft.body.state == "open"]
