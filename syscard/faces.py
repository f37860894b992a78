"""What the faces say, derived once from a view, so that the terminal, the page and the status line never disagree.

Pure functions over the JSON of a view; standard library only, so that `syscard status` starts at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from syscard.embedded import encoders_text
from syscard.health import QUIET_AFTER as QUIET_AFTER
from syscard.health import WatcherState, doubts_of_watching, quiet_for, tracing_trouble, watcher_state
from syscard.health import traffic_line as traffic_line
from syscard.health import watcher_line as watcher_line
from syscard.incident_faces import IncidentFace, evidence_ids, incident_faces
from syscard.incident_states import HELD_STATES
from syscard.samples import sample_mark
from syscard.signing import gate_reasons, waived, waiver_rows
from syscard.slices import claim_status, telling_slice
from syscard.slices import slice_text as slice_text  # faces are asked for it
from syscard.views import View
from syscard.words import clock, moment, one_line, plural, span_of, stamp

MARKS: Final = {"broken": "!", "inherited": "~", "ok": " ", "holds": " ", "unknown": "?", "stale": "?"}


@dataclass(frozen=True)
class PartRow:
    """One component or edge."""

    ref: str
    kind: str
    """`component` or `edge`."""
    state: str
    since: datetime
    per_minute: float | None
    error_share: float | None
    p95_ms: float | None
    why: str
    declared: bool
    history: tuple[float | None, ...]
    """The part's most telling signal, oldest first."""
    fresh: bool = True
    """False where the watcher is silent: then `ok` is only what it was when last looked at."""
    sample: str = ""
    """How the requests behind its rates were sampled, in words; empty where none says so."""

    @property
    def mark(self) -> str:
        """One character that says the state without colour."""
        return "?" if self.word in ("was ok", "idle") else MARKS[self.state]

    @property
    def word(self) -> str:
        """The state as a face says it: `ok` stays small and is said only of what was looked at and took requests."""
        if self.state != "ok":
            return self.state.upper()
        if not self.fresh:
            return "was ok"
        return "idle" if self.idle else "ok"

    @property
    def idle(self) -> bool:
        """Whether not one request went through it: what nobody used was not seen to work."""
        return self.per_minute == 0


@dataclass(frozen=True)
class ClaimRow:
    """One claim."""

    id: str
    says: str
    about: str
    status: str
    since: datetime
    text: str
    """`0.30 [0.27, 0.33]  promised >= 0.85  n 1,204`, or why it is unknown."""
    evidence: str | None
    slices: tuple[str, ...]
    sample: str = ""
    """How the requests behind its figures were sampled, in words; empty where none says so."""
    fresh: bool = True
    """False where the watcher is silent: then `holds` is only what it was when last looked at."""
    waived: str = ""
    """`waived until 2026-12-31 (W-1)`: beside the status, which stays what it is; empty where no waiver holds."""

    @property
    def mark(self) -> str:
        """One character that says the status without colour."""
        return "?" if self.word == "held" else MARKS[self.status]

    @property
    def word(self) -> str:
        """The status as a face says it: `holds` stays small, everything else is loud."""
        if self.status == "holds":
            return "holds" if self.fresh else "held"
        return self.status.upper()


@dataclass(frozen=True)
class Overview:
    """The first screen, whatever draws it."""

    system: str
    name: str
    system_version: str
    card_version: int
    as_of: datetime
    verdict: str
    """`BROKEN`, `INCIDENT`, `UNKNOWN` or `OK`."""
    since: datetime | None
    watcher_alive: bool
    """It ran lately and without errors."""
    watcher: str
    incidents: tuple[IncidentFace, ...]
    """Open ones, worst first."""
    parts: tuple[PartRow, ...]
    claims: tuple[ClaimRow, ...]
    also: tuple[str, ...]
    gate_blocked: bool
    gate: str
    watcher_state: WatcherState = "alive"
    requests: int = 0
    """Requests in closed windows since the beginning."""
    traffic: str = ""
    """How much was seen, or that nothing was: an empty period is not a quiet one."""
    quiet: bool = False
    """No span for `QUIET_AFTER`, though there were some before."""
    doubts: tuple[str, ...] = ()
    """Why this is not OK although nothing is known to be broken: `no span for 9 h`, `2 parts unknown`."""

    tracing: tuple[str, ...] = ()
    """What is wrong with the spans themselves, in words."""

    encoders: tuple[str, ...] = ()
    """What makes vectors of texts, by component, in words."""

    @property
    def measured(self) -> bool:
        """Whether what stands here can be taken as of now."""
        return self.watcher_state in ("alive", "errors")

    def count(self, status: str) -> int:
        """How many claims have a status."""
        return sum(1 for claim in self.claims if claim.status == status)


