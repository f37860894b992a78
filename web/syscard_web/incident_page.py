"""One incident as a page: what a person on call reads, in the order of `syscard incident show`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from syscard.attribution_text import cause_text
from syscard.errors import NotOnTheCard
from syscard.incident_faces import IncidentFace, incident_faces
from syscard.render.facts import evidence_value, method_text, said_by
from syscard.render.html import link
from syscard.render.incident_note import passages
from syscard.render.report import Report, Section, Table
from syscard.render.standing import rules_text, standing
from syscard.trace_links import links
from syscard.views import View
from syscard.words import figure, moment, one_line, stamp

_BESIDE: Final = ("do", "traces")
"""What has a place of its own on the page."""
_WEB: Final = re.compile(r"https?://[^\s]{1,1900}$")


def incident_page(view: View, number: int) -> Report:
    """One incident.

    Raises:
        NotOnTheCard: names the incidents there are.
    """
    faces = incident_faces(view)
    face = next((one for one in faces if one.number == number), None)
    if face is None:
        there = ", ".join(one.name for one in faces) or "none"
        raise NotOnTheCard(f"no incident INC-{number} on this card: there is {there}")
    raw = view["card"]["incidents"][str(number)]
    sections = (
        Section("words", "In words", says=("From templates, no language model.",), tables=(_words(view, raw, face),)),
        Section("signals", "Signals", says=tuple(rules_text(view, raw)), tables=(_signals(view, raw),)),
        Section("changed", "Who changed", says=tuple(_cause(view, raw)), tables=(_parts(view, raw),)),
        Section("evidence", "Evidence", tables=(_evidence(view, raw),)),
        Section("traces", "Traces", says=_hint(raw), links=tuple(_traces(view, raw)), items=tuple(_bare(view, raw))),
        Section("timeline", "Timeline", tables=(_timeline(face),)),
    )
    state = face.state.replace("_", " ")
    title = f"{face.name}: {face.title}"
    return Report(title, state.upper(), _summary(face), tuple(_facts(view, raw, face)), sections)


def _summary(face: IncidentFace) -> str:
    nobody = "; nobody has acknowledged it" if face.is_open else ""
    by = f"; acknowledged by {face.acknowledged_by}" if face.acknowledged_by else nobody
    return f"{face.severity} on {face.subject}, since {stamp(face.since)}{by}."


def _facts(view: View, raw: dict[str, Any], face: IncidentFace) -> Iterator[tuple[str, str]]:
    yield "Do first", face.do_first or "nothing was written down"
    if face.runbook:
        yield "Runbook", link(face.runbook, face.runbook) if _WEB.match(face.runbook) else face.runbook
    yield "Owner", face.owner or "nobody"
    yield from ((label.capitalize(), one_line(text)) for label, text in standing(view, raw))
    yield "Unchanged", ", ".join(map(one_line, raw["unchanged"])) or "not known"
    if face.resolution:
        yield "Resolution", face.resolution.replace("_", " ")


def _words(view: View, raw: dict[str, Any], face: IncidentFace) -> Table:
    told = passages(view, raw, face)
    rows = tuple((one.asks, "; ".join(text.rstrip(".") for text in one.says)) for one in told if one.id not in _BESIDE)
    return Table("What people ask first", ("Question", "Answer"), rows, "Nothing.")


def _signals(view: View, raw: dict[str, Any]) -> Table:
    rows = tuple(_signal(view, one) for one in raw["findings"])
    heads = ("Part", "Signal", "Before", "Now", "n", "Evidence")
    return Table("What differs from the baseline", heads, rows, "None.")


def _signal(view: View, one: dict[str, Any]) -> tuple[str, ...]:
    known, unit = view["card"]["evidence"].get(one["evidence"]), one_line(one["unit"])
    before, now = figure(one["reference"], unit), figure(one["value"], unit)
    evidence = known["id"] if known else "not on the card"
    return one_line(one["about"]), one_line(one["label"]), before, now, f"{one['n']:,}", evidence


def _cause(view: View, raw: dict[str, Any]) -> Iterator[str]:
    found = raw.get("attribution") or {}
    if found.get("parts"):
        yield f"{cause_text(found, found['parts'])}{_said(view, raw)}. No proof of cause."


def _said(view: View, raw: dict[str, Any]) -> str:
    """The edit that the figures of the attribution stand in."""
    return said_by(view, f"incidents/{raw['number']}/attribution")


def _parts(view: View, raw: dict[str, Any]) -> Table:
    parts = (raw.get("attribution") or {}).get("parts", ())
    rows = tuple(
        (one_line(p["part"]), one_line(p["verdict"]), _percent(p["share"]), _small(p["p_adjusted"]), one_line(p["why"]))
        for p in parts
    )
    heads = ("Part", "Verdict", "Share of the damage", "p (adjusted)", "Why")
    return Table(f"Given what reaches it{_said(view, raw)}", heads, rows, "Who changed was not tested.")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _small(p: float | None) -> str:
    return "-" if p is None else f"{p:.2g}" if p else "< 1e-300"


def _evidence(view: View, raw: dict[str, Any]) -> Table:
    digests = dict.fromkeys(d for d in (*(f["evidence"] for f in raw["findings"]), raw.get("attributed_by")) if d)
    rows = tuple(_record(item) for d in digests if (item := view["card"]["evidence"].get(d)))
    heads = ("Evidence", "About", "Metric", "Value and interval", "n", "Method", "To", "Digest")
    return Table("What it rests on", heads, rows, "None of it is on the card any more; the chain holds it.")


def _record(item: dict[str, Any]) -> tuple[str, ...]:
    fig = item["figure"]
    about, metric = one_line(fig["about"]), one_line(fig["metric"])
    end, method = stamp(moment(fig["window_end"])), method_text(fig) or "by effect alone"
    return item["id"], about, metric, evidence_value(fig), f"{fig['n']:,}", method, end, item["digest"]


def _hint(raw: dict[str, Any]) -> tuple[str, ...]:
    return ("syscard doctor trace TRACE shows the spans of one.",) if raw["traces"] else ("None were kept.",)


def _traces(view: View, raw: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    found = links(view["card"], list(raw["traces"]))
    yield from ((f"INC-{raw['number']}", one_line(trace), url) for trace, url in found.items())


def _bare(view: View, raw: dict[str, Any]) -> Iterator[str]:
    found = links(view["card"], list(raw["traces"]))
    yield from (one_line(trace) for trace in raw["traces"] if trace not in found)


def _timeline(face: IncidentFace) -> Table:
    rows = tuple((stamp(at), who, what) for at, who, what in face.events)
    return Table("What happened to it", ("When", "Who", "What"), rows, "Nothing so far.")
