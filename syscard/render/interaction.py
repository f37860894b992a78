"""The card of one part: what is agreed on, its risks with likelihood and impact, and its incidents.

Every figure stands beside its evidence, or beside a word that says it is declared or live. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from syscard.incident_faces import incident_faces
from syscard.owners import owner_of
from syscard.render.facts import observed_text, said_by, value_text
from syscard.render.graph import silence_text, traffic_lines
from syscard.render.risks import NEVER, assessed, at_place, counts_text, declared_as, said
from syscard.views import View
from syscard.words import figure, moment, one_line, pad, plural, share, stamp, wrap

Row = tuple[str, str]
"""Label and text."""
_AGREED: Final = (("contract", "contract"), ("carries", "carries"), ("allowed data", "allowed_data"))
_MARKS: Final = {"seen": "!", "not seen": " ", "unknown": "?"}
_ORDER: Final = ("seen", "unknown", "not seen")
_NOT_COUNTED: Final = "it is counted from the next assessment on"


def agreed(edge: dict[str, Any]) -> Iterator[Row]:
    """What an edge may carry and must keep to; what nobody declared is said to be missing."""
    declared = edge["declared"]
    if declared is None:
        yield "declared", "NOT DECLARED"
        return
    for label, key in _AGREED:
        yield label, value_text(declared.get(key)) or "none declared"
    if declared.get("order"):
        yield "order", one_line(declared["order"])


def traffic(view: View, edge: dict[str, Any]) -> Iterator[Row]:
    """What was ever seen of an edge, with traces that show it, and what the newest window has of it."""
    yield "observed", observed_text(edge) + said_by(view, f"interactions/{edge['ref']}")
    yield from (("e.g.", one_line(ref)) for ref in edge.get("examples", ()))
    live = view["live"] or {}
    now = live.get("parts", {}).get(edge["ref"], {})
    if now:
        yield "live", f"newest window, to {stamp(moment(live['as_of']))}: {_figures(now)}"
    yield from (("", text) for text in (*traffic_lines(now), silence_text(now)) if text)


def _figures(now: dict[str, Any]) -> str:
    calls = f"{plural(now.get('requests', 0), 'request')}, {plural(now.get('calls', 0), 'call')}"
    return f"{calls}, p95 {figure(now.get('p95_ms'), 'ms')}, errors {share(now.get('error_share'))}"


def review(card: dict[str, Any], declared: list[str], ref: str = "") -> str:
    """When a place is looked at again: its own review, when a declared risk of it ends, else the system's review."""
    part = card["components"].get(ref) or card["interactions"].get(ref) or {}
    if own := ((part.get("declared") or {}).get("review") or {}).get("next"):
        return f"{one_line(own)} (declared)"
    ends = [(str(card["risks"][ref]["declared"]["until"]), ref) for ref in declared
            if card["risks"][ref]["declared"].get("until")]  # fmt: skip
    if ends:
        until, ref = min(ends)
        return f"{one_line(until)} (declared, until of {one_line(ref)})"
    due = (card["identity"].get("review") or {}).get("next")
    return f"{one_line(due)} (declared, of the system)" if due else "not declared"


def declared_here(card: dict[str, Any], ref: str) -> list[str]:
    """Declared risks that are about a part, or that are a risk assessed on it and about one of its ends or all."""
    here = {one["found"]["risk"] for one in assessed(card).values() if one["found"]["about"] == ref}
    wider = {"system", *ref.split("->")}
    return [
        name
        for name, risk in card["risks"].items()
        if (about := risk["declared"].get("about")) == ref
        or (about in wider and here.intersection(declared_as(risk["declared"])))
    ]


def risks_of(card: dict[str, Any], ref: str) -> list[dict[str, Any]]:
    """Risks of the catalogue that are looked for in a place, seen ones first; as in `risk list --json`, with review."""
    here = declared_here(card, ref)
    found = [
        {**one, "declared": [name for name in one["declared"] if name in here]}
        for one in at_place(card, ref)
    ]  # fmt: skip
    told = ({**one, "owner": owner_of(card, ref), "review": review(card, one["declared"], ref)} for one in found)
    return sorted(told, key=lambda one: _ORDER.index(one["state"]))


def likelihood_text(risk: dict[str, Any]) -> str:
    """`3 of 12 assessments, 25.0% (3.1% to 77.7%)  edit c0ffee123456`; unknown says what is needed.

    Assessments in a row share requests, so the interval (Wilson) takes `overlap` of them for one.
    """
    counted = risk["frequency"]
    if counted is None:
        why = risk["why"] if risk["state"] == "unknown" else _NOT_COUNTED
        return f"unknown: {one_line(why)}"
    seen, looks = counted["seen"], counted["looks"]
    bounds = f"{share(counted['low'])} to {share(counted['high'])}"
    return f"{seen:,} of {plural(looks, 'assessment')}, {share(seen / looks)} ({bounds}){_edit(counted)}"


def impact_text(risk: dict[str, Any]) -> str:
    """`37.0% of 500 requests  edit c0ffee123456`; unknown where it cannot be told."""
    if risk["state"] == "unknown":
        return f"unknown: {one_line(risk['why'])}"
    if risk["state"] == "not seen":
        return f"none that is seen in {plural(risk['n'], 'request')}{_edit(risk)}"
    if risk["share"] is None:
        return "unknown: its statistic counts no requests"
    return f"{share(risk['share'])} of {plural(risk['n'], 'request')}{_edit(risk)}"


