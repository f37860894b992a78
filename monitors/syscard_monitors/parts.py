"""The state of components and edges: what the findings, the incidents and the claims make of each part. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from syscard.card import Card, PartCard
from syscard.edits import Author, Draft, SetPart
from syscard.finding import Finding, State, Window
from syscard.live import PartNow
from syscard_monitors.assemble import Request
from syscard_monitors.samples import sample_sums, sampling_of
from syscard_monitors.stats import quantile, wilson

BY_CHANCE: Final = 0.01
"""Missed by chance less often than this: then no request reaches a part, and it is not just having a quiet window."""
SILENT: Final = "no request reaches it"
"""Why the state of a part is unknown that has gone silent."""
_VERDICTS: Final = (State.OK, State.WARN, State.BREACH)


class Reach(NamedTuple):
    """How many requests have come to a component."""

    seen: int = 0
    """Requests up to the last that reached it."""
    reached: int = 0
    """Of them, those that did."""
    since: int = 0
    """Requests after it: none of them did."""


def reach_after(before: Mapping[str, Reach], refs: Iterable[str], requests: Sequence[Request]) -> dict[str, Reach]:
    """What is known of each component once these requests have been seen too."""
    return {ref: _counted(before.get(ref, Reach()), f"{ref}.call", requests) for ref in refs}


def _counted(reach: Reach, call: str, requests: Sequence[Request]) -> Reach:
    for request in requests:
        if call in request.values:
            reach = Reach(reach.seen + reach.since + 1, reach.reached + 1)
        else:
            reach = reach._replace(since=reach.since + 1)
    return reach


def part_drafts(
    card: Card,
    findings: Sequence[Finding],
    quiet: Mapping[int, int],
    author: Author,
    window: Window,
    reach: Mapping[str, Reach],
) -> tuple[Draft, ...]:
    """The edits for parts whose state, reason or incident has changed."""
    missed = _missed(card, findings, window, reach)
    wanted = {ref: _state(ref, card, findings, quiet, missed.get(ref)) for ref in card.parts}
    changed = [body for ref, body in wanted.items() if _differs(card.parts[ref], body)]
    return tuple(Draft(body=body, author=author, observed=window.end) for body in changed)


def _differs(part: PartCard, body: SetPart) -> bool:
    return (part.state, part.why, part.incident) != (body.state, body.why, body.incident)


def _missed(card: Card, findings: Sequence[Finding], window: Window, reach: Mapping[str, Reach]) -> dict[str, bool]:
    """Parts that no request of the window reached: True where enough requests missed them to say that none does."""
    shares = {f.about: f.reference for f in findings if f.signal == "reached" and f.reference}
    missed = {ref: known.since for ref, known in reach.items() if known.since >= window.n}
    silent = {ref: since >= _enough(reach[ref], shares.get(ref), window.n) for ref, since in missed.items()}
    ends = {ref: [silent[end] for end in (e.source, e.target) if end in silent] for ref, e in card.interactions.items()}
    return silent | {ref: any(found) for ref, found in ends.items() if found}


def _enough(reach: Reach, share: float | None, window: int) -> int:
    """Requests that must miss a component before none reaches it: a window, and more where few ever did.

    `share` is the baseline's; without one, the least that what was seen before allows.
    """
    if share is None:
        share = wilson(reach.reached / reach.seen, reach.seen).low if reach.seen else 1.0
    return max(window, math.ceil(math.log(BY_CHANCE) / math.log1p(-share))) if share < 1 else window


def _state(ref: str, card: Card, findings: Sequence[Finding], quiet: Mapping[int, int], silent: bool | None) -> SetPart:
    """`silent` is None for a part that a request of the window reached."""
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
    if silent:
        return SetPart(ref=ref, state="unknown", why=SILENT)
    calm = _calm(ref, card, [f for f in findings if f.about == ref])
    if silent is False and calm.state == "unknown":
        return SetPart(ref=ref, state="unknown", why="no request yet in this window")
    return calm


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
    through = [r for r in requests if f"{ref}.call" in r.values]
    return PartNow(
        ref=ref,
        per_minute=len(through) / minutes,
        error_share=sum(failed) / len(failed) if failed else None,
        p50_ms=quantile(latencies, 0.5) if latencies else None,
        p95_ms=quantile(latencies, 0.95) if latencies else None,
        requests=len(through),
        sampled=sampling_of(sample_sums(through), len(through)),
    )


def _edge_now(ref: str, source: str, target: str, requests: Sequence[Request], minutes: float) -> PartNow:
    through = [r for r in requests if f"{source}.call" in r.values and f"{target}.call" in r.values]
    sampled = sampling_of(sample_sums(through), len(through))
    return PartNow(ref=ref, per_minute=len(through) / minutes, requests=len(through), sampled=sampled)
