"""The draft of a postmortem from an incident's timeline, in the blameless form. Everything from outside is escaped.

What the card knows stands there with its figures; what only people know is left open, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from syscard.attribution_text import factor_lines
from syscard.diff import Change
from syscard.incident_faces import IncidentFace, incident_faces
from syscard.render.incident_note import Passage, by_id, passages
from syscard.render.markdown import escaped
from syscard.views import View
from syscard.words import stamp

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
    told = by_id(passages(view, raw, face))
    return "\n".join(_document(told, face, list(changes), list(factor_lines(raw)))) + "\n"


def _document(told: dict[str, Passage], face: IncidentFace, changes: list[Change], factors: list[str]) -> Iterator[str]:
    yield f"# Postmortem of {face.name}: {escaped(face.subject)}: {escaped(face.title)}"
    yield ""
    yield "A draft from the card's own record. It looks for what let this happen, not for who. Figures are measured;"
    yield f"{_BLANK} is for people to fill in."
    yield from _section("Summary", [face.title, *told["broke"].says])
    yield from _section("Impact", _impact(told, face))
    yield from ("", "## Timeline (UTC)", "", "| When | Who | What |", "|---|---|---|")
    yield f"| {stamp(face.since)} | - | first window that differed |"
    for at, who, what in face.events:
        yield f"| {stamp(at)} | {escaped(who)} | {escaped(what)} |"
    yield from _section("What is known", [*told["sure"].says, *face.what])
    yield from _section("What is not known", told["unknown"].says)
    yield from _section("Contributing factors", [*told["before"].says, *factors, _BLANK])
    for title in ("What went well", "What went badly", "Where we were lucky"):
        yield from _section(title, [_BLANK])
    yield from ("", "## Actions", "", "| What | Who | By when | State |", "|---|---|---|---|")
    yield f"| {escaped(told['do'].text)} | {_BLANK} | {_BLANK} | open |"
    since = [f"{change.text} ({change.ref})" for change in changes]
    yield from _section("What changed on the card since", since or ["nothing material"])
    yield from _section("Example traces", told["traces"].says)


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from (f"- {escaped(line)}" for line in lines)


def _impact(told: dict[str, Passage], face: IncidentFace) -> Iterator[str]:
    yield from told["whom"].says
    yield from told["since"].says
    yield f"severity {face.severity}, resolution: {face.resolution or 'none yet'}"
