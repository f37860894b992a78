"""What messages say: numbers, names of parts and sentences of the card. Nothing of a span's text, and no markup.

A message goes to chats that read Markdown, HTML, links and mentions; names of parts come from spans, which anybody may
have written. So what these would read as more than text is written otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from syscard.card import Incident
from syscard.system import MessageBudget
from syscard.units import duration_text
from syscard.words import clip, one_line, plural, span_of

LONGEST: Final = 1000
"""Characters of a message; its title is in them."""
_TITLE: Final = 150
_LINE: Final = 220
_NAMED: Final = 4
"""Incidents of one section of a digest that have a line of their own."""
_PLAIN: Final = (
    ("->", "\N{RIGHTWARDS ARROW}"),
    ("://", ": "),
    ("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"),
    (">", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"),
    ("&", "+"),
    ("@", " at "),
    ("[", "("),
    ("]", ")"),
    ("`", "'"),
    ("\\", "/"),
)


_LINK: Final = re.compile(r"^https?://[A-Za-z0-9._~%?=&#:+/-]{1,150}$")


class Said(NamedTuple):
    """A message in words."""

    title: str
    text: str


class Digest(NamedTuple):
    """What a digest tells, worst first."""

    held: Sequence[Incident]
    new: Sequence[Incident]
    ended: Sequence[Incident]
    going_on: Sequence[Incident]
    unsure: Sequence[str]


def plain(text: object) -> str:
    """One line that no chat reads as a link, a mention or markup."""
    line = one_line(text)
    for mark, instead in _PLAIN:
        line = line.replace(mark, instead)
    return " ".join(line.split())


def with_links(text: str, links: Iterable[str]) -> str:
    """The same, but for links that the team declared itself."""
    link = next((one for one in links if _LINK.match(one) and one in text), None)
    if link is None:
        return plain(text)
    before, _, rest = text.partition(link)
    return " ".join(part for part in (plain(before), link, plain(rest)) if part)


def of_news(
    system: str,
    group: str,
    news: Sequence[Incident],
    worse: frozenset[int],
    ended: Sequence[Incident],
    links: Sequence[str] = (),
) -> Said:
    """Incidents that began or got worse; `links` may stand in them as they are."""
    lines = [_told(i, "got worse" if i.number in worse else "") for i in news]
    return _said(_title(system, group, news), lines, [*_first(news[0], links), *_over(ended)], _see(news))


def of_repeat(system: str, group: str, pages: Sequence[Incident], now: datetime, links: Sequence[str] = ()) -> Said:
    """Pages that nobody has acknowledged; `links` may stand in them as they are."""
    lines = [_told(i, f"for {span_of(now - i.since)}, nobody has acknowledged it") for i in pages]
    return _said(f"{_title(system, group, pages)} (still open)", lines, _first(pages[0], links), _ack(pages))


def of_end(system: str, group: str, ended: Sequence[Incident]) -> Said:
    """Incidents that are over."""
    what = plain(ended[0].title) if len(ended) == 1 else f"{len(ended)} incidents of {plain(group)}"
    return _said(f"({plain(system)}) over: {_name(ended[0])}: {what}", _over(ended), [], _see(ended))


def of_budget(system: str, budget: MessageBudget, held: int) -> Said:
    """That no more messages come for a while."""
    much = f"{plural(budget.at_most, 'message')} in {duration_text(budget.per)}"
    text = f"The budget of {much} is used up. {held} more: see syscard incident list. They are in the next digest."
    return _said(f"({plain(system)}) message budget used up, {held} more", [text], [], "")


def of_digest(system: str, digest: Digest) -> Said:
    """What no message told."""
    lines = [
        *_section("held back by the message budget", digest.held),
        *_section("new since the last digest", digest.new),
        *_section("over", digest.ended),
        *_section("still open", digest.going_on),
    ]
    if digest.unsure:
        lines.append(f"unknown or stale: {plain(', '.join(digest.unsure))}")
    return _said(f"({plain(system)}) digest: {_digested(digest)}", lines, [], "see: syscard incident list")


def _digested(digest: Digest) -> str:
    """What a digest is of, in a few words."""
    if count := len(digest.held) + len(digest.new):
        return f"{plural(count, 'incident')} not told before"
    if digest.ended:
        return f"{plural(len(digest.ended), 'incident')} over"
    return f"{plural(len(digest.unsure), 'claim')} unknown or stale"


def of_outage(system: str, what: str) -> Said:
    """Nobody looks, or there is nothing to look at."""
    text = f"{plain(what)}. What the card says may be out of date, and no incident would open."
    return _said(f"({plain(system)}) NOT WATCHED: {plain(what)}", [text], [], "see: syscard status")


def of_return(system: str, what: str, lasted: timedelta) -> Said:
    """It is watched again."""
    text = f"{plain(what)}, after {span_of(lasted)}."
    return _said(f"({plain(system)}) watched again", [text], [], "see: syscard status")


def ranges(numbers: Iterable[int]) -> str:
    """`INC-3 to INC-7, INC-9`: however many there are, they take little room."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(_run(first, last) for first, last in runs)


