"""Who lets what pass until when, who signed, what the law asks for, and what it costs. Standard library only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from syscard.render.crosswalks import summaries
from syscard.render.page import Occasion, Section, Table
from syscard.signing import WaiverRow, approval_rows, waiver_rows
from syscard.views import View
from syscard.words import moment, one_line, plural, share, span_of, stamp

if TYPE_CHECKING:
    from syscard.crosswalks import CrosswalkSummary

_SHOWS: Final = {"full": "in full", "partial": "in part", "none": "not at all"}


def waivers(view: View, now: datetime) -> Section:
    """Those in force, the one that ends first before the others; those that are not are a count."""
    known = waiver_rows(view, now)
    in_force = sorted((row for row in known if row.state == "holds"), key=lambda row: row.expires)
    rows = tuple(_waiver_row(row, now) for row in in_force)
    rest = len(known) - len(in_force)
    says = (f"{plural(rest, 'waiver')} over, revoked or not begun: none of them lets anything pass.",) if rest else ()
    heads = ("Waiver", "Lets pass", "What it covers", "Asked for by", "Granted by", "Expires", "Reason")
    none = "No waiver is in force: every gate decides by its rules."
    return Section("waivers", "Waivers in force", says=says, tables=(Table("Waivers in force", heads, rows, none),))


def _waiver_row(row: WaiverRow, now: datetime) -> tuple[str, ...]:
    expires = moment(row.expires)
    left = f", in {span_of(expires - now)}" if expires else ""
    scope = ", ".join(row.scope) or "where the rule names nothing"
    # What people wrote stays in the home, where it can be erased.
    reason = "written down in the home" if row.reason is not None else "erased"
    return row.id, row.rule, scope, row.requested_by, row.approver, f"{stamp(expires)}{left}", reason


def sign_offs(view: View) -> Section:
    """The newest decision of every role, and whether it still counts."""
    rows = tuple(
        (
            row.role,
            f"{row.person}, {row.signed_by}",
            row.words,
            f"v{row.version}, digest {row.over[:12]}",
            stamp(moment(row.at)),
        )
        for row in reversed(approval_rows(view))
    )
    heads = ("Role", "Person", "Decision", "Over", "When")
    none = "Nobody has signed this card off."
    return Section("signoffs", "Sign-offs", tables=(Table("Newest decision of each role", heads, rows, none),))


def crosswalk(view: View, now: datetime) -> Section:
    """How much of what each framework asks for stands on the card, and how much of that traces can show at all."""
    from syscard.crosswalks import LIMITS  # brings pydantic, which no other section needs

    rows = tuple(_framework_row(one) for one in summaries(view, now))
    heads = ("Framework", "Regime (stated by the team)", "What stands", "What traces can show at all")
    none = "No framework is mapped."
    return Section("crosswalk", "Regulations: what this card can show", says=(LIMITS,), tables=(
        Table("Item by item: syscard crosswalk", heads, rows, none),
    ))  # fmt: skip


def _framework_row(one: CrosswalkSummary) -> tuple[str, ...]:
    shows = ", ".join(f"{count} {_SHOWS[how]}" for how, count in one.evidenceability.items() if count)
    return f"{one_line(one.name)} ({one_line(one.version)})", one_line(one.regime), one_line(one.says), shows


def cost(occasion: Occasion | None) -> Section:
    """What one accepted recommendation costs, or what is missing to say so."""
    return Section("cost", "Cost per accepted recommendation", says=tuple(_cost(occasion)))


def _cost(occasion: Occasion | None) -> list[str]:
    if occasion is None or occasion.seen is None:
        why = occasion.why_not_seen if occasion and occasion.why_not_seen else "a period: syscard snapshot --period 7d"
        return [f"unknown: needs {why}."]
    seen = occasion.seen
    if not seen.requests:
        return ["unknown: needs requests, and none came in the period."]
    if seen.cost is None:
        return [f"unknown: needs spans that say what a call costs (gen_ai.usage.cost); {seen.requests:,} requests say "
                "nothing of it."]  # fmt: skip
    if not seen.accepted:
        told = f"{plural(seen.answers, 'answer')}, none accepted" if seen.answers else "no answer came"
        return [f"unknown: needs feedback that something was accepted (syscard.feedback.accepted); {told}."]
    part = ""
    if seen.with_cost < seen.requests:
        part = f" Only {share(seen.with_cost / seen.requests)} of requests say what they cost, so it is more than that."
    return [
        f"{seen.cost / seen.accepted:.4g} for each of {seen.accepted:,} accepted: {seen.cost:.4g} for "
        f"{seen.with_cost:,} requests, in the currency that spans use. {seen.answers:,} answers came.{part} Counted "
        "from the spans of the period for this snapshot; it stands in its JSON and is no evidence record."
    ]
