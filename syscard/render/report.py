"""What a leader reads, in order, as values: the page and the Markdown draw the same sections. Standard library only.

The order: verdict with its rule, what changed, open incidents, risks and unknowns, claims, what groups get,
what is missing, components and interactions with versions, then the annex. A figure stands beside its evidence
(`E-7`), or beside the word `declared`, or under a caption that says `live`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from syscard.diff import material_diff
from syscard.faces import VERDICT_RULE, Overview, claim_row, overview
from syscard.health import tracing_text
from syscard.incident_faces import IncidentFace, incident_faces
from syscard.render import blindspots
from syscard.render.baselines import halves_text
from syscard.render.facts import (
    answered,
    documented,
    evidence_value,
    is_share_of_group,
    method_text,
    observed_text,
    spread,
    version_rows,
    versions_text,
)
from syscard.render.groups import HEADS, caption, groups_of, rows, why_none
from syscard.render.incident_note import by_id, passages
from syscard.render.interaction import interaction_row
from syscard.render.risks import assessed, counts_text, missing, said
from syscard.render.status import part_figures, sample_legend
from syscard.samples import beside
from syscard.slices import claim_status, figures_text, missing_text
from syscard.trace_links import links
from syscard.views import View
from syscard.words import moment, one_line, plural, span_of, stamp

_SIGNALS_SHOWN: Final = 3
"""Of an incident, in a cell of a table: one that shows on many signals filled a page."""
_RESTS_ON: Final = "What the claims and incidents of this card rest on; the chain holds every record there was"


@dataclass(frozen=True)
class Table:
    """Rows under a caption; the first cell of a row names it."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str
    """What to say instead of a table without rows."""


@dataclass(frozen=True)
class Section:
    """One heading of the page and what stands under it."""

    id: str
    title: str
    says: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    chart: str = ""
    """`claims` or `signals`, where the page draws one."""
    links: tuple[tuple[str, str, str], ...] = ()
    """Whose, text and web address of links out."""


@dataclass(frozen=True)
class Report:
    """One card version for people who were not on call."""

    title: str
    verdict: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def report(view: View, previous: dict[str, Any] | None = None, now: datetime | None = None) -> Report:
    """The report of a view.

    Args:
        view: the card version with its live values.
        previous: JSON of an earlier card, for what changed.
        now: the time by which the watcher's age is told; when the view was written, by default.
    """
    now = now or moment(view["written"]) or datetime.fromisoformat(view["card"]["observed"])
    face = overview(view, now)
    sections = (
        _changed(view, previous),
        _incidents(view, face, now),
        _risks(view),
        _claims(view),
        _groups(view),
        _missing(view, face, now),
        _parts(view, face),
        _declared(view),
        _evidence(view),
        _past(view),
        _verify(view),
    )
    title = f"System card: {face.name} {face.system_version}"
    return Report(title, face.verdict, _summary(face), tuple(_facts(view, face)), sections)


def _summary(face: Overview) -> str:
    """The verdict in one sentence, which never takes silence for peace."""
    hold = "hold" if face.measured else "held when last looked at"
    words = {"holds": hold, "broken": "broken", "unknown": "unknown", "stale": "stale"}
    counts = ", ".join(f"{face.count(status)} {word}" for status, word in words.items())
    since = f" since {stamp(face.since)}" if face.since else ""
    seen = "" if face.requests else " No traffic was measured in this period, so nothing here is shown to hold."
    sampled = sum(1 for claim in face.claims if claim.sample)
    counts += f" ({sampled} on sampled traces)" if sampled else ""
    return f"{face.verdict}{since}. Claims: {counts}. {plural(len(face.incidents), 'incident')} open.{seen}"


def _facts(view: View, face: Overview) -> Iterator[tuple[str, str]]:
    card = view["card"]
    yield "How this word is decided", VERDICT_RULE
    yield "Gate", face.gate
    yield "Watcher", face.watcher
    yield "Traffic", face.traffic
    live = view["live"] or {}
    yield from (("Tracing", tracing_text(told, live["watcher"].get("kept"))) for told in live.get("tracing", ()))
    yield "As of", stamp(face.as_of)
    yield "Card", f"{one_line(card['system'])} v{card['version']}, {plural(view['edits'], 'edit')} in the chain"
    yield "Digest of the card", view["digest"]
    yield "Head of the chain", view["head"]
    yield "Written", stamp(moment(view["written"]))


