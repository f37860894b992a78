"""Pages as values: each is a report of the sections and tables that the snapshot has, drawn by its templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from syscard.crosswalks import LIMITS, CrosswalkRow, CrosswalkSummary, crosswalk, summary
from syscard.faces import overview
from syscard.incident_faces import IncidentFace, incident_faces
from syscard.render.html import link
from syscard.render.report import Report, Section, Table, report
from syscard.views import View
from syscard.words import moment, one_line, plural, stamp
from syscard_web.reading import PAGE, Version

CHANGES_SHOWN: Final = 6
"""Of one version, in a list of versions."""
NEWEST: Final = 10
"""Versions of which the card's page tells what changed."""
_INCIDENT: Final = re.compile(r"^INC-(\d{1,9})\b")
_UNCHANGED: Final = "nothing material"
_LATELY: Final = 12
_REFERENCES: Final = 6
_SHOW: Final = {"full": "all", "partial": "a part", "none": "not at all"}


class Place(NamedTuple):
    """Where links lead: paths of this site, with the system where it has to be named."""

    system: str = ""

    def to(self, path: str, **query: object) -> str:
        """A path with its query."""
        from urllib.parse import urlencode

        asked = {**({"system": self.system} if self.system else {}), **query}
        return f"{path}?{urlencode(asked)}" if asked else path


def open_incidents(view: View) -> int:
    """Incidents that wait for somebody."""
    return sum(i.is_open for i in incident_faces(view))


def navigation(place: Place, here: str, incidents: int | None, *, several: bool) -> list[tuple[str, str, bool]]:
    """Links to all pages: address, text, and whether it is this one. Pages of a system need to know of which."""
    home = [(place.to("/systems"), "Systems", here == "/systems")] if several else []
    if several and not place.system:
        return home
    waiting = f"Incidents ({incidents} open)" if incidents is not None else "Incidents"
    named = [("/", "Card"), ("/history", "History"), ("/incidents", waiting), ("/crosswalk", "Crosswalks")]
    return [*((place.to(path), text, path == here) for path, text in named), *home]


def card_page(view: View, newest: Sequence[Version], place: Place, now: datetime, why: str = "") -> Report:
    """The live card: the snapshot's report by the clock, with what changed lately in the place of one difference.

    `why` is why the newest versions are not known.
    """
    page = report(view, None, now)
    changed = _lately(newest, place, why)
    sections = tuple(changed if section.id == changed.id else _linked(section, place) for section in page.sections)
    return replace(page, sections=sections)


def _lately(newest: Sequence[Version], place: Place, why: str) -> Section:
    told = [one for one in newest if one.changes]
    items = tuple(f"v{one.number}, {_when(one)}: {one_line(c.text)} ({c.ref})" for one in told for c in one.changes)
    quiet = _sentence(why) if why else f"No material change in the newest {plural(len(newest), 'version')}."
    none = () if items else (quiet,)
    more = (f"{plural(len(items) - _LATELY, 'more change')}: see the versions.",) if len(items) > _LATELY else ()
    says = (*none, link(place.to("/history"), "All versions"))
    return Section("changed", "What changed lately", says=says, items=(*items[:_LATELY], *more))


def _linked(section: Section, place: Place) -> Section:
    """Incidents that begin a row lead to their pages."""
    tables = tuple(
        replace(t, rows=tuple((_incident(row[0], place), *row[1:]) for row in t.rows)) for t in section.tables
    )
    return replace(section, tables=tables)


def _incident(cell: str, place: Place) -> str:
    found = _INCIDENT.match(cell)
    return link(place.to(f"/incidents/{found[1]}"), cell) if found else cell


def _when(version: Version) -> str:
    return stamp(moment(version.row["observed"]))


def history_page(view: View, shown: Sequence[Version], place: Place) -> Report:
    """Versions, newest first, with what materially changed."""
    heads = ("Version", "When", "What materially changed", "Why it was made", "By", "Edits")
    rows = tuple(_version_row(one, place) for one in shown)
    table = Table("Versions, newest first", heads, rows, "No earlier version.")
    last = shown[-1].number if shown else 1
    older = (link(place.to("/history", before=last), f"Versions before v{last}"),) if last > 1 else ()
    sections = (Section("versions", "Versions", says=older, tables=(table,)),)
    summary_ = f"{_name(view)}: v{view['card']['version']} is the newest version; {PAGE} stand on a page."
    return Report(f"History: {_name(view)}", f"v{view['card']['version']}", summary_, _chain(view), sections)


def _version_row(one: Version, place: Place) -> tuple[str, ...]:
    more = len(one.changes) - CHANGES_SHOWN
    texts = [one_line(c.text) for c in one.changes[:CHANGES_SHOWN]] + ([f"{more} more"] if more > 0 else [])
    name = link(place.to(f"/history/{one.number}"), f"v{one.number}")
    row = one.row
    changed = "; ".join(texts) or _UNCHANGED
    return name, _when(one), changed, one_line(row["cause"]), one_line(row["author"]), f"{row['edits']:,}"