def overview(view: View, now: datetime) -> Overview:
    """Everything on the first screen, as of the newest data, with the watcher's age by `now`."""
    card, live = view["card"], view["live"] or {}
    as_of = moment(live.get("as_of")) or moment(card["observed"]) or now
    watcher = live.get("watcher", {})
    state = watcher_state(watcher, now)
    fresh = state in ("alive", "errors")
    waiting = tuple(i for i in incident_faces(view) if i.is_open)
    claims = tuple(claim_row(view, ref, fresh=fresh, at=now) for ref in card["claims"])
    parts = tuple(_part_rows(card, live, fresh))
    doubts = (*doubts_of_watching(card, watcher, now), *_doubts(card, claims))
    verdict, since = _verdict(waiting, claims, parts, sure=not doubts)
    identity = card["identity"]
    reasons = gate_reasons(view, now)
    return Overview(
        system=one_line(card["system"]),
        name=one_line(identity.get("name", card["system"])),
        system_version=one_line(identity.get("version", "?")),
        card_version=card["version"],
        as_of=as_of,
        verdict=verdict,
        since=since,
        watcher_alive=state == "alive",
        watcher=watcher_line(watcher, now)[1],
        incidents=waiting,
        parts=parts,
        claims=claims,
        also=(*_also(card, as_of), *_waivers(view, now)),
        gate_blocked=bool(reasons),
        gate=_gate_line(view["gate"], reasons, fresh),
        watcher_state=state,
        requests=watcher.get("requests", 0),
        traffic=traffic_line(watcher),
        quiet=quiet_for(watcher, now) is not None,
        doubts=doubts,
        tracing=tracing_trouble(live),
        encoders=encoders_text(view),
    )


def _verdict(
    incidents: tuple[IncidentFace, ...], claims: tuple[ClaimRow, ...], parts: tuple[PartRow, ...], *, sure: bool
) -> tuple[str, datetime | None]:
    """The worst that stands; OK only without a doubt."""
    broken = [c.since for c in claims if c.status == "broken"]
    begun = [*(i.since for i in incidents), *(p.since for p in parts if p.state == "broken")]
    if broken:
        return "BROKEN", min([*broken, *begun])
    if begun:
        return "INCIDENT", min(begun)
    return ("OK", None) if sure else ("UNKNOWN", None)


def _doubts(card: dict[str, Any], claims: tuple[ClaimRow, ...]) -> Iterator[str]:
    """What on the card itself is not known to be well."""
    if not claims:
        yield "no claim is declared"
    parts = [*card["components"].values(), *card["interactions"].values()]
    unknown = sum(1 for part in parts if part["declared"] is not None and part["state"] == "unknown")
    if unknown:
        yield f"{plural(unknown, 'part')} unknown"
    for status in ("broken", "stale", "unknown"):
        if count := sum(1 for claim in claims if claim.status == status):
            yield f"{plural(count, 'claim')} {status}"


VERDICT_RULE: Final = (
    "BROKEN: a claim is broken. INCIDENT: no claim is broken, but an incident is open or a part is broken. "
    "UNKNOWN: neither, but a claim is unknown or stale, a declared part is unknown, no monitor gave a verdict, "
    "no span came for 15 min, or the watcher is silent, has errors or saw no traffic. "
    "OK: every claim holds, every declared part is watched, nothing is open, and the watcher ran and saw traffic."
)
"""How the one word at the top is decided; printed beside it where leaders read it."""


def _part_rows(card: dict[str, Any], live: dict[str, Any], fresh: bool) -> list[PartRow]:
    return [
        *(_part(raw, "component", live, fresh) for raw in card["components"].values()),
        *(_part(raw, "edge", live, fresh) for raw in card["interactions"].values()),
    ]


def _part(raw: dict[str, Any], kind: str, live: dict[str, Any], fresh: bool) -> PartRow:
    now = live.get("parts", {}).get(raw["ref"], {})
    signals = [s for s in live.get("signals", {}).values() if s["about"] == raw["ref"]]
    return PartRow(
        ref=one_line(raw["ref"]),
        kind=kind,
        state=raw["state"],
        since=datetime.fromisoformat(raw["since"]),
        per_minute=now.get("per_minute"),
        error_share=now.get("error_share"),
        p95_ms=now.get("p95_ms"),
        why=one_line(raw["why"]) or _why_not(raw, now),
        declared=raw["declared"] is not None,
        history=tuple(_most_telling(signals)),
        fresh=fresh,
        sample=sample_mark(now.get("sampled")),
    )


def _why_not(raw: dict[str, Any], now: dict[str, Any]) -> str:
    """What to say of a part whose state needs no reason, but which nobody declared or used."""
    if not raw["declared"]:
        return "nobody declared it"
    return "no request in the newest window" if raw["state"] == "ok" and now.get("per_minute") == 0 else ""


def _most_telling(signals: list[dict[str, Any]]) -> list[float | None]:
    """History of the signal in the worst state; the largest change breaks ties."""
    ordered = by_interest(signals)
    return ordered[0]["history"] if ordered else []