def _changed(view: View, previous: dict[str, Any] | None) -> Section:
    if previous is None:
        return Section("changed", "What changed", says=("No earlier card was given to compare with.",))
    title = f"What changed since v{previous['version']}"
    items = tuple(f"{one_line(c.text)} ({c.ref})" for c in material_diff(previous, view["card"]))
    return Section("changed", title, says=() if items else ("No material change.",), items=items)


def _commas(text: str) -> str:
    """Wide gaps of a terminal line as commas: a page closes up blanks."""
    return re.sub(r"(?<=\S)  +(?=\S)", ", ", text)


def _incidents(view: View, face: Overview, now: datetime) -> Section:
    rows = tuple(_incident_row(i, now) for i in face.incidents)
    heads = ("Incident", "Part", "What", "Cause", "Open for", "Owner and state", "Do first")
    none = "No incident is open." + ("" if face.verdict == "OK" else " That alone does not mean that all is well.")
    waiting = Table("Incidents that wait for somebody", heads, rows, none)
    words = (_in_words(view, face.incidents),) if rows else ()
    tables = (waiting, *words, *_who_changed(face))
    links_out = tuple(_trace_links(view["card"], face))
    return Section("incidents", "Open incidents", tables=tables, links=links_out)


def _in_words(view: View, incidents: tuple[IncidentFace, ...]) -> Table:
    """The note of each, shorter: what stands in the row above it is not said twice."""
    heads = ("Incident", "What broke", "For whom", "How sure", "What changed before it", "What is not known")
    rows = []
    for face in incidents:
        told = by_id(passages(view, view["card"]["incidents"][str(face.number)], face))
        broke = "; ".join((told["broke"].says[0], told["broke"].says[-1]))
        rows.append((face.name, broke, *(told[name].text for name in ("whom", "sure", "before", "unknown"))))
    return Table("The same in words, from templates", heads, tuple(rows), "None.")


def _who_changed(face: Overview) -> Iterator[Table]:
    """What was tested of each incident; the whole table of parts and edges is with the incident itself."""
    rows = tuple((i.name, *i.changed) for i in face.incidents if i.changed)
    heads = ("Incident", "Changed itself", "Share of the damage", "Confidence", "What lowers it")
    if rows:
        yield Table("Who changed, given what reaches it (no proof of cause)", heads, rows, "")


def _trace_links(card: dict[str, Any], face: Overview) -> Iterator[tuple[str, str, str]]:
    """Where the example traces of open incidents can be looked at, if system.yaml says so."""
    open_now = {i.number: i.name for i in face.incidents}
    for raw in card["incidents"].values():
        if raw["number"] in open_now:
            found = links(card, list(raw["traces"]))
            yield from ((open_now[raw["number"]], one_line(trace), url) for trace, url in found.items())


def _incident_row(i: IncidentFace, now: datetime) -> tuple[str, ...]:
    has = f"acknowledged by {i.acknowledged_by}" if i.acknowledged_by else "not acknowledged"
    open_for = f"{span_of(now - i.since)}, since {stamp(i.since)}"
    more = len(i.what) - _SIGNALS_SHOWN
    rest = (f"{plural(more, 'more signal')}: syscard incident show {i.name}",) if more > 0 else ()
    what = "; ".join((i.title, *map(_commas, i.what[:_SIGNALS_SHOWN]), *rest))
    cause = f"{i.changed[0]}: see who changed, below" if i.changed else i.cause
    return f"{i.name} {i.severity}", i.subject, what, cause, open_for, f"{i.owner or 'nobody'}; {has}", i.do_first


