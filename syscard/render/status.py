"""`syscard status`: what is broken, since when, whose it is and what to do, in 80 columns. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from syscard.faces import ClaimRow, Overview, PartRow, since_text
from syscard.incident_faces import IncidentFace
from syscard.render.paint import Line, Tone, printed, tone_of
from syscard.samples import together
from syscard.words import cells, clip, clock, figure, one_line, pad, plural, share, span_of, wrap

_LABEL: Final = "     {:<8}"
_MAIN_SIGNALS: Final = 2
_STATE_WIDTH: Final = 9
_FIGURES: Final = ("REQ/MIN", "ERR", "P95")


def status_text(overview: Overview, now: datetime, *, width: int = 80, colour: bool = False) -> str:
    """The first screen as text, no line wider than `width` columns.

    Args:
        overview: what to say.
        now: the time that ages are counted from.
        width: columns of the terminal.
        colour: with ANSI colours; the text says everything without them.
    """
    blocks = [head_lines(overview, now, width), now_lines(overview, now, width), _parts(overview, now, width)]
    blocks += [_claims(overview, now, width), closing_lines(overview, now, width)]
    lines: list[Line] = []
    for block in blocks:
        found = list(block)
        lines += [Line("")] if lines and found else []
        lines += found
    return printed(lines, colour=colour)


def headline(overview: Overview, now: datetime) -> tuple[str, str, str]:
    """System, verdict with its time, card version with the time of the data."""
    who = f"{overview.system} {overview.system_version}"
    since = f" since {since_text(overview.since, now)}" if overview.since else ""
    was = "" if overview.measured else "last known: "
    verdict = f"{was}{overview.verdict}{since}" if overview.verdict != "UNKNOWN" else "UNKNOWN"
    return who, verdict, f"card v{overview.card_version}  at {clock(overview.as_of, now)} UTC"


def head_lines(overview: Overview, now: datetime, width: int) -> Iterator[Line]:
    """The headline and the watcher's line; a watcher that is silent comes first."""
    watcher = [Line(text, _watcher_tone(overview)) for text in wrap(overview.watcher, width, rest="  ")]
    yield from () if overview.measured else watcher
    who, verdict, when = headline(overview, now)
    yield from _headlines(who, verdict, when, width, tone_of(overview.verdict))
    yield from watcher if overview.measured else ()
    for text in overview.tracing:
        yield from (Line(line, "unsure", 0, 7) for line in wrap(f"tracing: {text}", width, rest="  ", most=2))


def _watcher_tone(overview: Overview) -> Tone:
    return "plain" if overview.watcher_state == "alive" else "bad"


def _headlines(who: str, verdict: str, when: str, width: int, tone: Tone) -> Iterator[Line]:
    """One line if it fits, else the name on a line of its own."""
    for gap in ("   ", "  "):
        start = len(who + gap)
        if cells(text := gap.join((who, verdict, when))) <= width:
            yield Line(text, tone, start, start + len(verdict))
            return
    yield from (Line(text, "strong") for text in wrap(who, width, most=1))
    rest = wrap(f"{verdict}   {when}", width)
    yield Line(rest[0], tone, 0, min(len(verdict), len(rest[0])))
    yield from map(Line, rest[1:])


def now_lines(overview: Overview, now: datetime, width: int) -> Iterator[Line]:
    """The worst open incident, or why there is none to show."""
    if not overview.incidents:
        text, tone = quiet_text(overview)
        return (Line(line, tone, 0, 3) for line in wrap(text, width, first="NOW  "))
    return _incident(overview.incidents[0], now, width)


def quiet_text(overview: Overview) -> tuple[str, Tone]:
    """What NOW says without an incident: never peace without proof that somebody looked."""
    if overview.verdict == "OK":
        unwatched = sum(1 for part in overview.parts if part.state == "unknown")  # a declared one would be a doubt
        but = f"; {plural(unwatched, 'part')} unwatched" if unwatched else ""
        return f"nothing is broken: {_all_claims(overview)} hold over {overview.traffic}{but}", "good"
    return f"no incident is open, which is not the same as OK: {', '.join(overview.doubts)}", "unsure"


