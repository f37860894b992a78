"""What is promised, what groups get, and the evidence of both. Standard library only."""

from __future__ import annotations

from typing import Any, Final

from syscard.faces import claim_row
from syscard.render.facts import evidence_value, is_share_of_group, method_text, said_by
from syscard.render.groups import APART_HEADS, HEADS, apart, caption, groups_of, rows, why_none
from syscard.render.page import Section, Table
from syscard.samples import beside
from syscard.slices import claim_status, figures_text, missing_text
from syscard.views import View
from syscard.words import moment, one_line, plural, stamp

_RESTS_ON: Final = "What the claims and incidents of this card rest on; the chain holds every record there was"


def claims(view: View) -> Section:
    """Every promise with its figures, and those by group."""
    card = view["card"]
    rows, groups = [], []
    for ref, claim in card["claims"].items():
        rows.append(_claim_row(view, ref, claim))
        groups += [(one_line(ref), *_slice_cells(view, claim, s)) for s in claim["slices"][1:]]
    figures = ("Status", "Value and interval", "n", "Evidence")
    return Section("claims", "What is promised, and how it stands", chart="claims", tables=(
        Table("Claims over all traffic", ("Claim", "Promise (declared)", *figures, "Since"), tuple(rows),
              "No claim is declared."),
        Table("Claims by group", ("Claim", "Group", *figures), tuple(groups), "No claim is measured by group.",
              detail=True),
    ))  # fmt: skip


def groups(view: View) -> Section:
    """Every metric by segment."""
    found = groups_of(view)
    says = (_counts(found), caption(found)) if found else ()
    return Section("groups", "What groups of requests get", says=says, tables=(
        Table("Groups that are furthest apart, a row a metric", APART_HEADS, apart(view), f"{why_none(view)}.",
              ranked=True),
        Table("Every metric by segment, small groups are unknown", HEADS, rows(view), "None.", detail=True),
    ))  # fmt: skip


def _counts(found: dict[str, Any]) -> str:
    """`2 metrics uneven, 14 even, 8 unknown`."""
    states = [told["state"] for told in found["disparities"]]
    uneven, even, unknown = (states.count(state) for state in ("uneven", "even", "unknown"))
    return f"{plural(uneven, 'metric')} uneven, {even} even, {unknown} unknown."


def _claim_row(view: View, ref: str, claim: dict[str, Any]) -> tuple[str, ...]:
    overall, row = claim["slices"][0], claim_row(view, ref)
    _, status, *figures = _slice_cells(view, claim, overall)
    status = row.word if claim_status(claim) == overall["status"] else f"{row.word} in a group"
    status += f", {row.waived}" if row.waived else ""
    promise = f"{row.says} {one_line(claim['declared'].get('expect', '?'))} ({row.about})"
    return one_line(ref), promise, status, *figures, stamp(row.since)


def _slice_cells(view: View, claim: dict[str, Any], s: dict[str, Any]) -> tuple[str, ...]:
    """Group, status, value and interval, n, evidence: the record, else the edit that says why there is none."""
    declared, found = claim["declared"], view["card"]["evidence"].get(s["evidence"] or "")
    evidence = found["id"] if found else "none" + said_by(view, f"claims/{claim['id']}")
    if is_share_of_group(s, declared):
        shown = beside(figures_text(s, {}), s.get("sampled"))
        return one_line(s["slice"]), "shown, not judged", shown, f"{s['n']:,}", evidence
    value = beside(figures_text(s, declared) if s["value"] is not None else missing_text(s), s.get("sampled"))
    why = f"; {one_line(s['why'])}" if s["value"] is not None and s["why"] else ""
    status = s["status"] if s["status"] == "holds" else s["status"].upper()
    return one_line(s["slice"]), status, value + why, f"{s['n']:,}", evidence


def evidence(view: View) -> Section:
    """The records that the card rests on, and the reports of periods."""
    rows = tuple(_evidence_row(item) for item in view["card"]["evidence"].values())
    heads = ("Evidence", "About", "Metric", "Value and interval", "n", "Method", "Window", "Digest")
    return Section(
        "evidence",
        "Annex: evidence",
        annex=True,
        tables=(Table(_RESTS_ON, heads, rows, "None so far."), *_periodic(view)),
    )


def _evidence_row(item: dict[str, Any]) -> tuple[str, ...]:
    fig = item["figure"]
    window = f"{stamp(moment(fig['window_start']))} to {stamp(moment(fig['window_end']))}"
    method = method_text(fig) or "no test"
    about, metric = one_line(fig["about"]), one_line(fig["metric"])
    return item["id"], about, metric, evidence_value(fig), f"{fig['n']:,}", method, window, item["digest"]


def _periodic(view: View) -> tuple[Table, ...]:
    """Reports that are made every so often, by the digests under which they are kept; no table where none is made."""
    rows = tuple(
        (f"{stamp(moment(r['start']))} to {stamp(moment(r['end']))}", f"{r['requests']:,}",
         one_line(r["why"]) or f"{r['drifted']} of {r['compared']} signals drifted", one_line(r["engine"]) or "none",
         r["document_sha256"] or "none" + said_by(view, f"reports/{r['start']}"))
        for r in reversed(view["card"].get("reports", ()))
    )  # fmt: skip
    heads = ("Period", "Requests", "Found", "Made by", "Digest")
    return (Table("Reports of periods, kept in reports/ under their digests", heads, rows, ""),) if rows else ()
