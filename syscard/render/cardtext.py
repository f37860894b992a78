"""The card, a claim, an incident or a difference as plain text for a terminal. Standard library only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from syscard.attribution_text import verdict_lines
from syscard.diff import Change
from syscard.embedded import encoder_text
from syscard.errors import NotOnTheCard
from syscard.faces import by_interest, claim_row
from syscard.health import tracing_text
from syscard.incident_faces import IncidentFace, incident_faces
from syscard.owners import owner_of
from syscard.render.baselines import halves_text
from syscard.render.blindspots import matrix_text
from syscard.render.facts import (
    answered,
    documented,
    evidence_value,
    method_text,
    observed_text,
    referenced,
    said_by,
    spread,
    version_rows,
    versions_text,
)
from syscard.render.graph import silence_text, traffic_lines
from syscard.render.groups import groups_text
from syscard.render.incident_note import passages
from syscard.render.interaction import agreed, declared_here, incident_rows, review, risk_lines, traffic
from syscard.render.kept_reports import files_text, reports_lines
from syscard.render.risks import of_declared, section_lines
from syscard.render.signing import approval_lines, gate_run_lines, waiver_lines
from syscard.render.standing import rules_text, standing
from syscard.samples import beside
from syscard.views import View
from syscard.words import cells, figure, moment, one_in, one_line, pad, plural, stamp, wrap

_WIDTH: Final = 80


def card_text(view: View, width: int = _WIDTH, *, gone: Collection[str] = (), maps: Collection[str] = ()) -> str:
    """The whole card.

    Args:
        view: the card with what the monitors know.
        width: columns.
        gone: digests of files of reports that are not there any more.
        maps: lines on crosswalks (`syscard.render.crosswalks`), which need more than the standard library.
    """
    card = view["card"]
    sections = (
        ("", _identity(view, width)),
        ("CLAIMS  (promises are declared, figures measured)", _claims(view, width)),
        ("COMPONENTS", _components(view, width)),
        ("INTERACTIONS", _interactions(view, width)),
        ("WATCHED", matrix_text(view, width)),
        ("GROUPS", groups_text(view, width, every=False)),
        ("RISKS", _risks(card, width)),
        ("UNKNOWNS  (declared)", _unknowns(card, width)),
        ("INCIDENTS", iter(incident_list_text(view, width).splitlines())),
        *((("DATASETS  (declared)", _datasets(card, width)),) if card.get("datasets") else ()),
        *((("WAIVERS", waiver_lines(view, width)),) if card.get("waivers") else ()),
        *((("APPROVALS", approval_lines(view, width)),) if card.get("approvals") else ()),
        *((("GATE RUNS", gate_run_lines(view, width)),) if card.get("gate_runs") else ()),
        ("BASELINE", _baseline(card, width)),
        *((("REPORTS", reports_lines(card, width, gone)),) if card.get("reports") else ()),
        *((("CROSSWALKS", iter(maps)),) if maps else ()),
        ("TRACING", _tracing(view, width)),
        ("EVIDENCE", _evidence(view, width)),
    )
    lines: list[str] = []
    for title, body in sections:
        found = list(body)
        lines += [*([""] if lines else []), *([title] if title else []), *(found or ["  none"])]
    return "\n".join(lines) + "\n"


def _identity(view: View, width: int) -> Iterator[str]:
    card, identity = view["card"], view["card"]["identity"]
    yield from wrap(f"{one_line(identity.get('name', card['system']))} {one_line(identity.get('version', ''))}", width)
    yield f"card v{card['version']}  {stamp(moment(card['observed']))}"
    yield from wrap(f"digest {view['digest']}", width)
    yield from ("", "DECLARED  (by its team, not measured)")
    for label, text in answered(identity):
        yield from _labelled(label, text, width)
    for label, text in documented(identity):
        yield from wrap(text, width, first=f"  {label}: ", rest="    ")


def _labelled(label: str, text: str, width: int, indent: str = "  ") -> list[str]:
    return wrap(text, width, first=f"{indent}{pad(label, 14)}")


def _claims(view: View, width: int) -> Iterator[str]:
    for ref in view["card"]["claims"]:
        row = claim_row(view, ref)
        evidence = f"  {row.evidence}" if row.evidence else ""
        flag = f"  {row.waived}" if row.waived else ""
        yield from wrap(f"{pad(row.word, 8)} {row.id}{flag}", width, first=f"{row.mark} ")
        yield from wrap(f"{row.says} ({row.about})", width, first=" " * 11)
        yield from wrap(row.text + evidence, width, first=" " * 11)


def _components(view: View, width: int) -> Iterator[str]:
    for ref, part in view["card"]["components"].items():
        declared = part["declared"] or {}
        yield from wrap(f"{one_line(ref)}  {_state(part)}", width, first="  ")
        kind = ", ".join(one_line(declared[k]) for k in ("kind", "name", "supplier") if declared.get(k))
        for label, text in (
            ("declared", kind or "no: only spans know it"),
            ("owner", f"{one_line(declared['owner'])} (declared)" if declared.get("owner") else "nobody"),
            ("version", versions_text(part)),
            *_seen(view, ref),
            ("texts", encoder_text(view, ref)),
            ("limits", "; ".join(f"{one_line(x)} (declared)" for x in declared.get("limitations", ()))),
        ):
            yield from _labelled(label, text, width, "    ") if text else ()


def _seen(view: View, ref: str) -> Iterator[tuple[str, str]]:
    """Since when and until when calls carried a version, model or prompt, and how many."""
    for what, value, first, last, calls in version_rows(view, ref):
        yield "seen", f"{what} {value}: {first} to {last}, {plural(calls, 'call')}"


def _tracing(view: View, width: int) -> Iterator[str]:
    """How well the system is traced: figures of the newest windows."""
    live = view["live"] or {}
    for told in live.get("tracing", ()):
        mark = {"ok": " ", "bad": "!"}.get(told["state"], "?")
        yield from wrap(tracing_text(told, live["watcher"].get("kept")), width, first=f"{mark} ", rest="    ")


def _state(part: dict[str, Any]) -> str:
    why = f": {one_line(part['why'])}" if part["why"] else ""
    incident = f"  INC-{part['incident']}" if part["incident"] is not None else ""
    return f"{part['state'].upper()} since {stamp(moment(part['since']))}{why}{incident}"


def _interactions(view: View, width: int) -> Iterator[str]:
    card, parts = view["card"], (view["live"] or {}).get("parts", {})
    for ref, edge in card["interactions"].items():
        declared = edge["declared"]
        yield from wrap(f"{one_line(ref)}  {_state(edge)}", width, first="  ")
        yield from _labelled("declared", spread(declared) or "yes", width, "    ") if declared else ["    NOT DECLARED"]
        yield from _labelled("observed", observed_text(edge) + said_by(view, f"interactions/{ref}"), width, "    ")
        yield from (
            line for ref in edge.get("examples", ())[:1] for line in _labelled("e.g.", one_line(ref), width, "    ")
        )
        now = parts.get(ref, {})
        for text in (*traffic_lines(now), silence_text(now)):
            yield from wrap(text, width, first="    ", rest="      ") if text else ()


def _risks(card: dict[str, Any], width: int) -> Iterator[str]:
    for ref, risk in card["risks"].items():
        says = one_line(risk["declared"].get("says", ""))
        yield from wrap(says, width, first=f"  {one_line(ref)}  ")
        yield from _labelled("declared", spread(risk["declared"], skip=("id", "says")), width, "      ")
        seen = ", ".join(f"INC-{n}" for n in risk["observed_in"])
        text = f"in {seen}: {'; '.join(one_line(s) for s in risk['says'])}" if seen else "not observed so far"
        yield from _labelled("observed", text, width, "      ")
        if of_catalogue := of_declared(card, risk["declared"]):
            yield from _labelled("assessed", of_catalogue, width, "      ")
    yield from section_lines(card, width)


def _unknowns(card: dict[str, Any], width: int) -> Iterator[str]:
    for ref, unknown in card["unknowns"].items():
        due = f" ({one_line(unknown.get('owner', 'nobody'))}, by {one_line(unknown.get('answer_by', '?'))})"
        yield from wrap(one_line(unknown.get("says", "")) + due, width, first=f"? {one_line(ref)}  ")


def _datasets(card: dict[str, Any], width: int) -> Iterator[str]:
    for ref, dataset in card.get("datasets", {}).items():
        yield from wrap(one_line(dataset.get("name", "")), width, first=f"  {one_line(ref)}  ")
        users = [r for r, c in card["components"].items() if ref in ((c["declared"] or {}).get("datasets") or ())]
        used = ", ".join(map(one_line, dict.fromkeys((*dataset.get("used_by", ()), *users)))) or "by no component"
        yield from _labelled("declared", spread(dataset, skip=("name", "used_by")), width, "      ")
        yield from _labelled("used", used, width, "      ")


def _baseline(card: dict[str, Any], width: int) -> Iterator[str]:
    base = card["baseline"]
    if base is None:
        yield "  none set: drift cannot be judged (syscard baseline set)"
        return
    yield from wrap(f"{one_line(base['name'])}: {plural(base['requests'], 'request')}, "
                    f"{stamp(moment(base['start']))} to {stamp(moment(base['end']))}", width, first="  ")  # fmt: skip
    yield from _labelled("approved by", one_line(base["approved_by"]), width)
    yield from _labelled("halves", halves_text(base).removeprefix("halves "), width)
    yield from _labelled("watched", ", ".join(map(one_line, base["watched"])) or "nothing", width)
    yield from _labelled("too constant", ", ".join(map(one_line, base["too_constant"])) or "none", width)
    for one in base.get("degenerate", ()):
        yield from _labelled(one_line(one["kind"]), f"{one_line(one['signal'])}: {one_line(one['says'])}", width)


def _evidence(view: View, width: int) -> Iterator[str]:
    for item in referenced(view):
        yield from _figure(item, width)


def _figure(item: dict[str, Any], width: int) -> list[str]:
    """One evidence record: figure, n, window, method and the beginning of its digest."""
    fig = item["figure"]
    text = f"{one_line(fig['about'])} {one_line(fig['metric'])} {evidence_value(fig)}  n {fig['n']:,}  "
    text += f"to {stamp(moment(fig['window_end']))}  {method_text(fig) or 'by effect alone'}  {item['digest'][:12]}"
    return wrap(text, width, first=f"  {pad(item['id'], 6)}")


def incident_text(view: View, number: int, width: int = _WIDTH, *, gone: Collection[str] = ()) -> str:
    """An incident in words, with its timeline, evidence and traces.

    Raises:
        NotOnTheCard: names the incidents there are.
    """
    faces = incident_faces(view)
    for face in faces:
        if face.number == number:
            return "\n".join(_incident(view, face, width, gone)) + "\n"
    raise NotOnTheCard(f"no incident INC-{number} on this card; there is: {', '.join(i.name for i in faces) or 'none'}")


def _incident(view: View, face: IncidentFace, width: int, gone: Collection[str]) -> Iterator[str]:
    raw = next(i for i in view["card"]["incidents"].values() if i["number"] == face.number)
    yield from wrap(f"{face.name}  {face.severity}  {face.subject}: {face.title}", width, rest="  ")
    yield from _labelled("state", _incident_state(face), width)
    rows = (*standing(view, raw), ("owner", face.owner or "nobody"), ("unchanged", ", ".join(raw["unchanged"])))
    yield from (line for label, text in rows if text for line in _labelled(label, one_line(text), width))
    yield from ("", "IN WORDS  (from templates, no language model)")
    *told, traces = passages(view, raw, face)
    for passage in told:
        for n, text in enumerate(passage.says):
            yield from _labelled("" if n else passage.asks, text, width)
    yield from _labelled(traces.asks, "syscard doctor trace TRACE shows its spans", width)
    yield from (line for text in traces.says for line in wrap(text, width, first="    "))
    yield from ("", "SIGNALS")
    for text in face.what:
        yield from wrap(text, width, first="  ", rest="    ")
    yield from (line for text in rules_text(view, raw) for line in wrap(text, width, first="  ", rest="    "))
    if lines := list(verdict_lines(raw.get("attribution") or {"parts": ()})):
        said = said_by(view, f"incidents/{face.number}/attribution")
        yield from ("", *wrap(f"WHO CHANGED  (given what reaches it; share of the damage){said}", width))
        yield from (line for text in lines for line in wrap(text, width, first="  ", rest="    "))
    yield from ("", "EVIDENCE")
    for digest in dict.fromkeys(d for d in (*(f["evidence"] for f in raw["findings"]), raw.get("attributed_by")) if d):
        item = view["card"]["evidence"].get(digest)
        yield from _figure(item, width) if item else [f"  {digest[:12]}  is not on the card"]
    for report in raw.get("reports", ()):
        yield from wrap(f"report {files_text(report, gone)}", width, first="  ")
    yield from ("", "TIMELINE")
    for at, who, what in face.events:
        yield from wrap(f"{who}: {what}", width, first=f"  {stamp(at)}  ")


def _incident_state(face: IncidentFace) -> str:
    by = f" by {face.acknowledged_by}" if face.acknowledged_by else ", nobody has it" if face.is_open else ""
    why = f": {face.resolution}" if face.resolution else ""
    return f"{face.state.replace('_', ' ').upper()}{by}{why}"


def part_text(view: View, ref: str, width: int = _WIDTH) -> str:
    """One component or edge: its state, whose it is, what is declared and seen of it, and its signals.

    Raises:
        NotOnTheCard: names the parts there are.
    """
    card = view["card"]
    parts = {**card["components"], **card["interactions"]}
    if ref not in parts:
        raise NotOnTheCard(f"no part '{one_line(ref)}' on this card; there is: {', '.join(map(one_line, parts))}")
    return "\n".join(_part(view, parts[ref], width)) + "\n"


def _part(view: View, part: dict[str, Any], width: int) -> Iterator[str]:
    ref = part["ref"]
    yield from wrap(f"{one_line(ref)}  {_state(part)}", width, rest="  ")
    rows = (*_about_part(view, part), *incident_rows(view, ref))
    yield from (line for label, text in rows for line in _labelled(label, text, width))
    yield from ("", "RISKS  (likelihood: assessments that saw it, 95 %)")
    yield from risk_lines(view, ref, width)
    yield from ("", "SIGNALS  (live, newest window)")
    own = [s for s in by_interest((view["live"] or {}).get("signals", {}).values()) if s["about"] == ref]
    yield from (line for s in own for line in wrap(signal_text(s), width, first="  ", rest="    "))
    yield from () if own else ("  nothing watches this part",)


def _about_part(view: View, part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whose it is, what is declared of it, and what was seen."""
    card, ref = view["card"], part["ref"]
    yield "owner", owner_of(card, ref) or "nobody"
    if "->" in ref:
        yield from agreed(part)
        yield "review", review(card, declared_here(card, ref), ref)
        yield from traffic(view, part)
        return
    yield "version", versions_text(part)
    yield from _seen(view, ref)
    yield "review", review(card, declared_here(card, ref), ref)
    yield "declared", spread(part["declared"] or {}) or "NOT DECLARED"


