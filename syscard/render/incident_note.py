"""An incident in plain words: one renderer for every face, in the order in which people ask.

What broke, since when, for whom, how sure, what changed before it, what is not known, what to do first, example traces.
No figure of a signal stands here without the evidence it rests on; what was not counted or tested is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from syscard.incident_faces import IncidentFace
from syscard.render.facts import said_by
from syscard.render.reach import impact_lines, reach_text
from syscard.render.standing import traces_text
from syscard.render.status import do_text
from syscard.views import View
from syscard.words import moment, one_in, one_line, plural, span_of, stamp

_NAMED: Final = 3
"""Evidence that is named; EVIDENCE lists all of it."""


@dataclass(frozen=True)
class Passage:
    """One question about an incident and its answer."""

    id: str
    asks: str
    """Heading or label: `for whom`."""
    says: tuple[str, ...]
    """One or more lines; never none."""

    @property
    def text(self) -> str:
        """All of it in one cell."""
        return "; ".join(self.says)


def passages(view: View, raw: dict[str, Any], face: IncidentFace) -> tuple[Passage, ...]:
    """The whole note, in order."""
    return (
        Passage("broke", "what broke", tuple(_broke(face))),
        Passage("since", "since when", (_since(raw, face),)),
        Passage("whom", "for whom", tuple(_for_whom(view, raw))),
        Passage("sure", "how sure", tuple(_how_sure(view, raw, face))),
        Passage("before", "before it", face.before or ("nothing was seen to change before it",)),
        Passage("unknown", "not known", face.unknowns or ("nothing was written down as not known",)),
        Passage("do", "do first", (do_text(face),)),
        Passage("traces", "traces", tuple(traces_text(view, raw))),
    )


def by_id(found: tuple[Passage, ...]) -> dict[str, Passage]:
    """Passages by what they are: `broke`, `since`, `whom`, `sure`, `before`, `unknown`, `do`, `traces`."""
    return {one.id: one for one in found}


def _broke(face: IncidentFace) -> Iterator[str]:
    yield from face.note or (face.title,)
    named, more = ", ".join(face.evidence[:_NAMED]), len(face.evidence) - _NAMED
    yield f"rests on {named}{f' and {more} more' if more > 0 else ''}" if named else "its evidence is not on the card"


def _since(raw: dict[str, Any], face: IncidentFace) -> str:
    over = moment(raw["resolved"])
    end = f"over since {stamp(over)}, after {span_of(over - face.since)}" if over else "it is not over"
    return f"{stamp(face.since)} (opened {stamp(moment(raw['opened']))}); {end}"


def _for_whom(view: View, raw: dict[str, Any]) -> Iterator[str]:
    reach = raw.get("impact")
    said = said_by(view, f"incidents/{raw['number']}/impact")
    yield reach_text(reach) + said if reach else "unknown: how many requests it reached was not counted"
    yield from impact_lines(view["card"], raw)
    groups: dict[str, list[str]] = {}
    for one in (reach or {}).get("groups", ()):
        groups.setdefault(one_line(one["segment"]), []).append(f"{one_line(one['group'])} {one['requests']:,}")
    yield from (f"of them by {segment}: {', '.join(found)}" for segment, found in groups.items())
    if not view["card"]["traces"].get("segments"):
        yield "by group: unknown: needs a declared segment (traces.segments)"
    elif not groups:
        yield "by group: unknown: no group was counted"


def _how_sure(view: View, raw: dict[str, Any], face: IncidentFace) -> Iterator[str]:
    yield f"that it changed: {_rarest(view, raw)}"
    yield f"where it began: {face.cause}"
    if (raw.get("attribution") or {}).get("tie"):
        yield "another part may come first as well"


def _rarest(view: View, raw: dict[str, Any]) -> str:
    """The evidence of the signal that a look without a change would show least often."""
    known = ((f, view["card"]["evidence"].get(f["evidence"])) for f in raw["findings"])
    tested = [(item["figure"]["one_in"], finding, item) for finding, item in known
              if item and item["figure"].get("one_in") is not None]  # fmt: skip
    if not tested:
        return "unknown: no signal of it has a tested figure on the card"
    rarity, finding, item = max(tested, key=lambda one: one[0])
    asked = one_in(item["figure"].get("one_in_needed"))
    which = f"{one_line(finding['about'])} {one_line(finding['label'])}, {item['id']}"
    of = f"{len(tested)} of {plural(len(raw['findings']), 'signal')} tested"
    return f"evidence {one_in(rarity)}{f' (asked for {asked})' if asked else ''}, {which}; {of}"
