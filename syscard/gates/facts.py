"""The input document of a gate: what rules are asked of, whatever engine asks them. Pure; JSON values only.

`docs/gates.md` describes it for those who write policies in Rego.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from syscard.blindspots import topic_of
from syscard.digest import digest, iso, plain
from syscard.incident_states import OPEN_STATES
from syscard.material import material_digest
from syscard.samples import sample_mark
from syscard.slices import claim_status, telling_slice
from syscard.units import parse_duration
from syscard.words import moment

SCHEMA: Final = "syscard.gate-input/1"
_OF_SLICE: Final = ("slice", "status", "value", "low", "high", "n")
Facts = dict[str, Any]
CardJson = dict[str, Any]
LiveJson = dict[str, Any]
DOCUMENTED: Final = ("owner", "on_call", "intended_use", "users", "out_of_scope", "limitations", "oversight", "review")


def gate_input(card: CardJson, live: LiveJson | None, at: datetime, *, approvals: bool = True) -> Facts:
    """What a gate is asked of: the facts of a card and of its live values (as a view has them), at a moment.

    Args:
        card: JSON of the card.
        live: JSON of what monitors know; None before they ran.
        at: the time of asking: waivers and approvals run out by it.
        approvals: whether to find out which of them still count, which costs a digest of the card.
    """
    now = live or {}
    return {
        "schema": SCHEMA,
        "asked": {"at": iso(at), "version": card["version"]},
        "system": {key: card["identity"].get(key) for key in ("ref", "name", "version")} | {"ref": card["system"]},
        "claims": {ref: _claim(claim, card, at) for ref, claim in card["claims"].items()},
        "parts": dict(_parts(card, now)),
        "incidents": {f"INC-{number}": _incident(one) for number, one in card["incidents"].items()},
        "risks": dict(_risks(card)),
        "unknowns": {ref: {"answer_by": one.get("answer_by")} for ref, one in card["unknowns"].items()},
        "documented": _documented(card),
        "signals": {key: _signal(one) for key, one in now.get("signals", {}).items()},
        "groups": dict(_groups(now)),
        "compared": {name: one["state"] for name, one in card.get("groups", {}).items()},
        "traffic": _traffic(now),
        "approvals": _approvals(card) if approvals else {},
        "waivers": {ref: _waiver(one) for ref, one in card.get("waivers", {}).items()},
    }


def input_digest(facts: Facts) -> str:
    """Of the facts without the time of asking: asked twice of the same, it is the same."""
    return digest({key: value for key, value in facts.items() if key != "asked"})


def as_json(facts: Facts) -> Any:
    """The facts as plain JSON, as they are digested: figures are rounded alike for every engine."""
    return plain(facts)


def _claim(claim: dict[str, Any], card: CardJson, at: datetime) -> dict[str, Any]:
    """A claim as of the moment of asking: dead monitors let nothing expire, and a figure of last year is none."""
    declared, status = claim["declared"], claim_status(claim)
    if status == "holds" and _has_expired(claim, at):
        status = "stale"
    figures = ("value", "low", "high") if status == "stale" else ()
    telling = telling_slice(claim)
    evidence = card["evidence"].get(telling["evidence"] or "")
    return {
        "about": declared.get("about", "system"),
        "topic": topic_of(declared),
        "metric": declared.get("metric", ""),
        "status": status,
        "slices": [{key: None if key in figures else s.get(key) for key in _OF_SLICE} for s in claim["slices"]],
        "evidence_end": evidence["figure"]["window_end"] if evidence else None,
        "sample": sample_mark(telling.get("sampled")),
    }


def _has_expired(claim: dict[str, Any], at: datetime) -> bool:
    """By the rule of the monitors: it was assessed longer ago than it is valid for."""
    assessed, valid_for = moment(claim["assessed"]), claim["declared"].get("valid_for")
    return assessed is not None and valid_for is not None and at - assessed > parse_duration(valid_for)


def _parts(card: CardJson, live: LiveJson) -> Iterator[tuple[str, dict[str, Any]]]:
    watched = {s["about"] for s in live.get("signals", {}).values() if s["state"] in ("ok", "warn", "breach")}
    for table, kind in (("components", "component"), ("interactions", "edge")):
        for ref, part in card[table].items():
            declared = part["declared"] is not None
            yield ref, {"kind": kind, "declared": declared, "state": part["state"], "watched": ref in watched}


def _incident(one: dict[str, Any]) -> dict[str, Any]:
    shown = {key: one[key] for key in ("subject", "severity", "state")}
    return {**shown, "open": one["state"] in OPEN_STATES}


def _risks(card: CardJson) -> Iterator[tuple[str, dict[str, Any]]]:
    for ref, risk in card["risks"].items():
        about = risk["declared"].get("about", "system")
        yield ref, {"about": about, "state": "seen" if risk["observed_in"] else "not seen"}
    for name, one in card.get("assessed", {}).items():
        yield name, {"about": one["found"]["about"], "state": one["state"]}


def _documented(card: CardJson) -> dict[str, Any]:
    identity = card["identity"]
    flat = {**identity, "on_call": (identity.get("owner") or {}).get("on_call")}
    missing = [key for key in DOCUMENTED if not flat.get(key)]
    unowned = [ref for ref, part in card["components"].items() if not (part["declared"] or {}).get("owner")]
    return {"fields": len(DOCUMENTED) + len(card["components"]), "missing": [*missing, *unowned]}


def _signal(one: dict[str, Any]) -> dict[str, Any]:
    shown = {key: one.get(key) for key in ("about", "state", "value", "n")}
    return {**shown, "sample": sample_mark(one.get("sampled"))}


def _groups(live: LiveJson) -> Iterator[tuple[str, dict[str, Any]]]:
    """Comparisons of groups whose figures stand in an edit."""
    for one in (live.get("groups") or {}).get("disparities", ()):
        told = [g["n"] for g in one.get("groups", ()) if g["group"] in (one.get("highest"), one.get("lowest"))]
        measured = one.get("evidence") is not None and one["state"] != "unknown"
        yield (
            f"{one['key']} by {one['segment']}",
            {
                "about": one["about"],
                "segment": one["segment"],
                "state": one["state"],
                "value": one.get("ratio") if measured else None,
                "low": one.get("ratio_low") if measured else None,
                "high": one.get("ratio_high") if measured else None,
                "n": min(told, default=0),
            },
        )


def _traffic(live: LiveJson) -> dict[str, Any]:
    watcher = live.get("watcher", {})
    shown = {key: watcher.get(key) for key in ("requests", "last_span")}
    return {**shown, "sample": sample_mark(watcher.get("sampled"))}


def _approvals(card: CardJson) -> dict[str, Any]:
    """The newest decision of every role, and whether nothing material has changed since."""
    newest = {one["role"]: one for one in card.get("approvals", ())}
    material = material_digest(card) if newest else ""
    return {
        role: {
            **{key: one[key] for key in ("person", "decision", "at", "version")},
            "counts": one["decision"] == "approve" and one["material"] == material,
        }
        for role, one in newest.items()
    }


def _waiver(one: dict[str, Any]) -> dict[str, Any]:
    shown = {key: one[key] for key in ("rule", "scope", "starts", "expires")}
    return {**shown, "revoked": one["revoked"] is not None}