def signal_text(signal: dict[str, Any]) -> str:
    """`BREACH agrees with the catalogue 0.91 -> 0.30  tolerance 0.05  n 20`, or why there is no verdict."""
    unit = one_line(signal["unit"])
    text = f"{signal['state'].upper()} {one_line(signal['label'])}"
    if signal["value"] is None:
        return f"{text}: {one_line(signal['why']) or 'no value'}"
    was = f"{figure(signal['reference'], unit)} -> " if signal["reference"] is not None else ""
    tolerance = f"  tolerance {signal['tolerance']:g}" if signal["tolerance"] is not None else ""
    why = f"  {one_line(signal['why'])}" if signal["why"] else ""
    rare = one_in(signal.get("one_in")) if signal["state"] in ("warn", "breach") else ""
    tested = f"  evidence {rare}, asked for {one_in(signal['one_in_needed'])}" if rare else ""
    value = beside(figure(signal["value"], unit), signal.get("sampled"))
    return f"{text} {was}{value}{tolerance}  n {signal['n']:,}{tested}{why}"


def incident_list_text(view: View, width: int = _WIDTH) -> str:
    """One line an incident, open ones first."""
    faces = incident_faces(view)
    if not faces:
        return "  none so far\n"
    subject = min(24, max(cells(i.subject) for i in faces))
    lines = []
    for i in faces:
        start = f"{'!' if i.is_open else ' '} {pad(i.name, 7)} {pad(i.severity, 6)} {pad(i.state, 14)}"
        lines += wrap(
            f"{i.title} (since {stamp(i.since)})", width, first=f"{start} {pad(i.subject, subject)}  ", most=2
        )
    return "\n".join(lines) + "\n"


def candidates_text(view: View, width: int = _WIDTH) -> str:
    """Breaches on their way: beyond the tolerance, and not yet for long enough or with too little evidence."""
    signals = (view["live"] or {}).get("signals", {}).values()
    lines = [
        line
        for signal in signals
        if signal["state"] == "warn"
        for line in wrap(
            f"{signal_text(signal)} (since {stamp(moment(signal['since']))})",
            width,
            first=f"? candidate  {pad(one_line(signal['about']), 20)}  ",
            most=2,
        )
    ]
    return "\n".join(lines or ["  no candidate: nothing is beyond its tolerance"]) + "\n"


def diff_text(changes: Iterable[Change], width: int = _WIDTH) -> str:
    """The material differences, a line each; says so when there are none."""
    lines = [
        line for change in changes for line in wrap(_with_ref(change), width, first=f"{change.mark} ", rest=" " * 12)
    ]
    return "\n".join(lines or ["no material change"]) + "\n"


def _with_ref(change: Change) -> str:
    return change.text if change.ref in change.text.split() else f"{change.text}  {change.ref}"
