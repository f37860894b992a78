"""What edits do to the incidents on a card. Pure; `syscard.fold` calls the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.attribution import component_of
from syscard.card import SEVERITIES, Card, Incident, IncidentEvent, SilenceCard
from syscard.incident_keys import group_key
from syscard.patch import Changes, Rows

_CLOSED: Final = ("resolved", "false_positive")


def author_name(edit: e.Edit) -> str:
    """`human:mara`."""
    return f"{edit.draft.author.kind}:{edit.draft.author.name}"


def with_event(card: Card, number: int, edit: e.Edit, what: str, text: str | None = None, **changes: Any) -> Changes:
    """An incident with changes, and a line on its timeline that says so."""
    incident = card.incidents[number]
    event = IncidentEvent(at=edit.draft.observed, author=author_name(edit), what=what, text_sha256=text)
    after = incident.model_copy(update={**changes, "events": (*incident.events, event)})
    return {"incidents": Rows({number: after})}


def worst(severities: Iterable[str]) -> str:
    """The gravest of some severities."""
    return min(severities, key=SEVERITIES.index)


def _open(_card: Card, body: e.OpenIncident, edit: e.Edit) -> Changes:
    shared = body.model_dump(exclude={"kind", "findings", "impact"})
    opened = IncidentEvent(at=edit.draft.observed, author=author_name(edit), what="opened")
    new = Incident(
        **shared,
        findings=body.findings,
        impact=body.impact,
        state="suppressed" if body.silence else "open",
        opened=edit.draft.observed,
        events=(opened,),
    )
    return {"incidents": Rows({body.number: new})}


def _extend(card: Card, body: e.ExtendIncident, edit: e.Edit) -> Changes:
    incident = card.incidents[body.number]
    inherited = tuple(dict.fromkeys((*incident.inherited_by, *body.inherited_by)))
    changed = {f.about for f in body.findings} | set(inherited)
    changes: Changes = {
        "findings": (*incident.findings, *body.findings),
        "inherited_by": inherited,
        "unchanged": tuple(u for u in incident.unchanged if u not in changed),
        **_raised(incident, body.severity),
    }
    return with_event(card, body.number, edit, _extended(body), **changes)


def _extended(body: e.ExtendIncident) -> str:
    names = [f"{f.about}: {f.label}" for f in body.findings]
    return "joined by " + ", ".join(names) if names else f"got worse: {body.severity}"


def _raised(incident: Incident, severity: str) -> Changes:
    """Never lowered, neither what stands nor what a human may not go below."""
    stands, floor = worst((incident.severity, severity)), worst((incident.least_severity, severity))
    return {"severity": stands, "floor": floor if floor != stands else None}


def _reopen(card: Card, body: e.ReopenIncident, edit: e.Edit) -> Changes:
    incident = card.incidents[body.number]
    again = {f.key: f for f in (*incident.findings, *body.findings)}
    changes: Changes = {
        "state": "suppressed" if body.silence else "open",
        "silence": body.silence,
        "since": body.since,
        "resolved": None,
        "resolution": None,
        "acknowledged_by": None,
        "attribution": None,  # it was of the requests of another time: this one is attributed anew
        "attributed_by": None,
        "findings": tuple(again.values()),
        "inherited_by": tuple(dict.fromkeys((*incident.inherited_by, *body.inherited_by))),
        **_raised(incident, body.severity),
    }
    return with_event(card, body.number, edit, "reopened: the same broke again", **changes)


def _move(card: Card, body: e.MoveIncident, edit: e.Edit) -> Changes:
    was, changes = card.incidents[body.number].state, {"state": body.state, **_held(body, edit)}
    if body.state == "acknowledged":
        changes["acknowledged_by"] = author_name(edit)
    if body.state in _CLOSED:
        changes |= {"resolved": edit.draft.observed, "resolution": body.resolution, "flapping": False}
    if body.state == "open" and was not in ("suppressed", "accepted_risk"):
        changes |= {"resolved": None, "resolution": None, "acknowledged_by": None}
    return with_event(card, body.number, edit, _moved(body, was), body.text_sha256, **changes)


def _held(body: e.MoveIncident, edit: e.Edit) -> Changes:
    """Until when nobody is waited for, and who said so; nothing of it outlives the state."""
    accepted = body.state == "accepted_risk"
    return {
        "silence": body.silence,
        "accepted_until": body.until,
        "accepted_by": (body.approver or author_name(edit)) if accepted else None,
    }


def _moved(body: e.MoveIncident, was: str) -> str:
    word = "reopened" if body.state == "open" and was not in ("suppressed", "accepted_risk") else body.state
    until = f" until {body.until:%Y-%m-%d %H:%M} UTC by {body.approver}" if body.until and body.approver else ""
    by = f" by {body.silence}" if body.silence else ""
    why = f": {body.why}" if body.why else ""
    return f"{word}{until}{by}{why}"


def _note(card: Card, body: e.NoteOnIncident, edit: e.Edit) -> Changes:
    return with_event(card, body.number, edit, "note", text=body.text_sha256)


def _report(card: Card, body: e.ReportOnIncident, edit: e.Edit) -> Changes:
    what = f"report: {body.drifted} of {body.compared} signals differ, by {body.engine}"
    reports = (*card.incidents[body.number].reports, body)
    return with_event(card, body.number, edit, what, reports=reports)


def _impact(card: Card, body: ie.ImpactIncident, _edit: e.Edit) -> Changes:
    """A figure, not an event: the timeline would tell of nothing else."""
    incident = card.incidents[body.number]
    gathered = max(incident.gathered, body.gathered)
    after = incident.model_copy(update={"impact": body.impact, "gathered": gathered})
    return {"incidents": Rows({body.number: after})}


def _assign(card: Card, body: ie.AssignIncident, edit: e.Edit) -> Changes:
    return with_event(card, body.number, edit, f"assigned to {body.owner}", owner=body.owner)


def _merge(card: Card, body: ie.MergeIncident, edit: e.Edit) -> Changes:
    source, into = card.incidents[body.number], card.incidents[body.into]
    known = {f.key for f in into.findings}
    parts = [p for p in (source.subject, *source.inherited_by) if p != into.subject]
    taken: Changes = {
        "findings": (*into.findings, *(f for f in source.findings if f.key not in known)),
        "inherited_by": tuple(dict.fromkeys((*into.inherited_by, *parts))),
        "unchanged": tuple(u for u in into.unchanged if u not in parts),
        "merged": (*into.merged, source.number),
        "gathered": into.gathered + source.gathered,
        **_raised(into, source.severity),
    }
    over: Changes = {"state": "merged", "merged_into": into.number, "resolved": edit.draft.observed}
    first = with_event(card, into.number, edit, f"INC-{source.number} was merged into it", **taken)
    then = with_event(card, source.number, edit, f"merged into INC-{into.number}", **over, **_let_go())
    return {"incidents": first["incidents"] | then["incidents"]}


def _let_go() -> Changes:
    return {"silence": None, "accepted_until": None, "accepted_by": None, "flapping": False}


def _severity(card: Card, body: ie.SetSeverity, edit: e.Edit) -> Changes:
    floor = card.incidents[body.number].least_severity
    changes: Changes = {"severity": worst((body.severity, floor)), "floor": floor if floor != body.severity else None}
    return with_event(card, body.number, edit, f"severity {body.severity}", body.text_sha256, **changes)


def _hold(card: Card, body: ie.HoldIncident, edit: e.Edit) -> Changes:
    what = f"held open: it came and went {body.transitions} times within an hour"
    return with_event(card, body.number, edit, what, flapping=True)


def _assess(card: Card, body: ie.AssessIncident, edit: e.Edit) -> Changes:
    words = {"assess": "whether it is serious is being assessed", "no": "not serious", "yes": "serious"}
    category = f", {body.category}" if body.category else ""
    aware = f", known since {body.aware:%Y-%m-%d %H:%M} UTC" if body.aware else ""
    what = f"{words[body.serious]} ({body.regime}{category}{aware})"
    return with_event(card, body.number, edit, what, serious=body)


def _postmortem(card: Card, body: ie.AttachPostmortem, edit: e.Edit) -> Changes:
    known = (*card.incidents[body.number].postmortems, body.sha256)
    return with_event(card, body.number, edit, f"postmortem {body.name} ({body.sha256[:12]})", postmortems=known)


def _silence(_card: Card, body: ie.Silence, edit: e.Edit) -> Changes:
    return {"silences": Rows({body.id: SilenceCard(declared=body, author=author_name(edit))})}


def _end_silence(card: Card, body: ie.EndSilence, edit: e.Edit) -> Changes:
    ended = card.silences[body.id].model_copy(update={"ended": edit.draft.observed})
    return {"silences": Rows({body.id: ended})}


def _attribute(card: Card, body: ie.AttributeIncident, edit: e.Edit) -> Changes:
    incident, found = card.incidents[body.number], body.attribution
    changes: Changes = {"attribution": found, "attributed_by": body.evidence}
    if body.subject is None or body.subject == incident.subject:
        named = found.first or "no part is named"
        what = f"attributed over {found.n_now} requests: {named}, confidence {found.confidence}"
        return with_event(card, body.number, edit, what, **changes)
    changes |= {"subject": body.subject, "group": group_key(card.system, component_of(body.subject), card.traces)}
    changes["inherited_by"] = tuple(p for p in incident.inherited_by if p != body.subject)
    changes["title"] = _title(incident, body.subject)
    what = f"named {incident.subject} before, now {body.subject}: it changed itself, given what reaches it"
    return with_event(card, body.number, edit, what, **changes)


def _title(incident: Incident, subject: str) -> str:
    """What its first finding says; the part is named only where it is not the subject itself."""
    about = incident.findings[0].about
    bare = incident.title.removeprefix(f"{about} ")
    return bare if about == subject else f"{about} {bare}"


RULES: Final[dict[str, Callable[[Card, Any, e.Edit], Changes]]] = {
    "incident.open": _open,
    "incident.extend": _extend,
    "incident.reopen": _reopen,
    "incident.state": _move,
    "incident.note": _note,
    "incident.report": _report,
    "incident.attribution": _attribute,
    "incident.impact": _impact,
    "incident.assign": _assign,
    "incident.merge": _merge,
    "incident.severity": _severity,
    "incident.flapping": _hold,
    "incident.serious": _assess,
    "incident.postmortem": _postmortem,
    "silence": _silence,
    "silence.end": _end_silence,
}