def _edit(of: dict[str, Any]) -> str:
    return f"  edit {of['evidence'][:12]}"


def risk_lines(view: View, ref: str, width: int) -> Iterator[str]:
    """What may go wrong in a place and how it stands; what is unknown for one reason in one line."""
    found = risks_of(view["card"], ref)
    if not found:
        none = "none of the catalogue is looked for here" if assessed(view["card"]) else NEVER
        yield from wrap(none, width, first="  ")
    for one in found:
        yield from _risk(one, width)
    for name in declared_here(view["card"], ref):
        yield from _declared(view["card"]["risks"][name], width)


def _risk(one: dict[str, Any], width: int) -> Iterator[str]:
    since = f" since {stamp(moment(one['since']))}" if one["state"] != "unknown" else ""
    head = f"{one['risk']} {one_line(one['name'])}  {one['state'].upper()}{since}"
    yield from wrap(head, width, first=f"{_MARKS[one['state']]} ", rest="    ")
    yield from (line for label, text in _told(one) for line in wrap(text, width, first=f"    {pad(label, 12)}"))


def _told(one: dict[str, Any]) -> Iterator[Row]:
    """Of what is seen all that there is; of the rest how sure that is."""
    seen = one["state"] == "seen"
    if seen:
        yield "found", f"{said(one)}{_edit(one)}"
    yield "likelihood", likelihood_text(one)
    if not seen:
        return
    yield "impact", impact_text(one)
    yield "owner", one["owner"] or "nobody"
    yield "review", one["review"]
    if one["declared"]:
        yield "declared as", ", ".join(map(one_line, one["declared"]))
    yield "do first", one["mitigation"]


def _declared(risk: dict[str, Any], width: int) -> Iterator[str]:
    declared, name = risk["declared"], f"  {one_line(risk['id'])} (declared)  "
    yield from wrap(one_line(declared.get("says", "")), width, first=name, rest="    ")
    seen = ", ".join(f"INC-{n}" for n in risk["observed_in"])
    rows = (
        ("treatment", one_line(declared.get("treatment", ""))),
        ("owner", one_line(declared.get("owner", ""))),
        ("until", one_line(declared.get("until") or "")),
        ("observed", f"in {seen}" if seen else "not so far"),
    )
    yield from (line for label, text in rows if text for line in wrap(text, width, first=f"    {pad(label, 12)}"))


def incidents_of(view: View, ref: str) -> list[dict[str, Any]]:
    """Incidents that a part is in, open ones first, with the evidence they rest on."""
    return [
        {"number": i.number, "state": i.state, "severity": i.severity, "subject": i.subject, "title": i.title,
         "since": i.since.isoformat(), "evidence": list(i.evidence)}
        for i in incident_faces(view)
        if ref in (i.subject, *i.subject.split("->")) or _reaches(view, i.number, ref)
    ]  # fmt: skip


def _reaches(view: View, number: int, ref: str) -> bool:
    raw: dict[str, Any] = view["card"]["incidents"][str(number)]
    return ref in raw["inherited_by"] or any(finding["about"] == ref for finding in raw["findings"])


def incident_rows(view: View, ref: str) -> Iterator[Row]:
    """`INC-12 open since 2026-11-22 14:02 UTC: vlm: agrees 0.91 -> 0.30  E-5`."""
    for one in incidents_of(view, ref):
        where = "" if one["subject"] == ref else f"{one['subject']}: "
        state = f"{one['state'].replace('_', ' ')} since {stamp(moment(one['since']))}"
        rests = f"  {', '.join(one['evidence'][:3])}{' ...' if len(one['evidence']) > 3 else ''}"
        yield "incident", f"INC-{one['number']} {state}: {where}{one['title']}{rests}".rstrip()


def interaction_row(view: View, ref: str) -> tuple[str, ...]:
    """An interaction in a row of the page: of what is seen all, of the rest how much there is."""
    card = view["card"]
    found, here = risks_of(card, ref), declared_here(card, ref)
    seen = [one for one in found if one["state"] == "seen"]
    risks = [f"{one['risk']} {one_line(one['name'])}: seen since {stamp(moment(one['since']))}" for one in seen]
    rest = counts_text([one for one in found if one["state"] != "seen"]) if found else "not assessed"
    declared = card["interactions"][ref]["declared"]
    return (
        one_line(ref),
        "NOT DECLARED" if declared is None else value_text(declared.get("contract")) or "none",
        "; ".join([*risks, rest, *(f"declared {one_line(name)}" for name in here)]),
        "; ".join(f"{one['risk']}: {likelihood_text(one)}" for one in seen),
        "; ".join(f"{one['risk']}: {impact_text(one)}" for one in seen),
        owner_of(card, ref) or "nobody",
        review(card, here, ref),
    )


def part_document(view: View, ref: str) -> dict[str, Any]:
    """One part as data: what `card show PART --json` prints. The part must be on the card."""
    card, live = view["card"], view["live"] or {}
    part = {**card["components"], **card["interactions"]}[ref]
    here = declared_here(card, ref)
    return {
        **part,
        "owner": owner_of(card, ref),
        "review": review(card, here, ref),
        "now": live.get("parts", {}).get(ref),
        "risks": risks_of(card, ref),
        "declared_risks": [card["risks"][name] for name in here],
        "incidents": incidents_of(view, ref),
    }
