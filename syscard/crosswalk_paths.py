"""What stands on a card at a path: nothing, what a team declared, what spans showed, or figures with their evidence.

Pure functions over the JSON of a card and its live values; whether a path can be on a card says `syscard.card_shapes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, Final, Literal

from syscard.blindspots import topic_of
from syscard.health import watcher_state
from syscard.material import material_digest
from syscard.units import parse_duration

Kind = Literal["absent", "declared", "seen", "evidence"]
VALID_FOR: Final = timedelta(days=7)
"""Of what says no other: assessments and comparisons of groups are renewed at half of this."""
REFERENCES: Final = 12
"""Of evidence that are named at one path."""


@dataclass(frozen=True)
class Found:
    """What stands at one path."""

    path: str
    kind: Kind
    count: int = 0
    """Entries: claims, parts, incidents; 1 of a single value."""
    of: int = 0
    """Parts of the system that could have it; 0 where that is not asked."""
    bare: int = 0
    """Entries without evidence, where others have some."""
    references: tuple[str, ...] = ()
    """Of evidence: `E-7`, the beginning of an edit's digest, `INC-3`, `trace_id@start`."""
    stale: int = 0
    """Entries whose evidence is older than it is valid for."""

    @property
    def whole(self) -> bool:
        """Whether it is there, and of every part that could have it."""
        return self.kind != "absent" and self.count >= self.of


def found_at(path: str, card: dict[str, Any], live: dict[str, Any] | None, at: datetime) -> Found:
    """What stands at a path of a card's JSON, by the clock `at`."""
    steps = path.split(".")
    if steps[0] == "live":
        return _live(path, live or {}, at)
    values = [value for value in reduce(_down, steps[1:], [card.get(steps[0])]) if not _empty(value)]
    if not values:
        return Found(path, "absent")
    if steps[0] == "approvals":
        return _signed(path, card)
    told, parts = _RULES.get(steps[0]), len(card[steps[0]]) if steps[0] in _PARTS and steps[1:] else 0
    if told is None or "declared" in steps:
        return Found(path, "declared", len(values), parts)
    return _judged(path, [told(card, entry, at) for entry in _entries(card, steps)], parts)


def _down(values: list[Any], step: str) -> list[Any]:
    """The values one step further down."""
    if step.startswith("*"):
        inner = (v for value in values for v in (value.values() if isinstance(value, dict) else value or ()))
        return [v for v in inner if _is_of(v, step.partition(":")[2])]
    return [value.get(step) for value in values if isinstance(value, dict)]


def _is_of(entry: Any, word: str) -> bool:
    """Whether an entry is a claim of this topic, or an assessment of this risk."""
    return not word or topic_of(entry.get("declared") or {}) == word or (entry.get("found") or {}).get("risk") == word


def _empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _entries(card: dict[str, Any], steps: list[str]) -> list[Any]:
    """What a path speaks of: the entries of its table, or the one thing that it names."""
    top = card.get(steps[0])
    if len(steps) > 1 and steps[1].startswith("*"):
        deeper = steps[2:]
        return [
            e for e in _down([top], steps[1]) if not deeper or any(not _empty(v) for v in reduce(_down, deeper, [e]))
        ]
    if isinstance(top, dict) and steps[0] in _TABLES:
        return list(top.values())
    return list(top) if isinstance(top, list) else [top]


@dataclass(frozen=True)
class _Told:
    kind: Kind
    references: tuple[str, ...] = ()
    stale: bool = False


_Rule = Callable[[dict[str, Any], dict[str, Any], datetime], _Told]


def _judged(path: str, told: list[_Told], parts: int) -> Found:
    """Entries with and without evidence, as one answer."""
    proven = [one for one in told if one.kind == "evidence"]
    seen = [one for one in told if one.kind == "seen"]
    kind: Kind = "evidence" if proven else "seen" if seen else "declared" if told else "absent"
    references = tuple(dict.fromkeys(ref for one in (*proven, *seen) for ref in one.references))
    bare = len(told) - len(proven) if proven else 0
    return Found(path, kind, len(told), parts, bare, references[:REFERENCES], sum(one.stale for one in proven))


def _claim(card: dict[str, Any], claim: dict[str, Any], at: datetime) -> _Told:
    known = [card["evidence"][s["evidence"]] for s in claim["slices"] if s.get("evidence") in card["evidence"]]
    if not known:
        return _Told("declared")
    newest = max(datetime.fromisoformat(one["observed"]) for one in known)
    valid = _duration(claim["declared"].get("valid_for"))
    return _Told("evidence", tuple(one["id"] for one in known), at - newest > valid)