def _run(first: int, last: int) -> str:
    if last - first < 2:
        return ", ".join(f"INC-{number}" for number in range(first, last + 1))
    return f"INC-{first} to INC-{last}"


def _said(title: str, lines: Sequence[str], more: Sequence[str], see: str) -> Said:
    """Within `LONGEST`, whatever there is to say: whole lines, and how many there was no room for."""
    short = clip(title, _TITLE)
    room = LONGEST - len(short) - len(see) - 40
    kept: list[str] = []
    for line in (*lines, *more):
        cut = clip(line, _LINE)
        if len(cut) + 1 <= room:
            kept.append(cut)
            room -= len(cut) + 1
    left = len(lines) + len(more) - len(kept)
    rest = [f"and {plural(left, 'line')} more"] if left else []
    return Said(short, "\n".join(line for line in (*kept, *rest, see) if line))


def _title(system: str, group: str, incidents: Sequence[Incident]) -> str:
    severity = plain(incidents[0].severity).upper()
    if len(incidents) == 1:
        return f"({plain(system)}) {severity} {_name(incidents[0])}: {plain(incidents[0].title)}"
    return f"({plain(system)}) {severity}: {len(incidents)} incidents of {plain(group)}"


def _name(incident: Incident) -> str:
    return f"INC-{incident.number}"


def _told(incident: Incident, how: str) -> str:
    since = f"since {incident.since:%Y-%m-%d %H:%M} UTC"
    head = f"{_name(incident)} {plain(incident.severity)}, {plain(incident.subject)}: {plain(incident.title)}; {since}"
    return f"{head}; {how}" if how else head


def _first(incident: Incident, links: Sequence[str]) -> list[str]:
    """The note's first sentences on the worst of them, and what to do first."""
    do_first = [f"Do first: {with_links(incident.do_first, links)}"] if incident.do_first else []
    return [*(plain(sentence) for sentence in incident.note[:2]), *do_first]


def _over(ended: Sequence[Incident]) -> list[str]:
    return [f"over: {_name(i)} {plain(i.title)} ({_how(i)})" for i in ended]


def _how(incident: Incident) -> str:
    return plain((incident.resolution or incident.state).replace("_", " "))


def _section(title: str, incidents: Sequence[Incident]) -> Iterator[str]:
    if not incidents:
        return
    yield f"{title} ({len(incidents)}): {ranges(i.number for i in incidents)}"
    yield from (f"- {_name(i)} {plain(i.severity)}, {plain(i.state)}: {plain(i.title)}" for i in incidents[:_NAMED])


def _see(incidents: Sequence[Incident]) -> str:
    return f"see: syscard incident show {_name(incidents[0])}" if incidents else ""


def _ack(incidents: Sequence[Incident]) -> str:
    return f"syscard incident ack {_name(incidents[0])}"