def _risks(view: View) -> Section:
    card = view["card"]
    risks = tuple(
        (one_line(ref), one_line(r["declared"].get("about", "")), one_line(r["declared"].get("says", "")), _seen(r),
         f"{spread(r['declared'], skip=('id', 'says', 'about'))} (declared)")
        for ref, r in sorted(card["risks"].items(), key=lambda pair: not pair[1]["observed_in"])
    )  # fmt: skip
    unknowns = tuple(
        (one_line(ref), one_line(u.get("says", "")), one_line(u.get("owner", "nobody")),
         f"{one_line(u.get('answer_by', '?'))} (declared)")
        for ref, u in card["unknowns"].items()
    )  # fmt: skip
    found = [{**one["found"], "since": one["since"]} for one in assessed(card).values()]
    counts = (f"Interaction risks of the catalogue: {counts_text(found)}.",) if found else ()
    return Section("risks", "Risks and unknowns", says=counts, tables=(
        Table("Risks, observed ones first", ("Risk", "About", "What", "Observed", "Treatment"), risks,
              "No risk is declared."),
        *((_of_catalogue(found),) if found else ()),
        Table("Open questions", ("Unknown", "Question", "Owner", "Answer by"), unknowns, "No unknown is declared."),
    ))  # fmt: skip


def _of_catalogue(found: list[dict[str, Any]]) -> Table:
    """What is seen, and what cannot be told; the rest is a count."""
    seen = [(one["risk"], one_line(one["about"]), f"seen since {stamp(moment(one['since']))}", said(one))
            for one in found if one["state"] == "seen"]  # fmt: skip
    unknown = [(", ".join(names), "", "unknown", why) for why, names in missing(found).items()]
    heads = ("Risk", "Where", "State", "What was found or is missing")
    none = "All are looked at, and none is seen."
    return Table("Interaction risks that are seen or unknown", heads, (*seen, *unknown), none)


def _seen(risk: dict[str, Any]) -> str:
    incidents = ", ".join(f"INC-{n}" for n in risk["observed_in"])
    return f"{incidents}: {'; '.join(map(one_line, risk['says']))}" if incidents else "not so far"


def _claims(view: View) -> Section:
    card = view["card"]
    rows, groups = [], []
    for ref, claim in card["claims"].items():
        rows.append(_claim_row(view, ref, claim))
        groups += [(one_line(ref), *_slice_cells(card, s, claim["declared"])) for s in claim["slices"][1:]]
    figures = ("Status", "Value and interval", "n", "Evidence")
    return Section("claims", "Claims", chart="claims", tables=(
        Table("Claims over all traffic", ("Claim", "Promise (declared)", *figures, "Since"), tuple(rows),
              "No claim is declared."),
        Table("Claims by group", ("Claim", "Group", *figures), tuple(groups), "No claim is measured by group."),
    ))  # fmt: skip


def _groups(view: View) -> Section:
    found = groups_of(view)
    return Section("groups", "What groups of requests get", says=(caption(found),) if found else (), tables=(
        Table("Every metric by segment, small groups are unknown", HEADS, rows(view), f"{why_none(view)}."),
    ))  # fmt: skip


def _claim_row(view: View, ref: str, claim: dict[str, Any]) -> tuple[str, ...]:
    overall, row = claim["slices"][0], claim_row(view, ref)
    _, status, *figures = _slice_cells(view["card"], overall, claim["declared"])
    status = row.word if claim_status(claim) == overall["status"] else f"{row.word} in a group"
    status += f", {row.waived}" if row.waived else ""
    promise = f"{row.says} {one_line(claim['declared'].get('expect', '?'))} ({row.about})"
    return one_line(ref), promise, status, *figures, stamp(row.since)


def _slice_cells(card: dict[str, Any], s: dict[str, Any], declared: dict[str, Any]) -> tuple[str, ...]:
    """Group, status, value and interval, n, evidence."""
    found = card["evidence"].get(s["evidence"] or "")
    evidence = found["id"] if found else "none"
    if is_share_of_group(s, declared):
        shown = beside(figures_text(s, {}), s.get("sampled"))
        return one_line(s["slice"]), "shown, not judged", shown, f"{s['n']:,}", evidence
    value = beside(figures_text(s, declared) if s["value"] is not None else missing_text(s), s.get("sampled"))
    why = f"; {one_line(s['why'])}" if s["value"] is not None and s["why"] else ""
    status = s["status"] if s["status"] == "holds" else s["status"].upper()
    return one_line(s["slice"]), status, value + why, f"{s['n']:,}", evidence