def _duration(text: Any) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError:
        return VALID_FOR


def _assessed(_card: dict[str, Any], one: dict[str, Any], at: datetime) -> _Told:
    if one["found"]["state"] == "unknown":
        return _Told("declared")
    return _Told("evidence", (_short(one["evidence"]),), _old(one["measured"], at))


def _group(_card: dict[str, Any], one: dict[str, Any], _at: datetime) -> _Told:
    return _Told("declared") if one["state"] == "unknown" else _Told("evidence", (_short(one["evidence"]),))


def _part(_card: dict[str, Any], part: dict[str, Any], _at: datetime) -> _Told:
    """What spans showed of a component has no record of evidence; an edge names traces."""
    if part.get("examples"):
        return _Told("evidence", tuple(part["examples"]))
    seen = part.get("observed") or part.get("evidence_class")
    return _Told("seen") if seen else _Told("declared")


def _incident(card: dict[str, Any], incident: dict[str, Any], _at: datetime) -> _Told:
    known = (card["evidence"].get(f["evidence"]) for f in incident["findings"])
    return _Told("evidence", (f"INC-{incident['number']}", *(one["id"] for one in known if one)))


def _risk(_card: dict[str, Any], risk: dict[str, Any], _at: datetime) -> _Told:
    return (
        _Told("evidence", tuple(f"INC-{n}" for n in risk["observed_in"])) if risk["observed_in"] else _Told("declared")
    )


def _evidence(_card: dict[str, Any], one: dict[str, Any], _at: datetime) -> _Told:
    return _Told("evidence", (one["id"],))


def _waiver(_card: dict[str, Any], waiver: dict[str, Any], at: datetime) -> _Told:
    """One that holds no more is a record of what was, and accepts nothing now."""
    starts, expires = datetime.fromisoformat(waiver["starts"]), datetime.fromisoformat(waiver["expires"])
    holds = waiver["revoked"] is None and starts <= at < expires
    return _Told("evidence", (waiver["id"], _short(waiver["reason_sha256"]))) if holds else _Told("declared")


def _signed(path: str, card: dict[str, Any]) -> Found:
    """The newest decision of every role: it counts while nothing material has changed since; a rejection never does."""
    newest, material = {one["role"]: one for one in card["approvals"]}, material_digest(card)
    told = [
        _Told("evidence", (_short(one["over"]),), one["material"] != material)
        if one["decision"] == "approve"
        else _Told("declared")
        for one in newest.values()
    ]
    return _judged(path, told, 0)


def _recorded(key: str) -> _Rule:
    """A record that names itself by a digest, or by the digest of what it is about."""

    def told(_card: dict[str, Any], one: dict[str, Any], _at: datetime) -> _Told:
        return _Told("evidence", (_short(one[key]),)) if one.get(key) else _Told("declared")

    return told


_RULES: Final[dict[str, _Rule]] = {
    "claims": _claim,
    "assessed": _assessed,
    "groups": _group,
    "components": _part,
    "interactions": _part,
    "incidents": _incident,
    "risks": _risk,
    "evidence": _evidence,
    "baseline": _recorded("data_digest"),
    "reports": _recorded("document_sha256"),
    "gate_runs": _recorded("input"),
    "snapshots": _recorded("envelope"),
    "waivers": _waiver,
}
"""How an entry of each section shows what it rests on. What is in no section of these is declared."""
_TABLES: Final = frozenset(_RULES) - {"baseline"}
_PARTS: Final = ("components", "interactions", "datasets")


def _short(text: str) -> str:
    return str(text)[:12]


def _old(moment: str, at: datetime) -> bool:
    return at - datetime.fromisoformat(moment) > VALID_FOR


def _live(path: str, live: dict[str, Any], at: datetime) -> Found:
    """What the monitors know now: it counts while they run, and is no record of evidence."""
    values = [value for value in reduce(_down, path.split(".")[1:], [live]) if not _empty(value)]
    if watcher_state(live.get("watcher", {}), at) not in ("alive", "errors") or not values:
        return Found(path, "absent")
    (top,) = values[:1]
    return Found(path, "seen", len(top) if isinstance(top, dict) else len(values))
