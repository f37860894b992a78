"""What a leader reads, in order, as values: page, Markdown and PDF draw the same sections. Standard library only.

The order: verdict with its rule, the trend and the promises behind it, what changed, open incidents, risks and
unknowns, waivers, what groups get, what is missing, components and interactions with versions, regulations, sign-offs,
cost; then the annex. A figure stands beside its evidence (`E-7`), or beside the word `declared`, or under a caption
that says `live`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from syscard.faces import VERDICT_RULE, Overview, overview
from syscard.health import tracing_trouble
from syscard.incident_states import OPEN_STATES
from syscard.render.page import Occasion
from syscard.render.page import Report as Report
from syscard.render.page import Section as Section
from syscard.render.page import Table as Table  # rooms that draw pages of their own take them from here
from syscard.render.sections import claims, governance, incidents, parts, risks
from syscard.slices import claim_status
from syscard.views import View
from syscard.words import moment, one_line, plural, stamp

_VERDICTS_SHOWN: Final = 6


def report(
    view: View, previous: dict[str, Any] | None = None, now: datetime | None = None, occasion: Occasion | None = None
) -> Report:
    """The report of a view.

    Args:
        view: the card version with its live values.
        previous: JSON of an earlier card, for what changed.
        now: the time by which the watcher's age is told; when the view was written, by default.
        occasion: why and of what time it is written down.
    """
    now = _when(view, now)
    face = overview(view, now)
    sections = (
        claims.claims(view),
        _changed(view, previous),
        incidents.open_incidents(view, face, now),
        risks.risks(view),
        governance.waivers(view, now),
        claims.groups(view),
        parts.missing(view, face, now),
        parts.parts(view, face),
        governance.crosswalk(view, now),
        governance.sign_offs(view),
        governance.cost(occasion),
        parts.declared(view),
        claims.evidence(view),
        incidents.closed_incidents(view),
        parts.tracing(view),
        _verify(view, occasion),
    )
    title = f"System card: {face.name} {face.system_version}"
    verdict = verdict_of(face, occasion)
    return Report(title, verdict, _summary(face, verdict, occasion), tuple(_facts(view, face, previous, occasion, now)),
                  sections)  # fmt: skip


def _when(view: View, now: datetime | None) -> datetime:
    return now or moment(view["written"]) or datetime.fromisoformat(view["card"]["observed"])


def verdict_at(view: View, now: datetime | None = None, occasion: Occasion | None = None) -> str:
    """The one word at the top of a view, as `report` has it."""
    return verdict_of(overview(view, _when(view, now)), occasion)


def verdict_of(face: Overview, occasion: Occasion | None = None) -> str:
    """The one word at the top: of a period in which nothing came, nothing was shown to hold."""
    return "UNKNOWN" if face.verdict == "OK" and occasion is not None and occasion.idle else face.verdict


def _summary(face: Overview, verdict: str, occasion: Occasion | None) -> str:
    """The verdict in one sentence, which never takes silence for peace."""
    idle = occasion is not None and occasion.idle
    hold = "hold" if face.measured and not idle else "held when last looked at"
    words = {"holds": hold, "broken": "broken", "unknown": "unknown", "stale": "stale"}
    counts = ", ".join(f"{face.count(status)} {word}" for status, word in words.items())
    since = f" since {stamp(face.since)}" if face.since else ""
    came = occasion is not None and occasion.seen is not None and not idle
    unseen = "The monitors have looked at no traffic" if came else "No traffic was measured in this period"
    seen = "" if face.requests and not idle else f" {unseen}, so nothing here is shown to hold."
    sampled = sum(1 for claim in face.claims if claim.sample)
    counts += f" ({sampled} on sampled traces)" if sampled else ""
    return f"{verdict}{since}. Claims: {counts}. {plural(len(face.incidents), 'incident')} open.{seen}"


def _facts(
    view: View, face: Overview, previous: dict[str, Any] | None, occasion: Occasion | None, now: datetime
) -> Iterator[tuple[str, str]]:
    card = view["card"]
    yield "How this word is decided", VERDICT_RULE
    if occasion is not None:
        yield from _of_occasion(view, face, previous, occasion, now)
    yield "Gate", face.gate
    yield "Watcher", face.watcher
    yield "Traffic (live)", face.traffic
    yield from (("Tracing (live)", text) for text in tracing_trouble(view["live"] or {}))
    yield "As of", stamp(face.as_of)
    yield "Card", f"{one_line(card['system'])} v{card['version']}, {plural(view['edits'], 'edit')} in the chain"
    yield "Digest of the card", view["digest"]
    yield "Head of the chain", view["head"]
    yield "Card written", stamp(moment(view["written"]))


def _of_occasion(
    view: View, face: Overview, previous: dict[str, Any] | None, occasion: Occasion, now: datetime
) -> Iterator[tuple[str, str]]:
    if occasion.number:
        yield "Snapshot", f"{occasion.number}, taken {stamp(now)}, {one_line(occasion.reason)}"
    if occasion.start and occasion.end:
        yield "Period", f"{stamp(occasion.start)} to {stamp(occasion.end)}: {_traffic_of(occasion)}"
    yield "Trend since the last snapshot", _trend(view, face, previous, occasion)


def _traffic_of(occasion: Occasion) -> str:
    if occasion.seen is None:
        return f"how many requests came is unknown ({one_line(occasion.why_not_seen) or 'nobody counted'})"
    came = plural(occasion.seen.requests, "request")
    return f"{came}, counted in the spans" if occasion.seen.requests else "NO REQUEST CAME"


def _trend(view: View, face: Overview, previous: dict[str, Any] | None, occasion: Occasion) -> str:
    """`BROKEN, was OK on 2026-11-15; incidents open 2, were 0; ...`, and the verdicts of the last ones."""
    if not occasion.earlier or previous is None:
        return "this is the first snapshot: there is nothing to compare with"
    last, now = occasion.earlier[-1], verdict_of(face, occasion)
    before = "unchanged" if last["verdict"] == now else f"was {one_line(last['verdict'])}"
    counts = [f"{what} {new}, {'was' if what == 'version' else 'were'} {old}" for what, new, old in (
        ("incidents open", _open(view["card"]), _open(previous)),
        *((f"claims {word}", _claims(view["card"], status), _claims(previous, status))
          for status, word in (("holds", "that hold"), ("broken", "broken"))),
    )]  # fmt: skip
    row = " -> ".join([*(one_line(s["verdict"]) for s in occasion.earlier[-_VERDICTS_SHOWN + 1 :]), now])
    word = "since" if last["verdict"] == now else "on"
    since = f"{word} {stamp(moment(last['at']))} (snapshot {last['number']})"
    return f"{now}, {before} {since}; {'; '.join(counts)}. Verdicts, oldest first: {row}"


def _open(card: dict[str, Any]) -> int:
    return sum(incident["state"] in OPEN_STATES for incident in card["incidents"].values())


def _claims(card: dict[str, Any], status: str) -> int:
    return sum(claim_status(claim) == status for claim in card["claims"].values())


def _changed(view: View, previous: dict[str, Any] | None) -> Section:
    if previous is None:
        return Section("changed", "What changed", says=("No earlier card was given to compare with.",))
    from syscard.diff_standing import whole_diff  # brings pydantic

    title = f"What changed since v{previous['version']}"
    items = tuple(f"{one_line(c.text)} ({c.ref})" for c in whole_diff(previous, view["card"]))
    return Section("changed", title, says=() if items else ("No material change.",), items=items)


def _verify(view: View, occasion: Occasion | None) -> Section:
    card = view["card"]
    signed = (
        f"syscard card verify v{card['version']}.dsse.json: checks the signature, the four files beside it, the card's "
        f"digest and the snapshots before; it needs no home and no network. It was signed with {occasion.signed_by}. "
        "Who forges one prints his own key here: add --key with the fingerprint that you were given by another way.",
    ) if occasion is not None and occasion.signed_by else ()  # fmt: skip
    return Section("verify", "How to verify", annex=True, says=(
        *signed,
        f"syscard card verify: recomputes the chain of {plural(view['edits'], 'edit')} and must end in the head "
        f"{view['head'][:12]}.",
        f"syscard card show --version v{card['version']}: must give the digest {view['digest'][:12]}.",
        "A digest shows that nothing changed since it was written down elsewhere; it does not show who wrote it. A "
        "signature shows that whoever holds the key wrote it: where the key lies beside the records, that is whoever "
        "can write there.",
    ))  # fmt: skip