def version_page(view: View, one: Version, edits: Sequence[dict[str, Any]], place: Place) -> Report:
    """One version: what materially changed with it, and its edits."""
    newest = view["card"]["version"]
    facts = (
        ("When", _when(one)),
        ("Why it was made", one_line(one.row["cause"])),
        ("By", one_line(one.row["author"])),
        ("Head of the chain then", one_line(one.row["link"])),
    )
    beside = [(n, text) for n, text in ((one.number - 1, "before"), (one.number + 1, "after")) if 1 <= n <= newest]
    ways = tuple(link(place.to(f"/history/{n}"), f"The version {text}: v{n}") for n, text in beside)
    items = tuple(f"{one_line(c.text)} ({one_line(c.ref)})" for c in one.changes)
    rows = tuple((f"{e['seq']}", e["kind"], one_line(e["about"]), one_line(e["author"]), e["link"]) for e in edits)
    left = one.row["edits"] - len(edits)
    says = (f"{plural(left, 'more edit')}: syscard card history --json",) if left > 0 else ()
    sections = (
        Section("changed", "What materially changed", says=(*(() if items else ("Nothing.",)), *ways), items=items),
        Section("edits", "Edits of this version", says=says, tables=(
            Table("Each is digested and chained", ("Edit", "Kind", "About", "By", "Digest"), rows, "None."),)),
    )  # fmt: skip
    title = f"Version {one.number}: {_name(view)}"
    return Report(title, f"v{one.number}", f"Version {one.number} of {newest}.", facts, sections)


def incidents_page(view: View, place: Place) -> Report:
    """Every incident: those that wait for somebody first."""
    faces = incident_faces(view)
    waiting = [i for i in faces if i.is_open]
    over = sorted((i for i in faces if not i.is_open), key=lambda i: i.number, reverse=True)
    heads = ("Incident", "Severity", "State", "Part", "What", "Since", "Owner")
    none = "No incident is open. That alone does not mean that all is well."
    sections = (
        Section("open", "Open incidents", tables=(Table("Worst first", heads, _rows(waiting, place), none),)),
        Section("over", "Other incidents", says=("Closed, merged, silenced or accepted.",), tables=(
            Table("Newest first", heads, _rows(over, place), "None."),)),
    )  # fmt: skip
    summary_ = f"{plural(len(waiting), 'incident')} open, {len(over)} others."
    return Report(f"Incidents: {_name(view)}", f"{len(waiting)} open" if waiting else "None", summary_, (), sections)


def _rows(faces: Iterable[IncidentFace], place: Place) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (_incident(i.name, place), i.severity, i.state.replace("_", " "), i.subject, i.title, stamp(i.since), i.owner)
        for i in faces
    )


def crosswalk_page(view: View, now: datetime) -> Report:
    """Every framework, item by item."""
    card = view["card"]
    rows = crosswalk(card, view["live"], now)
    sections = tuple(_framework(one, rows) for one in summary(rows, card))
    return Report(f"Crosswalks: {_name(view)}", "Map", LIMITS, (), sections)


def _framework(one: CrosswalkSummary, rows: Iterable[CrosswalkRow]) -> Section:
    heads = (
        "Item",
        "Asks for",
        "Status",
        "What stands on the card",
        "Evidence",
        "How far traces go, and what it takes",
    )
    found = tuple(_item(row) for row in rows if row.framework == one.framework and one.applies != "no")
    says = (
        f"{one_line(one.regime)}; {one.says}.",
        f"Source: {one.source}. Valid from {one.valid_from}: {one.valid_from_note}",
        f"Checked {one.checked} against {one.checked_against}. {one.check}",
    )
    table = Table(f"{one.framework} {one.version}", heads, found, "The regime does not apply: nothing is listed.")
    return Section(one.framework.replace("_", "-"), one.name, says=says, tables=(table,))


def _item(row: CrosswalkRow) -> tuple[str, ...]:
    evidence = ", ".join(_short(ref) for ref in row.evidence[:_REFERENCES]) or "none"
    more = f", {len(row.evidence) - _REFERENCES} more" if len(row.evidence) > _REFERENCES else ""
    takes = f"{_SHOW[row.evidenceability]}; it takes {row.needs}"
    return row.id, row.title, row.status, row.says, evidence + more, takes


def _short(reference: str) -> str:
    """A trace by the beginning of its id: the document has all of it."""
    return f"trace {one_line(reference)[:8]}" if "@" in reference else one_line(reference)


def systems_page(views: Mapping[str, View], now: datetime, others: int = 0) -> Report:
    """Systems of the home, with their verdicts; and how many others there are."""
    rows = tuple(_system_row(ref, view, now) for ref, view in views.items())
    heads = ("System", "Name", "Verdict", "Open incidents", "Card", "As of", "Watcher")
    table = Table("Systems of this home", heads, rows, "None.")
    more = (f"{plural(others, 'more system')}: open one with ?system=, or see /api/v1/systems.",) if others else ()
    sections = (Section("systems", "Systems", says=more, tables=(table,)),)
    count = len(rows) + others
    return Report("Systems", f"{count}", f"{plural(count, 'system')} in this home.", (), sections)


def _system_row(ref: str, view: View, now: datetime) -> tuple[str, ...]:
    face = overview(view, now)
    name = link(Place(ref).to("/"), one_line(ref))
    return (
        name,
        face.name,
        face.verdict,
        f"{len(face.incidents)}",
        f"v{face.card_version}",
        stamp(face.as_of),
        face.watcher,
    )


def error_page(status: int, message: str) -> Report:
    """What is wrong and what to do, as a page."""
    what, _, do = re.sub("[:;] ", "\n", message, count=1).partition("\n")
    heads = {400: "Not understood", 401: "A token is needed", 404: "Not here", 421: "Another host"}
    title = heads.get(status, "Not now")
    section = Section("do", "What to do", says=(_sentence(do) if do else "Go back to the card.",))
    return Report("syscard", title, _sentence(what), (("Status", str(status)),), (section,))


def _sentence(text: str) -> str:
    said = one_line(text)
    return f"{said[:1].upper()}{said[1:]}."


def _name(view: View) -> str:
    return one_line(view["card"]["identity"].get("name") or view["card"]["system"])


def _chain(view: View) -> tuple[tuple[str, str], ...]:
    return (("Head of the chain", view["head"]), ("Edits", f"{view['edits']:,}"))