def _missing(view: View, face: Overview, now: datetime) -> Section:
    items = [] if face.watcher_state == "alive" else [face.watcher]
    items += [] if face.requests else [face.traffic]
    items += [f"claim {c.id} {c.word}: {_commas(c.text)}" for c in face.claims if c.status in ("unknown", "stale")]
    items += [f"part {p.ref} UNKNOWN for {span_of(now - p.since)}: {p.why}" for p in face.parts if p.state == "unknown"]
    signals = (view["live"] or {}).get("signals", {}).values()
    items += [f"signal {one_line(s['key'])} {s['state'].upper()}: {one_line(s['why']) or 'no reason given'} (live)"
              for s in signals if s["state"] in ("unknown", "error")]  # fmt: skip
    says = () if items else ("Nothing that the card promises is without fresh evidence.",)
    watched = Table(
        "What watches what (live)", blindspots.HEADS, blindspots.rows(view, fresh=face.measured), "No part."
    )
    return Section("missing", "Stale or missing evidence", says=says, items=tuple(items), tables=(watched,))


def _parts(view: View, face: Overview) -> Section:
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
              "No call has carried a version, a model or a prompt."),
        Table("Interactions: what is declared and how spans show it",
              ("Interaction", "State", "Declared", "Observed", "Req/min (live)"), edges, "No interaction is known."),
        _interactions(view),
    ))  # fmt: skip


def _interactions(view: View) -> Table:
    rows = tuple(interaction_row(view, ref) for ref in view["card"]["interactions"])
    heads = ("Interaction", "Contract (declared)", "Risks", "Likelihood", "Impact", "Owner", "Review")
    return Table("Interactions: what may go wrong between parts", heads, rows, "No interaction is known.")


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


def _declared(view: View) -> Section:
    identity = view["card"]["identity"]
    rows = (*answered(identity), *documented(identity))
    says = (*_baseline(view["card"]["baseline"]),)
    return Section("declared", "What it is for", says=says, tables=(
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


def _evidence(view: View) -> Section:
    rows = tuple(_evidence_row(item) for item in view["card"]["evidence"].values())
    heads = ("Evidence", "About", "Metric", "Value and interval", "n", "Method", "Window", "Digest")
    return Section("evidence", "Annex: evidence", tables=(Table(_RESTS_ON, heads, rows, "None so far."),))


def _evidence_row(item: dict[str, Any]) -> tuple[str, ...]:
    fig = item["figure"]
    window = f"{stamp(moment(fig['window_start']))} to {stamp(moment(fig['window_end']))}"
    method = method_text(fig) or "no test"
    about, metric = one_line(fig["about"]), one_line(fig["metric"])
    return item["id"], about, metric, evidence_value(fig), f"{fig['n']:,}", method, window, item["digest"]


def _past(view: View) -> Section:
    over = [i for i in incident_faces(view) if not i.is_open]
    rows = tuple(
        (i.name, i.severity, i.subject, i.title, i.state.replace("_", " "), i.resolution, ", ".join(i.evidence))
        for i in over
    )
    heads = ("Incident", "Severity", "Part", "What", "State", "Resolution", "Evidence")
    return Section("past", "Annex: closed incidents", tables=(Table("Incidents that are over", heads, rows, "None."),))


def _verify(view: View) -> Section:
    card = view["card"]
    return Section("verify", "How to verify", says=(
        f"syscard card verify: recomputes the chain of {plural(view['edits'], 'edit')} and must end in the head "
        f"{view['head'][:12]}.",
        f"syscard card show: must give v{card['version']} with the digest {view['digest'][:12]}.",
        "A digest shows that nothing changed since it was written down elsewhere; it does not show who wrote it.",
    ))  # fmt: skip
