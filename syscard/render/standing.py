"""How an incident stands, in words: what holds it back, its rules' record, its traces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from syscard.precision import record_of
from syscard.serious import wants_assessment
from syscard.trace_links import links
from syscard.views import View
from syscard.words import moment, one_line, plural, stamp


def standing(view: View, raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What an incident gathers, what holds it back, and what people have said of it."""
    if raw.get("gathered"):
        yield "gathers", f"{plural(raw['gathered'], 'signal')} beside those that are listed"
    if raw.get("silence"):
        known = view["card"]["silences"].get(raw["silence"], {}).get("declared", {})
        yield "silenced", f"by {raw['silence']} until {stamp(moment(known.get('until')))}; it is recorded all the same"
    if raw.get("accepted_until"):
        yield "accepted", f"until {stamp(moment(raw['accepted_until']))} by {one_line(raw['accepted_by'] or '?')}"
    if raw.get("flapping"):
        yield "flaps", "it came and went too often: it stays open until it has been calm for long"
    if raw.get("floor"):
        yield "severity", f"{raw['severity']}, set by a human; monitors found a {raw['floor']}"
    yield from _told_elsewhere(view, raw)


def _told_elsewhere(view: View, raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if raw.get("merged_into"):
        yield "told in", f"INC-{raw['merged_into']}"
    if raw.get("merged"):
        yield "merged", ", ".join(f"INC-{number}" for number in raw["merged"])
    said = raw.get("serious")
    if said:
        words = {"assess": "being assessed", "no": "no", "yes": "yes"}[said["serious"]]
        yield "serious", f"{words} ({one_line(said['regime'])}): due dates: syscard incident clocks"
    elif wants_assessment(view["card"], raw):
        yield "serious?", f"nobody has said: syscard incident serious INC-{raw['number']} --as assess"


def rules_text(view: View, raw: dict[str, Any]) -> Iterator[str]:
    """How often the incidents of its rules were real; rules of which nobody judged one share a line."""
    known = list(record_of(view["card"], (f["key"] for f in raw["findings"])))
    yield from (f"rule {one_line(r.rule)}: {r.words}" for r in known if r.judged)
    if unjudged := sum(not r.judged for r in known):
        yield f"rules: {unjudged} with closed incidents that nobody judged: how often they are right is unknown"


def traces_text(view: View, raw: dict[str, Any]) -> Iterator[str]:
    """Its example traces, each with where it can be looked at if system.yaml says so."""
    found = links(view["card"], list(raw["traces"]))
    for trace in raw["traces"] or ("none kept",):
        yield one_line(trace)
        yield from (one_line(found[trace]),) if trace in found else ()
