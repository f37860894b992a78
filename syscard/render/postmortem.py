"""The draft of a postmortem from an incident's timeline, in the blameless form. Everything from outside is escaped.

What the card knows stands there with its figures; what only people know is left open, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from syscard.diff import Change
from syscard.faces import IncidentFace, incident_faces
from syscard.render.markdown import escaped
from syscard.render.reach import reach_text
from syscard.views import View
from syscard.words import moment, plural, span_of, stamp

_BLANK: Final = "(to be written)"


def postmortem(view: View, number: int, changes: Iterable[Change] = ()) -> str:
    """Markdown.

    Args:
        view: the newest view.
        number: an incident that is on its card.
        changes: what changed on the card since it opened.
    """
    raw = view["card"]["incidents"][str(number)]
    face = next(i for i in incident_faces(view) if i.number == number)
    return "\n".join(_document(raw, face, list(changes))) + "\n"


def _document(raw: dict[str, Any], face: IncidentFace, changes: list[Change]) -> Iterator[str]:
    yield f"# Postmortem of {face.name}: {escaped(face.subject)}: {escaped(face.title)}"
    yield ""
    yield "A draft from the card's own record. It looks for what let this happen, not for who. Figures are measured;"
    yield f"{_BLANK} is for people to fill in."
    yield from _section("Summary", [face.title, *face.note])
    yield from _section("Impact", _impact(raw, face))
    yield from ("", "## Timeline (UTC)", "", "| When | Who | What |", "|---|---|---|")
    yield f"| {stamp(face.since)} | - | first window that differed |"
    for at, who, what in face.events:
        yield f"| {stamp(at)} | {escaped(who)} | {escaped(what)} |"
    yield from _section("What is known", [*face.what, *(f"before: {text}" for text in face.before), face.cause])
    yield from _section("What is not known", face.unknowns or [_BLANK])
    yield from _section("Contributing factors", [*face.before, _BLANK])
    for title in ("What went well", "What went badly", "Where we were lucky"):
        yield from _section(title, [_BLANK])
    yield from ("", "## Actions", "", "| What | Who | By when | State |", "|---|---|---|---|")
    yield f"| {escaped(face.do_first or _BLANK)} | {_BLANK} | {_BLANK} | open |"
    told = [f"{change.text} ({change.ref})" for change in changes]
    yield from _section("What changed on the card since", told or ["nothing material"])
    yield from _section("Example traces", face.traces or ["none kept"])


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from (f"- {escaped(line)}" for line in lines)


def _impact(raw: dict[str, Any], face: IncidentFace) -> Iterator[str]:
    reach = raw.get("impact")
    if reach is None:
        yield "unknown: how many requests it reached was not counted"
    else:
        yield reach_text(reach)
        yield from (
            f"{group['segment']} {group['group']}: {plural(group['requests'], 'request')}"
            for group in reach.get("groups", ())
        )
    over = moment(raw["resolved"])
    yield f"lasted {span_of(over - face.since)}, until {stamp(over)}" if over else "it is not over"
    yield f"severity {face.severity}, resolution: {face.resolution or 'none yet'}"
