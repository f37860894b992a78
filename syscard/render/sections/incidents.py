"""Incidents that wait for somebody, by when what must be reported, and what is over. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from syscard.faces import Overview
from syscard.incident_faces import IncidentFace, incident_faces
from syscard.incident_states import OPEN_STATES
from syscard.render.incident_note import by_id, passages
from syscard.render.page import Section, Table
from syscard.serious import wants_assessment
from syscard.trace_links import links
from syscard.views import View
from syscard.words import one_line, plural, span_of, stamp

if TYPE_CHECKING:
    from syscard.regimes import Clock

_SIGNALS_SHOWN: Final = 3
"""Of an incident, in a cell of a table: one that shows on many signals filled a page."""


def open_incidents(view: View, face: Overview, now: datetime) -> Section:
    """What waits for somebody, in a row and in words, and who changed."""
    rows = tuple(_incident_row(i, now) for i in face.incidents)
    heads = ("Incident, severity", "Part", "What", "Cause", "Open for", "Owner and state", "Do first")
    none = "No incident is open." + ("" if face.verdict == "OK" else " That alone does not mean that all is well.")
    waiting = Table("Incidents that wait for somebody (page: somebody is called at once)", heads, rows, none)
    words = (_in_words(view, face.incidents),) if rows else ()
    clocks, says = _clocks(view, now)
    tables = (waiting, clocks, *words, *_who_changed(face))
    links_out = tuple(_trace_links(view["card"], face))
    return Section("incidents", "Open incidents and clocks", says=says, tables=tables, links=links_out)


def _clocks(view: View, now: datetime) -> tuple[Table, tuple[str, ...]]:
    """By when what must be reported because a human called it serious, incidents that are over too; and what to check.

    Where nobody has said whether an open incident is serious, that is said.
    """
    from syscard.incident_edits import AssessIncident  # brings pydantic
    from syscard.regimes import clocks_of

    card = view["card"]
    said = [AssessIncident.model_validate(raw["serious"]) for raw in card["incidents"].values() if raw.get("serious")]
    running = clocks_of(said, now)
    rows = tuple(_clock_row(clock, now) for clock in running)
    undecided = (_undecided(card, raw) for raw in card["incidents"].values() if raw["state"] in OPEN_STATES)
    says = (*filter(None, undecided), *dict.fromkeys(clock.check for clock in running))
    heads = ("Clock", "Report by", "Rule", "Left", "As what", "Known since")
    none = "No clock for a report to an authority runs: nobody has called an incident serious."
    return Table("By when a serious incident must be reported", heads, rows, none, ranked=True), says


def _clock_row(clock: Clock, now: datetime) -> tuple[str, ...]:
    left = f"LATE by {span_of(now - clock.due)}" if clock.late else span_of(clock.due - now)
    bound = "" if clock.applies else " (the duty had not begun then)"
    rule = f"{plural(clock.days, 'day')}, {clock.regime} {clock.article}{bound}"
    return (f"INC-{clock.incident}", stamp(clock.due), rule, left, clock.category.replace("_", " "),
            stamp(clock.aware))  # fmt: skip


def _undecided(card: dict[str, Any], raw: dict[str, Any]) -> str:
    name, said = f"INC-{raw['number']}", raw.get("serious")
    if said and said["serious"] == "assess":
        return f"{name}: whether it is serious is being assessed ({one_line(said['regime'])})."
    return f"{name}: nobody has said whether it is serious: syscard incident serious {name} --as assess" if (
        wants_assessment(card, raw)) else ""  # fmt: skip


def _in_words(view: View, incidents: tuple[IncidentFace, ...]) -> Table:
    """The note of each, shorter: what stands in the row above it is not said twice."""
    heads = ("Incident", "What broke", "For whom", "How sure", "What changed before it", "What is not known")
    rows = []
    for face in incidents:
        told = by_id(passages(view, view["card"]["incidents"][str(face.number)], face))
        broke = "; ".join((told["broke"].says[0].rstrip("."), told["broke"].says[-1]))
        rows.append((face.name, broke, *(told[name].text for name in ("whom", "sure", "before", "unknown"))))
    return Table("The same in words, from templates", heads, tuple(rows), "None.", detail=True)


def _who_changed(face: Overview) -> Iterator[Table]:
    """What was tested of each incident; the whole table of parts and edges is with the incident itself."""
    rows = tuple((i.name, *i.changed) for i in face.incidents if i.changed)
    heads = ("Incident", "Changed itself", "Share of the damage", "Confidence", "What lowers it")
    if rows:
        yield Table("Who changed, given what reaches it (no proof of cause)", heads, rows, "", detail=True)


def _trace_links(card: dict[str, Any], face: Overview) -> Iterator[tuple[str, str, str]]:
    """Where the example traces of open incidents can be looked at, if system.yaml says so."""
    open_now = {i.number: i.name for i in face.incidents}
    for raw in card["incidents"].values():
        if raw["number"] in open_now:
            found = links(card, list(raw["traces"]))
            yield from ((open_now[raw["number"]], one_line(trace), url) for trace, url in found.items())


def _incident_row(i: IncidentFace, now: datetime) -> tuple[str, ...]:
    has = f"acknowledged by {i.acknowledged_by}" if i.acknowledged_by else "not acknowledged"
    open_for = f"{span_of(now - i.since)}, since {stamp(i.since)}"
    more = len(i.what) - _SIGNALS_SHOWN
    rest = (f"{plural(more, 'more signal')}: syscard incident show {i.name}",) if more > 0 else ()
    shown = [commas(text) for text in i.what[:_SIGNALS_SHOWN]]
    title = () if shown and i.title in shown[0] else (i.title,)  # most are named after their first signal
    what = "; ".join((*title, *shown, *rest))
    cause = f"{i.changed[0]}: see who changed, below" if i.changed else i.cause
    return f"{i.name} {i.severity}", i.subject, what, cause, open_for, f"{i.owner or 'nobody'}; {has}", i.do_first


def closed_incidents(view: View) -> Section:
    """What is over."""
    over = [i for i in incident_faces(view) if not i.is_open]
    rows = tuple(
        (i.name, i.severity, i.subject, i.title, i.state.replace("_", " "), i.resolution, ", ".join(i.evidence))
        for i in over
    )
    heads = ("Incident", "Severity", "Part", "What", "State", "Resolution", "Evidence")
    return Section(
        "past", "Annex: closed incidents", annex=True, tables=(Table("Incidents that are over", heads, rows, "None."),)
    )


def commas(text: str) -> str:
    """Wide gaps of a terminal line as commas: a page closes up blanks."""
    return re.sub(r"(?<=\S)  +(?=\S)", ", ", text)