def _all_claims(overview: Overview) -> str:
    return "the 1 claim" if len(overview.claims) == 1 else f"all {len(overview.claims)} claims"


def _incident(incident: IncidentFace, now: datetime, width: int) -> Iterator[Line]:
    acked = who_has_it(incident)
    room = width - cells(acked) - 2
    title = pad(f"NOW  {incident.name}  {incident.severity}  {incident.subject}: {incident.title}", room)
    yield Line(f"{title}  {acked}", "bad", 0, 5 + len(incident.name))
    for label, text, most in facts(incident, now):
        yield from labelled(label, text, width, most)


def labelled(label: str, text: str, width: int, most: int) -> Iterator[Line]:
    """A fact beside its label, with a hanging indent."""
    yield from map(Line, wrap(text, width, first=_LABEL.format(label), most=most))


def who_has_it(incident: IncidentFace) -> str:
    """`UNACKED`, or who has it: shown first, so that nobody assumes somebody else."""
    if incident.acknowledged_by:
        return f"{incident.state.upper()} by {clip(incident.acknowledged_by, 24)}"
    return "UNACKED" if incident.is_open else incident.state.upper()


def facts(incident: IncidentFace, now: datetime) -> list[tuple[str, str, int]]:
    """The labelled lines of an incident: label, text, most lines."""
    what = list(incident.what[:_MAIN_SIGNALS])
    more = len(incident.what) - len(what)
    rows = [("since", since_text(incident.since, now), 1)]
    rows += [("what" if n == 0 else "", text, 2) for n, text in enumerate(what)]
    rows += [("", f"+{plural(more, 'more signal')}", 1)] if more else []
    rows += [("before" if n == 0 else "", text, 2) for n, text in enumerate(incident.before)]
    rows += [("cause", incident.cause, 2), ("owner", incident.owner or "nobody", 1), ("do", do_text(incident), 2)]
    return [*rows, ("next", next_command(incident), 1)]


def do_text(incident: IncidentFace) -> str:
    """What to do first, and where it is written."""
    said = incident.do_first or "look at the example traces"
    return f"{said}: {incident.runbook}" if incident.runbook and incident.runbook not in said else said


def next_command(incident: IncidentFace) -> str:
    """What to type next."""
    return f"syscard incident {'show' if incident.acknowledged_by else 'ack'} {incident.name}"


def _parts(overview: Overview, now: datetime, width: int) -> Iterator[Line]:
    if not overview.parts:
        return
    name = min(24, max(4, *(cells(p.ref) for p in overview.parts)))
    seen = width >= name + 43 and any(part.per_minute is not None for part in overview.parts)
    head = f"  {pad('PART', name)} {pad('STATE', _STATE_WIDTH)}{_figures('SINCE', *_FIGURES if seen else ())}  WHY"
    yield Line(clip(head, width), "quiet")
    for part in overview.parts:
        figures = part_figures(part) if seen else ()
        state = f"{part.mark} {pad(part.ref, name)} {pad(part.word, _STATE_WIDTH)}"
        line = f"{state}{_figures(part_since(part, now), *figures)}  {part.why}".rstrip()
        yield Line(clip(line, width), "plain" if part.word == "ok" else tone_of(part.word), 0, len(state))
    if seen and (legend := sample_legend(overview.parts)):
        yield from (Line(text, "unsure") for text in wrap(legend, width, rest="  ", most=2))
    for said in overview.encoders:
        yield from (Line(text, "quiet") for text in wrap(said, width, first="  ", rest="    ", most=2))


def _figures(since: str, *others: str) -> str:
    return "".join(pad(text, size, right=True) for text, size in zip((since, *others), (7, 9, 6, 8), strict=False))


