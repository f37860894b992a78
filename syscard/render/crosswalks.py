"""Crosswalks as text: each item of a framework beside what the card has of it, and one line a framework."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from syscard.views import View
from syscard.words import moment, one_line, pad, wrap

if TYPE_CHECKING:
    from syscard.crosswalks import CrosswalkRow, CrosswalkSummary

_WIDTH: Final = 80
_MARKS: Final = {"evidenced": " ", "partly": "~", "declared": " ", "missing": "?", "not applicable": "-"}
_SHOWS: Final = {"full": "traces can show it", "partial": "traces show a part", "none": "traces cannot show it"}


def as_of(view: View, now: datetime | None) -> datetime:
    """By which clock a view's evidence is old: the reader's, or when the view was written."""
    return now or moment(view["written"]) or datetime.fromisoformat(view["card"]["observed"])


def summaries(view: View, now: datetime | None = None) -> tuple[CrosswalkSummary, ...]:
    """Every framework in figures."""
    from syscard.crosswalks import crosswalk, summary

    return summary(crosswalk(view["card"], view["live"], as_of(view, now)), view["card"])


def crosswalk_lines(view: View, width: int = _WIDTH, now: datetime | None = None) -> Iterator[str]:
    """One line a framework, for the card."""
    from syscard.crosswalks import LIMITS

    for one in summaries(view, now):
        yield from wrap(f"{one_line(one.regime)}; {one.says}", width, first=f"  {pad(one.framework, 14)}")
    yield from wrap(f"{LIMITS} Item by item: syscard crosswalk", width, first="  ")


def crosswalk_document(view: View, now: datetime, framework: str | None = None) -> dict[str, Any]:
    """What `syscard crosswalk --json` prints.

    Raises:
        UsageError: there is no such framework.
    """
    from syscard.crosswalks import LIMITS, crosswalk, summary

    card = view["card"]
    rows = crosswalk(card, view["live"], now, framework)
    return {
        "card": view["digest"],
        "card_version": card["version"],
        "at": now.isoformat(),
        "limits": LIMITS,
        "frameworks": [one.model_dump(mode="json") for one in summary(rows, card)],
        "rows": [row.model_dump(mode="json") for row in rows],
    }


def crosswalk_text(view: View, now: datetime, framework: str | None = None, width: int = _WIDTH) -> str:
    """Every item with its status, what stands at its places, and what it takes beside that.

    Raises:
        UsageError: there is no such framework.
    """
    from syscard.crosswalks import LIMITS, crosswalk, summary

    card = view["card"]
    rows = crosswalk(card, view["live"], now, framework)
    lines = [line for one in summary(rows, card) for line in _framework(one, rows, width)]
    return "\n".join([*lines, *wrap(LIMITS, width)]) + "\n"


def _framework(one: CrosswalkSummary, rows: Iterable[CrosswalkRow], width: int) -> Iterator[str]:
    yield from wrap(f"{one.name}  {one.framework} {one.version}", width, rest="  ")
    told = (
        ("regime", one_line(one.regime)),
        ("stands", one.says),
        ("source", one.source),
        ("valid from", f"{one.valid_from}: {one.valid_from_note}"),
        ("checked", f"{one.checked} against {one.checked_against}: {one.check}"),
    )
    yield from (line for label, text in told for line in wrap(text, width, first=f"  {pad(label, 12)}"))
    yield ""
    if one.applies != "no":
        yield from (line for row in rows if row.framework == one.framework for line in _row(row, width))
        yield ""


def _row(row: CrosswalkRow, width: int) -> Iterator[str]:
    head = f"{row.id}  {row.status.upper()}  {row.title}"
    yield from wrap(head, width, first=f"{_MARKS[row.status]} ", rest="    ")
    evidence = f"; evidence {', '.join(map(one_line, row.evidence[:4]))}" if row.evidence else ""
    more = ", ..." if len(row.evidence) > 4 else ""
    yield from wrap(f"{row.says}{evidence}{more}", width, first="    ")
    yield from wrap(f"{_SHOWS[row.evidenceability]}; it takes {row.needs}", width, first="    ")