def by_interest(signals: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Live signals, those that say most first: worst state, then largest change for its tolerance."""
    worst = {"breach": 0, "warn": 1, "ok": 2, "error": 3, "unknown": 4}
    return sorted(signals, key=lambda s: (worst[s["state"]], -_weight(s), s["key"]))


def _weight(signal: dict[str, Any]) -> float:
    """Effects of different kinds compare only as multiples of what is tolerated of each."""
    return abs(float(signal["effect"] or 0.0)) / float(signal["tolerance"] or 1.0)


def claim_row(view: View, ref: str, *, fresh: bool = True, at: datetime | None = None) -> ClaimRow:
    """One claim with its figures, or why there are none; waivers as of a moment, or of when the view was written."""
    raw = view["card"]["claims"][ref]
    telling = telling_slice(raw)
    declared = raw["declared"]
    ids = evidence_ids(view["card"], [telling["evidence"]] if telling["evidence"] else [])
    where = "" if telling is raw["slices"][0] else f"{one_line(telling['slice'])}: "
    return ClaimRow(
        id=one_line(ref),
        says=one_line(declared.get("says", "")),
        about=one_line(declared.get("about", "system")),
        status=claim_status(raw),
        since=datetime.fromisoformat(raw["since"]),
        text=where + slice_text(telling, declared),
        evidence=ids[0] if ids else None,
        slices=tuple(f"{one_line(s['slice'])}: {s['status']}, {slice_text(s, declared)}" for s in raw["slices"][1:]),
        sample=sample_mark(telling.get("sampled")),
        fresh=fresh,
        waived=waived(view, ref, at),
    )


def _also(card: dict[str, Any], as_of: datetime) -> list[str]:
    today = as_of.astimezone(UTC).date().isoformat()
    return [*_held_back(card), *_open_questions(card, today), *_risks_to_know(card, today), *_review_due(card, today)]


def _waivers(view: View, now: datetime) -> Iterable[str]:
    """Rules that a gate does not count for a time."""
    for row in waiver_rows(view, now):
        if row.state == "holds":
            scope = f" for {', '.join(row.scope)}" if row.scope else ""
            yield f"{row.id} waives {row.rule}{scope} until {row.expires[:10]}, granted by {row.approver}"


def _held_back(card: dict[str, Any]) -> Iterable[str]:
    """Incidents that call nobody for now: quiet must not look like peace."""
    for raw in card["incidents"].values():
        if raw["state"] in HELD_STATES:
            by = f"by {raw['silence']}" if raw.get("silence") else f"until {stamp(moment(raw.get('accepted_until')))}"
            what = f"{raw['state'].replace('_', ' ')} {by}: {one_line(raw['subject'])}: {one_line(raw['title'])}"
            yield f"INC-{raw['number']} {raw['severity']}, {what}"


def _open_questions(card: dict[str, Any], today: str) -> Iterable[str]:
    for ref, unknown in card["unknowns"].items():
        due = str(unknown.get("answer_by", "?"))
        when = f"OVERDUE since {due}" if due < today else f"answer due {due}"
        yield f"{one_line(ref)} open question, {one_line(when)}: {one_line(unknown.get('says', ''))}"


def _risks_to_know(card: dict[str, Any], today: str) -> Iterable[str]:
    for ref, risk in card["risks"].items():
        declared = risk["declared"]
        says = one_line(declared.get("says", ""))
        if risk["observed_in"]:
            yield f"{one_line(ref)} risk observed in INC-{risk['observed_in'][-1]}: {says}"
        elif str(declared.get("until") or today) < today:
            yield f"{one_line(ref)} risk was accepted until {one_line(declared['until'])}, which is over: {says}"


def _review_due(card: dict[str, Any], today: str) -> Iterable[str]:
    for what, declared in _reviewed(card):
        due = ((declared or {}).get("review") or {}).get("next")
        if due and str(due) < today:
            yield f"review of {what} was due {one_line(due)}"


def _reviewed(card: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any] | None]]:
    """What may have a review of its own: the card, its parts, data and risks."""
    yield "this card", card["identity"]
    for table in ("components", "interactions", "risks"):
        yield from ((one_line(ref), one["declared"]) for ref, one in card[table].items())
    yield from ((f"data {one_line(ref)}", one) for ref, one in card.get("datasets", {}).items())


def _gate_line(gate: dict[str, Any], reasons: tuple[str, ...], fresh: bool) -> str:
    if reasons:
        return f"{one_line(gate['stage'])} BLOCKED: {'; '.join(map(one_line, reasons))}"
    held = ", ".join(dict.fromkeys(ref for one in gate.get("waived", ()) for ref in one["waivers"]))
    by = f", resting on {held}" if held else ""
    return f"{one_line(gate['stage'])} {'open' if fresh else 'was open when last decided: nobody has looked since'}{by}"


def since_text(since: datetime, now: datetime) -> str:
    """`14:02 (31 min)`."""
    return f"{clock(since, now)} ({span_of(now - since)})"
