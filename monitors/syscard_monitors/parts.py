"""The state of components and edges: what the findings, the incidents and the claims make of each part. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from syscard.card import Card, InteractionCard, PartCard
from syscard.edits import Author, Draft, SetPart
from syscard.finding import Finding, State, Window
from syscard.live import PartNow
from syscard_monitors.assemble import Request
from syscard_monitors.packs import WINDOW
from syscard_monitors.samples import sample_sums, sampling_of
from syscard_monitors.stats import quantile, wilson
from syscard_monitors.traces import moment
from syscard_monitors.traffic import Edge, Traffic

BY_CHANCE: Final = 0.01
"""Missed by chance less often than this: then no request reaches a part, and it is not just having a quiet window."""
SILENT: Final = "no request reaches it"
UNSHOWN: Final = "no span shows it any more"
NOT_YET: Final = "no request yet in this window"
"""Why the state of a part is unknown: it has gone silent, as an edge has between parts that are called, or perhaps."""
_VERDICTS: Final = (State.OK, State.WARN, State.BREACH)


class Reach(NamedTuple):
    """How many requests have come to a component, or have shown an edge."""

    seen: int = 0
    """Requests up to the last that reached it."""
    reached: int = 0
    """Of them, those that did."""
    since: int = 0
    """Requests after it: none of them did."""
    last_us: int = 0
    """End of the last that did."""


def reach_after(
    before: Mapping[str, Reach],
    refs: Iterable[str],
    requests: Sequence[Request],
    shown: Mapping[str, Sequence[bool]] | None = None,
) -> dict[str, Reach]:
    """What is known of each component, and of edges, once these requests have been seen too.

    `shown` is for each edge whether each of the requests shows it.
    """
    reached = {ref: [f"{ref}.call" in r.values for r in requests] for ref in refs} | dict(shown or {})
    return {ref: _counted(before.get(ref, Reach()), requests, hits) for ref, hits in reached.items()}


def _counted(reach: Reach, requests: Sequence[Request], hits: Sequence[bool]) -> Reach:
    for request, hit in zip(requests, hits, strict=True):
        if hit:
            reach = Reach(reach.seen + reach.since + 1, reach.reached + 1, 0, request.end_us)
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


def _missed(card: Card, findings: Sequence[Finding], window: Window, reach: Mapping[str, Reach]) -> dict[str, str]:
    """Why parts are unknown that no request of the window reached; `NOT_YET` where that may be chance.

    An edge waits with its ends; between ends that are reached it is missed once it was seen.
    """
    shares = {f.about: f.reference for f in findings if f.signal == "reached" and f.reference}
    silent = {
        ref: known.since >= _enough(known, shares.get(ref), window.n)
        for ref, known in reach.items()
        if known.since >= window.n and (known.reached or ref in card.components)
    }
    found = {ref: _why_missed(SILENT if ref in card.components else UNSHOWN, [gone]) for ref, gone in silent.items()}
    ends = {ref: [silent[end] for end in (e.source, e.target) if end in silent] for ref, e in card.interactions.items()}
    return found | {ref: _why_missed(SILENT, gone) for ref, gone in ends.items() if gone}


def _why_missed(why: str, silent: Iterable[bool]) -> str:
    return why if any(silent) else NOT_YET


def _enough(reach: Reach, share: float | None, window: int) -> int:
    """Requests that must miss a component before none reaches it: a window, and more where few ever did.

    `share` is the baseline's; without one, the least that what was seen before allows.
    """
    if share is None:
        share = wilson(reach.reached / reach.seen, reach.seen).low if reach.seen else 1.0
    return max(window, math.ceil(math.log(BY_CHANCE) / math.log1p(-share))) if share < 1 else window


def _state(ref: str, card: Card, findings: Sequence[Finding], quiet: Mapping[int, int], missed: str | None) -> SetPart:
    """`missed` is None for a part that a request of the window reached."""
    open_now = [i for i in card.live_incidents if quiet.get(i.number) == 0]
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
    if missed not in (None, NOT_YET):
        return SetPart(ref=ref, state="unknown", why=str(missed))
    calm = _calm(ref, card, [f for f in findings if f.about == ref])
    if missed == NOT_YET and calm.state == "unknown":
        return SetPart(ref=ref, state="unknown", why=NOT_YET)
    return calm


def _calm(ref: str, card: Card, findings: Iterable[Finding]) -> SetPart:
    seen = list(findings)
    if not any(f.state in _VERDICTS for f in seen):
        why = next((f.why for f in seen if f.why), "nothing watches it")
        return SetPart(ref=ref, state="unknown", why=why)
    waiting = [i for i in card.live_incidents if i.subject == ref]
    if waiting:
        return SetPart(
            ref=ref, state="ok", why=f"INC-{waiting[0].number} is quiet, not resolved", incident=waiting[0].number
        )
    return SetPart(ref=ref, state="ok")


def parts_now(
    card: Card,
    requests: Sequence[Request],
    minutes: float,
    edges: Mapping[Edge, Traffic] | None = None,
    reach: Mapping[str, Reach] | None = None,
) -> dict[str, PartNow]:
    """Traffic of every part over the requests of a window, and since when it is silent."""
    known, none = edges or {}, Traffic()
    parts = {ref: _component_now(ref, requests, minutes) for ref in card.components}
    for ref, e in card.interactions.items():
        parts[ref] = _edge_now(ref, e, requests, minutes, known.get((e.source, e.target), none))
    return {ref: now.model_copy(update=_silence(card.parts[ref], (reach or {}).get(ref))) for ref, now in parts.items()}


def _silence(part: PartCard, reach: Reach | None) -> dict[str, Any]:
    """When it was last reached or shown, and whether it is silent, by how often it was before."""
    if reach is None:
        return {}
    if not reach.reached:
        return {"silent": "never seen" if part.declared is not None else None}
    gone = reach.since >= _enough(reach, None, WINDOW)
    return {
        "silent": "no longer seen" if gone else None,
        "last_shown": moment(reach.last_us) if reach.last_us else None,
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
        calls=sum(len(r.values[f"{ref}.call"]) for r in through),
    )


def _edge_now(ref: str, edge: InteractionCard, requests: Sequence[Request], minutes: float, known: Traffic) -> PartNow:
    through = [r for r in requests if f"{edge.source}.call" in r.values and f"{edge.target}.call" in r.values]
    return PartNow(
        ref=ref,
        per_minute=len(through) / minutes,
        error_share=known.error_share,
        p50_ms=known.latency(0.5),
        p95_ms=known.latency(0.95),
        requests=len(through),
        sampled=sampling_of(sample_sums(through), len(through)),
        calls=len(known.latencies_ms),
        evidence=known.classes,
        carries=known.carries,
    )
