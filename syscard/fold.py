"""The fold: edits in, card out. Pure; the same edits always give the same card."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from syscard import edits as e
from syscard import incident_fold, signing_fold
from syscard.card import (
    REPORTS_SHOWN,
    Assessed,
    Card,
    ClaimCard,
    Compared,
    ComponentCard,
    Evidence,
    Frequency,
    InteractionCard,
    Observed,
    PartCard,
    RiskCard,
)
from syscard.disparity import CompareGroups
from syscard.patch import Bench, Changes, Rows
from syscard.risks import AssessRisks
from syscard.snapshots import Snapshot, with_snapshot
from syscard.system import edge_ends
from syscard.tags import Tag, TagVersion

NEVER_ASSESSED: Final = "nothing has been measured yet"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def empty_card(system: str) -> Card:
    """A card on which nothing stands: version 0."""
    return Card(system=system, version=0, observed=_EPOCH)


def fold(edits: Iterable[e.Edit], *, start: Card | str) -> Card:
    """Apply edits in order, from an empty card (named by its system) or from an earlier version."""
    bench = Bench(empty_card(start) if isinstance(start, str) else start)
    for edit in edits:
        rule: Callable[[Card, Any, e.Edit], Changes] = _RULES[edit.body.kind]
        newest = max(bench.card.observed, edit.draft.observed)
        bench.change({**rule(bench.card, edit.body, edit), "version": edit.version, "observed": newest})
    return bench.card


def apply(card: Card, edit: e.Edit) -> Card:
    """One edit onto the card."""
    return fold((edit,), start=card)


def _declare(card: Card, body: e.Declare, edit: e.Edit) -> Changes:
    at = edit.draft.observed
    match body.section:
        case "system":
            return {"identity": body.body or {}}
        case "traces" | "monitors":
            return {body.section: body.body or {}}
        case "component":
            return {"components": _declared_part(card.components, body, _new_component(body, at))}
        case "interaction":
            return {"interactions": _declared_part(card.interactions, body, _new_interaction(body, at))}
        case "claim":
            return {"claims": _keyed(body, _new_claim(body, at))}
        case "risk":
            return {"risks": _keyed(body, RiskCard(id=body.ref, declared=body.body or {}))}
        case "unknown":
            return {"unknowns": _keyed(body, body.body or {})}
        case "dataset":
            return {"datasets": _keyed(body, body.body or {})}


def _keyed(body: e.Declare, value: Any) -> Rows:
    return Rows({}, frozenset((body.ref,))) if body.body is None else Rows({body.ref: value})


def _declared_part(table: dict[str, Any], body: e.Declare, new: Any) -> Rows:
    """A part that spans already know keeps what was observed of it."""
    known = table.get(body.ref)
    return _keyed(body, known.model_copy(update={"declared": body.body}) if known else new)


def _new_component(body: e.Declare, at: datetime) -> ComponentCard:
    return ComponentCard(ref=body.ref, declared=body.body, since=at)


def _new_interaction(body: e.Declare, at: datetime) -> InteractionCard:
    source, target = edge_ends(body.ref)
    return InteractionCard(ref=body.ref, declared=body.body, since=at, source=source, target=target)


def _new_claim(body: e.Declare, at: datetime) -> ClaimCard:
    """A changed claim starts again from unknown: its old evidence was for another promise."""
    waiting = e.SliceStatus(status="unknown", why=NEVER_ASSESSED)
    return ClaimCard(id=body.ref, declared=body.body or {}, slices=(waiting,), since=at)


def _baseline(_card: Card, body: e.SetBaseline, _edit: e.Edit) -> Changes:
    return {"baseline": body}


def _evidence(card: Card, body: e.AddEvidence, edit: e.Edit) -> Changes:
    key = edit.draft.digest
    if key in card.evidence:
        return {}
    number = card.evidence_count + 1
    new = Evidence(id=f"E-{number}", digest=key, observed=edit.draft.observed, figure=body)
    return {"evidence": Rows({key: new}), "evidence_count": number}


def _groups(card: Card, body: CompareGroups, edit: e.Edit) -> Changes:
    new = {told.name: told.state for told in body.told}
    found: dict[str, Compared] = {}
    for name in body.compared:
        known = card.groups.get(name)
        if name not in new:
            found |= {name: known} if known else {}
            continue
        since = known.since if known and known.state == new[name] else edit.draft.observed
        found[name] = Compared(state=new[name], since=since, evidence=edit.draft.digest)
    return {"groups": found}


def _assess(card: Card, body: AssessRisks, edit: e.Edit) -> Changes:
    new = {told.name: told for told in body.told}
    at, found, counted = edit.draft.observed, dict[str, Assessed](), _frequencies(body, edit)
    calibrated = {f"{told.risk} {told.about}": told for told in body.calibrations}
    for name in body.assessed:
        known, told = card.assessed.get(name), new.get(name)
        kept = known.calibration if known and not calibrated else calibrated.get(name)
        if told is None:
            found |= (
                {name: known.model_copy(update={"calibration": kept, "frequency": counted.get(name)})} if known else {}
            )
            continue
        since = known.since if known and known.state == told.state else at
        found[name] = Assessed(
            state=told.state,
            since=since,
            measured=at,
            evidence=edit.draft.digest,
            found=told,
            calibration=kept,
            frequency=counted.get(name),
        )
    return {"assessed": found}


def _frequencies(body: AssessRisks, edit: e.Edit) -> dict[str, Frequency]:
    """Counts are told of all places at once: a place that is not among them has none."""
    return {
        c.name: Frequency(seen=c.seen, looks=c.looks, overlap=body.overlap, evidence=edit.draft.digest)
        for c in body.counts
    }


def _claim(card: Card, body: e.SetClaim, edit: e.Edit) -> Changes:
    before = card.claims.get(body.claim)
    if before is None:
        return {}
    after = before.model_copy(update={"slices": body.slices, "assessed": edit.draft.observed})
    if after.status != before.status:
        after = after.model_copy(update={"since": edit.draft.observed})
    return {"claims": Rows({body.claim: after})}


def _part(card: Card, body: e.SetPart, edit: e.Edit) -> Changes:
    changes: Changes = {"state": body.state, "why": body.why, "incident": body.incident}
    part: PartCard | None = card.components.get(body.ref) or card.interactions.get(body.ref)
    if part is None:
        return {}
    if part.state != body.state:
        changes["since"] = edit.draft.observed
    table = "components" if body.ref in card.components else "interactions"
    return {table: Rows({body.ref: part.model_copy(update=changes)})}


def _observe(card: Card, body: e.Observe, edit: e.Edit) -> Changes:
    if body.what == "edge":
        return {"interactions": Rows({body.ref: _seen_edge(card, body, edit)})}
    known = card.components.get(body.ref) or ComponentCard(ref=body.ref, declared=None, since=edit.draft.observed)
    if body.what != "component":
        seen = Observed(
            what=body.what,
            value=body.value,
            declared=body.declared,
            since=edit.draft.observed,
            traces=body.traces,
            previous=body.previous,
        )
        known = known.model_copy(update={"observed": (*known.observed, seen)})
    return {"components": Rows({body.ref: known})}


def _seen_edge(card: Card, body: e.Observe, edit: e.Edit) -> InteractionCard:
    source, target = edge_ends(body.ref)
    known = card.interactions.get(body.ref) or InteractionCard(
        ref=body.ref, declared=None, since=edit.draft.observed, source=source, target=target
    )
    seen = {"evidence_class": body.evidence_class, "traces": body.traces, "examples": body.examples}
    return known.model_copy(update=seen)


def _periodic(card: Card, body: e.PeriodicReport, _edit: e.Edit) -> Changes:
    return {"reports": (*card.reports, body)[-REPORTS_SHOWN:]}


def _risk(card: Card, body: e.RiskSeen, _edit: e.Edit) -> Changes:
    risk = card.risks.get(body.risk)
    if risk is None:
        return {}
    seen = risk.model_copy(update={"observed_in": (*risk.observed_in, body.incident), "says": (*risk.says, body.says)})
    return {"risks": Rows({body.risk: seen})}


def _snapshot(card: Card, body: Snapshot, edit: e.Edit) -> Changes:
    return {"snapshots": with_snapshot(card.snapshots, body, edit.draft.observed)}


def _tag(_card: Card, body: TagVersion, edit: e.Edit) -> Changes:
    given = Tag(version=body.version, at=edit.draft.observed, by=incident_fold.author_name(edit))
    return {"tags": Rows({body.name: given})}


def _nothing(_card: Card, _body: Any, _edit: e.Edit) -> Changes:
    """What was done to the spans changes no promise and no figure."""
    return {}


_RULES: Final[dict[str, Callable[[Card, Any, e.Edit], Changes]]] = {
    "declare": _declare,
    "baseline": _baseline,
    "evidence": _evidence,
    "groups": _groups,
    "claim": _claim,
    "part": _part,
    "observed": _observe,
    "report": _periodic,
    "risk": _risk,
    "risks": _assess,
    "hold": _nothing,
    "erasure": _nothing,
    "snapshot": _snapshot,
    **incident_fold.RULES,
    **signing_fold.RULES,
    "tag": _tag,
}
