"""Parts and what watches them, what is missing, and what the team declares. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from syscard.faces import Overview
from syscard.health import tracing_text
from syscard.render import blindspots
from syscard.render.baselines import halves_text
from syscard.render.facts import answered, documented, observed_text, said_by, spread, version_rows, versions_text
from syscard.render.interaction import interaction_row
from syscard.render.page import Section, Table
from syscard.render.sections.incidents import commas
from syscard.render.status import part_figures, sample_legend
from syscard.views import View
from syscard.words import moment, one_line, plural, span_of, stamp


def missing(view: View, face: Overview, now: datetime) -> Section:
    """What is promised and has no fresh evidence, and what nobody watches."""
    items = [] if face.watcher_state == "alive" else [face.watcher]
    items += [] if face.requests else [face.traffic]
    items += [f"claim {c.id} {c.word}: {commas(c.text)}{said_by(view, f'claims/{c.id}')}"
              for c in face.claims if c.status in ("unknown", "stale")]  # fmt: skip
    items += [
        f"part {p.ref} UNKNOWN for {span_of(now - p.since)}: {p.why or 'no reason given'}"
        for p in face.parts
        if p.state == "unknown"
    ]
    signals = (view["live"] or {}).get("signals", {}).values()
    items += [f"signal {one_line(s['key'])} {s['state'].upper()}: {one_line(s['why']) or 'no reason given'} (live)"
              for s in signals if s["state"] in ("unknown", "error")]  # fmt: skip
    says = () if items else ("Nothing that the card promises is without fresh evidence.",)
    watched = Table(
        "What watches what (live)",
        blindspots.HEADS,
        blindspots.rows(view, fresh=face.measured),
        "No part.",
        detail=True,
    )
    return Section("missing", "Stale or missing evidence", says=says, items=tuple(items), tables=(watched,))


def parts(view: View, face: Overview) -> Section:
    """Components and interactions as declared and as spans show them."""
    card = view["card"]
    states = {p.ref: p for p in face.parts}
    components = tuple(_component_row(card, ref, states[one_line(ref)]) for ref in card["components"])
    edges = tuple(_edge_row(ref, edge, states[one_line(ref)]) for ref, edge in card["interactions"].items())
    versions = tuple(
        (one_line(ref), *row, f"{calls:,}") for ref in card["components"] for *row, calls in version_rows(view, ref)
    )
    live = f"as of {stamp(face.as_of)}; req/min, errors and p95 are live values of the monitors, not evidence"
    legend = sample_legend(face.parts)
    live += f"; {legend}" if legend else ""
    heads = ("Component", "State", "Version", "Owner (declared)", "Req/min (live)", "Errors (live)", "P95 (live)")
    return Section("parts", "Components and interactions", says=face.encoders, chart="signals", tables=(
        Table(f"Components, {live}", heads, components, "No component is known."),
        Table("Version signals: what calls of each component carried (live)",
              ("Component", "Signal", "Value", "First seen", "Last seen", "Calls"), versions,
              "No call has carried a version, a model or a prompt.", detail=True),
        Table("Interactions: what is declared and how spans show it",
              ("Interaction", "State", "Declared", "Observed", "Req/min (live)"), edges, "No interaction is known."),
        _interactions(view),
    ))  # fmt: skip


def _interactions(view: View) -> Table:
    rows = tuple(interaction_row(view, ref) for ref in view["card"]["interactions"])
    heads = ("Interaction", "Contract (declared)", "Risks", "Likelihood", "Impact", "Owner", "Review")
    return Table("Interactions: what may go wrong between parts", heads, rows, "No interaction is known.", detail=True)


def _component_row(card: dict[str, Any], ref: str, part: Any) -> tuple[str, ...]:
    raw = card["components"][ref]
    owner = one_line((raw["declared"] or {}).get("owner", "nobody"))
    return part.ref, _state(part), versions_text(raw), owner, *part_figures(part)


def _edge_row(ref: str, edge: dict[str, Any], part: Any) -> tuple[str, ...]:
    declared = (spread(edge["declared"]) or "yes") if edge["declared"] is not None else "NOT DECLARED"
    return one_line(ref), _state(part), declared, observed_text(edge), part_figures(part)[0]


def _state(part: Any) -> str:
    why = f": {part.why}" if part.why else ""
    return f"{part.word} since {stamp(part.since)}{why}"


def tracing(view: View) -> Section:
    """What the spans themselves are like: figures that are well, too."""
    live = view["live"] or {}
    items = tuple(tracing_text(told, live["watcher"].get("kept")) for told in live.get("tracing", ()))
    says = () if items else ("Nothing is known of it before the monitors have looked.",)
    return Section("tracing", "Annex: the spans themselves (live)", says=says, items=items, annex=True)


def declared(view: View) -> Section:
    """What its team says of it, and its baseline."""
    identity = view["card"]["identity"]
    rows = (*answered(identity), *documented(identity))
    says = (*_baseline(view["card"]["baseline"]),)
    return Section("declared", "Annex: what it is for", annex=True, says=says, tables=(
        Table("Declared by its team", ("Question", "Answer (declared)"), rows, "Nothing is declared."),
    ))  # fmt: skip


def _baseline(base: dict[str, Any] | None) -> Iterable[str]:
    if base is None:
        yield "Baseline: none is set, so drift cannot be judged."
        return
    window = f"{stamp(moment(base['start']))} to {stamp(moment(base['end']))}"
    yield (f"Baseline {one_line(base['name'])}: {plural(base['requests'], 'request')}, {window}, approved by "
           f"{one_line(base['approved_by'])}, data digest {one_line(base['data_digest'])}; "
           f"{halves_text(base)}.")  # fmt: skip