def part_figures(part: PartRow) -> tuple[str, str, str]:
    """Requests a minute (few are not none), share of errors and p95, or dashes; `*` behind those of a sample."""
    few = part.per_minute is not None and 0 < part.per_minute < 1
    rate = "-" if part.per_minute is None else "<1" if few else f"{part.per_minute:,.0f}"
    figures = (rate, share(part.error_share), figure(part.p95_ms, "ms"))
    marked = (f"{text}*" if part.sample and text != "-" else text for text in figures)
    return next(marked), next(marked), next(marked)


def sample_legend(parts: Iterable[PartRow]) -> str:
    """`* sampled 1 in 10 at random`: what the mark of the figures of some parts means; empty where none has it."""
    marks = together({part.ref: part.sample for part in parts})
    return f"* {marks}" if marks else ""


def part_since(part: PartRow, now: datetime) -> str:
    """`14:02` for what changed today, else how long: a table has no room for both."""
    today = part.since.date() == now.date()
    return clock(part.since, now) if today and part.state != "ok" else span_of(now - part.since)


def _claims(overview: Overview, now: datetime, width: int) -> Iterator[Line]:
    counts, hint = "  ".join(claim_counts(overview)), "syscard card why CLAIM"
    gap = width - cells(counts) - len("CLAIMS  ") - len(hint)
    text = counts + (" " * gap + hint if gap > 1 else "")
    yield from (Line(line, "strong", 0, 6) for line in wrap(text, width, first="CLAIMS  "))
    troubled = in_order(c for c in overview.claims if c.status != "holds")
    name = min(24, max((cells(c.id) for c in troubled), default=0))
    for claim in troubled:
        first = f"{claim.mark} {pad(claim.id, name)}  "
        said = claim_line(claim, now)
        if cells(first) + cells(said) > width:
            said = one_line(said)  # narrow gaps before a second line
        for n, text in enumerate(wrap(said, width, first=first, most=2)):
            yield Line(text, tone_of(claim.word) if n == 0 else "plain", 0, len(first))


def claim_counts(overview: Overview) -> list[str]:
    """How many hold, are broken, unknown and stale, and rest on a sample; `held` where the watcher is silent."""
    holds = "hold" if overview.measured else "held when last looked at"
    counts = [f"{overview.count(status)} {word}" for status, word in
              (("holds", holds), ("broken", "broken"), ("unknown", "unknown"), ("stale", "stale"))]  # fmt: skip
    sampled = sum(1 for claim in overview.claims if claim.sample)
    return [*counts, f"{sampled} on sampled traces"] if sampled else counts


def in_order(claims: Iterable[ClaimRow]) -> list[ClaimRow]:
    """Broken claims first, then stale, unknown, and those that hold."""
    rank = ("broken", "stale", "unknown", "holds")
    return sorted(claims, key=lambda c: rank.index(c.status))


def claim_line(claim: ClaimRow, now: datetime) -> str:
    """Figures, promise, and for what broke, since when; with the evidence behind them."""
    since = f"  since {clock(claim.since, now)}" if claim.status == "broken" else ""
    beside = "".join(f"  {text}" for text in (claim.evidence, claim.waived) if text)
    return f"{claim.text}{since}{beside}"


def closing_lines(overview: Overview, now: datetime, width: int) -> Iterator[Line]:
    """Other open incidents, open questions, observed risks, and the gate."""
    others = [
        f"{i.name} {i.severity} since {clock(i.since, now)}: {i.subject}: {i.title}; {who_has_it(i)}"
        for i in overview.incidents[1:]
    ]
    for n, text in enumerate((*others, *overview.also)):
        yield from map(Line, wrap(one_line(text), width, first="ALSO    " if n == 0 else " " * 8, most=2))
    tone: Tone = "bad" if overview.gate_blocked else "plain"
    lines = wrap(overview.gate, width, first="GATE    ", most=4)
    yield from (Line(text, tone if n == 0 else "plain", 0, 4) for n, text in enumerate(lines))
