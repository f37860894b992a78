"""Incidents as the on-call engineer reads them. Pure functions over the JSON of a view; standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from syscard.attribution_text import cause_text, short_row, untold
from syscard.health import SILENT_AFTER
from syscard.incident_states import OPEN_STATES
from syscard.owners import owner_of, runbook_of
from syscard.samples import beside
from syscard.views import View
from syscard.words import clock, figure, one_in, one_line

_JUST_BEFORE: Final = timedelta(hours=1)
"""A version first seen this long before an incident is named beside it."""
_SEVERITY: Final = {"page": 0, "ticket": 1, "note": 2}


@dataclass(frozen=True)
class IncidentFace:
    """An incident as the on-call engineer reads it."""

    number: int
    severity: str
    state: str
    subject: str
    title: str
    since: datetime
    acknowledged_by: str | None
    owner: str
    what: tuple[str, ...]
    """`vlm: agrees with the catalogue 0.91 -> 0.30  n 20  E-4`, one a signal."""
    before: tuple[str, ...]
    """`13:58 vlm version lit-0.3 -> lit-0.4, not declared`: what was first seen shortly before."""
    cause: str
    unknowns: tuple[str, ...]
    do_first: str
    runbook: str
    """As declared for the subject; empty where there is none."""
    note: tuple[str, ...]
    traces: tuple[str, ...]
    evidence: tuple[str, ...]
    events: tuple[tuple[datetime, str, str], ...]
    """(when, who, what)."""
    is_open: bool
    resolution: str = ""
    changed: tuple[str, str, str, str] | None = None
    """Who changed itself, the share of the damage, how sure, what lowers that; None where nothing was tested."""

    @property
    def name(self) -> str:
        """`INC-3`."""
        return f"INC-{self.number}"


def incident_faces(view: View) -> tuple[IncidentFace, ...]:
    """Every incident of the card, open ones first, then worst, then newest."""
    faces = [_incident(view, raw) for raw in view["card"]["incidents"].values()]
    return tuple(sorted(faces, key=lambda i: (not i.is_open, _SEVERITY[i.severity], -i.number)))


def _incident(view: View, raw: dict[str, Any]) -> IncidentFace:
    card, texts = view["card"], view["texts"]
    return IncidentFace(
        number=raw["number"],
        severity=raw["severity"],
        state=raw["state"],
        subject=one_line(raw["subject"]),
        title=one_line(raw["title"]),
        since=datetime.fromisoformat(raw["since"]),
        acknowledged_by=one_line(raw["acknowledged_by"]) if raw["acknowledged_by"] else None,
        owner=one_line(raw.get("owner") or owner_of(card, raw["subject"])),
        what=tuple(_finding_text(card, f) for f in raw["findings"]),
        before=tuple(_changes_before(card, raw)),
        cause=_cause(raw),
        unknowns=_lines(raw["unknowns"]),
        do_first=one_line(raw["do_first"]),
        runbook=runbook_of(card, raw["subject"]),
        note=_lines(raw["note"]),
        traces=_lines(raw["traces"]),
        evidence=tuple(evidence_ids(card, [f["evidence"] for f in raw["findings"]])),
        events=tuple(_event(event, texts) for event in raw["events"]),
        is_open=raw["state"] in OPEN_STATES,
        resolution=one_line(raw["resolution"] or ""),
        changed=short_row(raw),
    )


def _lines(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(one_line(text) for text in texts)


def _finding_text(card: dict[str, Any], finding: dict[str, Any]) -> str:
    unit = finding["unit"]
    change = f"{figure(finding['reference'], unit)} -> {figure(finding['value'], unit)}"
    record = card["evidence"].get(finding["evidence"], {"figure": {}})
    change = beside(change, record["figure"].get("sampled"))
    rare = one_in(record["figure"].get("one_in"))
    tested = f"  evidence {rare}" if rare else ""
    evidence = "".join(f"  {e}" for e in evidence_ids(card, [finding["evidence"]]))
    return f"{one_line(finding['about'])}: {one_line(finding['label'])} {change}  n {finding['n']:,}{tested}{evidence}"


def _cause(raw: dict[str, Any]) -> str:
    """What its attribution says; without one, where the change starts in the declared graph, and that it is no test."""
    if tested := (raw.get("attribution") or {}).get("parts"):
        return cause_text(raw["attribution"], tested)
    return "; ".join(filter(None, (_by_order(raw), untold(raw))))


def _by_order(raw: dict[str, Any]) -> str:
    subject, heirs, edges = one_line(raw["subject"]), _lines(may_inherit(raw)), _lines(shows_on(raw))
    if not heirs and not edges:
        return f"{subject} is the only part with findings"
    shows = f"; it shows on {', '.join(edges)}" if edges else ""
    inherits = f"; {', '.join(heirs)} may only inherit it (order, not tested)" if heirs else ""
    return f"{subject} is the first part that changed{shows}{inherits}"


def may_inherit(raw: dict[str, Any]) -> tuple[str, ...]:
    """Parts of an incident other than its subject that have findings or were named as heirs."""
    return tuple(ref for ref in _others(raw) if ref not in shows_on(raw))


def shows_on(raw: dict[str, Any]) -> tuple[str, ...]:
    """Edges that end in the subject: what they hand over did not change, what the subject makes of it did."""
    return tuple(ref for ref in _others(raw) if ref.endswith(f"->{raw['subject']}"))


def _others(raw: dict[str, Any]) -> tuple[str, ...]:
    """By the findings themselves: the list of heirs leaves out edges that end in the subject."""
    named = dict.fromkeys([*raw["inherited_by"], *(f["about"] for f in raw["findings"])])
    return tuple(ref for ref in named if ref != raw["subject"])


def _changes_before(card: dict[str, Any], raw: dict[str, Any]) -> list[str]:
    """What changed before the incident, as it says; of one of an earlier release the versions of its subject."""
    begun = datetime.fromisoformat(raw["since"])
    found = []
    if told := raw.get("changed"):
        return [
            f"{clock(datetime.fromisoformat(c['at']), begun)} {one_line(c['about'])} {one_line(c['says'])}"
            for c in told
        ]
    for ref in raw["subject"].split("->"):
        seen = card["components"].get(ref, {}).get("observed", ())
        for index, new in enumerate(seen):
            at = datetime.fromisoformat(new["since"])
            older = [o["value"] for o in seen[:index] if o["what"] == new["what"]]
            if begun - _JUST_BEFORE <= at <= begun + SILENT_AFTER and (older or not new["declared"]):
                found.append(f"{clock(at, begun)} {_seen_text(ref, new, older)}")
    return found


def _seen_text(ref: str, new: dict[str, Any], older: list[str]) -> str:
    was = f"{one_line(older[-1])} -> " if older else ""
    undeclared = "" if new["declared"] else ", not declared"
    return f"{one_line(ref)} {one_line(new['what'])} {was}{one_line(new['value'])}{undeclared}"


def _event(event: dict[str, Any], texts: dict[str, str]) -> tuple[datetime, str, str]:
    what = event["what"]
    if event["text_sha256"]:
        what = f"{what}: {texts.get(event['text_sha256'], '(text erased)')}"
    return datetime.fromisoformat(event["at"]), one_line(event["author"]), one_line(what)


def evidence_ids(card: dict[str, Any], digests: list[str]) -> list[str]:
    """`E-5` of each digest that is on the card."""
    return [card["evidence"][d]["id"] for d in digests if d in card["evidence"]]
