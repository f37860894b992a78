"""`waive` and `approve`: what is let pass for a time, by whom, and who signed for a card."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syscard_tui.incident_writing import until_of, words_of, write
from syscard_tui.options import AsJson, note, options_of, say, say_json, version_number
from syscard_tui.usage import GrantGroup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from syscard.card import Card
    from syscard.edits import Body
    from syscard.gates import Policy, Rule
    from syscard.views import View
    from syscard_tui.options import Options

_DIGEST_SHOWN = 12
"""Digits of a digest by which a card may be named."""


class Decision(StrEnum):
    """What somebody makes of a card."""

    APPROVE = "approve"
    REJECT = "reject"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    waive = typer.Typer(cls=GrantGroup, no_args_is_help=True, help="Waivers: waive RULE ..., list, revoke.")
    waive.command("grant")(grant)
    waive.command("list")(list_waivers)
    waive.command("revoke")(revoke)
    app.add_typer(waive, name="waive")
    app.command("approve")(approve)


def grant(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(help="Id of the policy's rule, e.g. fair.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words.", show_default=False)],
    control: Annotated[str, typer.Option("--control", help="What is done meanwhile in its place.", show_default=False)],
    approver: Annotated[str, typer.Option("--approver", help="Who grants it: another.", show_default=False)],
    expires: Annotated[
        str, typer.Option("--expires", help="How long: 30d; or until 2026-12-31T12:00 (UTC).", show_default=False)
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it covers, e.g. a claim; again for more. Else what the rule fails for now."),
    ] = None,
    requested_by: Annotated[
        str, typer.Option("--requested-by", help="Who asks for it; else you.", show_default=False)
    ] = "",
    stage: Annotated[str, typer.Option(help="The stage of the policy.")] = "promote",
    policy: Annotated[Path | None, typer.Option("--policy", help="YAML of rules; else ours.")] = None,
) -> None:
    """Let a rule of a gate pass for a time, for what it fails for now: `waive RULE` is `waive grant RULE`."""
    from syscard.digest import text_digest
    from syscard.waivers import Waive
    from syscard_tui.wiring import author, stage_policy

    rules, options = stage_policy(stage, policy), options_of(context)
    asked = _waivable(rules, rule)
    view = options.view()
    why, meanwhile = words_of(reason, "--reason is empty"), words_of(control, "--control is empty")

    def make(card: Card, at: datetime) -> list[Body]:
        end = _end(expires, at, rules)
        covered = _scope(asked, view, at, scope or ())
        return [Waive(id=f"W-{len(card.waivers) + 1}", rule=rule, scope=covered, reason_sha256=text_digest(why),
                      control_sha256=text_digest(meanwhile), requested_by=requested_by or author().name,
                      approver=approver, starts=at, expires=end)]  # fmt: skip

    card = write(options, f"waiver of {rule}", make, (why, meanwhile))
    new = list(card.waivers.values())[-1]
    covers = f" for {', '.join(new.scope)}" if new.scope else ""
    say(f"{new.id}: {new.rule}{covers} is waived until {new.expires:%Y-%m-%d %H:%M} UTC, card v{card.version}")


def _waivable(policy: Policy, name: str) -> Rule:
    """A rule that may be waived.

    Raises:
        UsageError: the policy has none of this name, or does not let it be waived.
    """
    from syscard.errors import UsageError

    rule = policy.rule(name)
    if rule is None:
        known = ", ".join(rule.id for rule in policy.rules)
        raise UsageError(f"the policy of {policy.stage} has no rule '{name[:60]}'; there is: {known}")
    if not rule.waivable:
        raise UsageError(f"{name} may never be waived: the policy of {policy.stage} says waivable: false")
    return rule


def _end(expires: str, at: datetime, policy: Policy) -> datetime:
    from syscard.errors import UsageError
    from syscard.units import duration_text

    end, most = until_of(expires, at), policy.waivers.at_most
    if end <= at:
        raise UsageError(f"--expires {expires}: it has passed")
    if end - at > most:
        raise UsageError(f"--expires {expires}: the policy of {policy.stage} lets none last over {duration_text(most)}")
    return end


def _scope(rule: Rule, view: View, at: datetime, said: Sequence[str]) -> tuple[str, ...]:
    """What a waiver covers: what is said, else what the rule fails for now. What breaks later is never covered.

    Raises:
        UsageError: what is said is not on the card, or nothing fails.
    """
    from syscard.errors import UsageError
    from syscard.gates.facts import gate_input
    from syscard.gates.figures import figure
    from syscard.words import one_line

    facts = gate_input(view["card"], view["live"], at)
    found = figure(rule, facts)
    tables = ("claims", "parts", "incidents", "risks", "unknowns", "groups", "compared", "signals")
    known = {*found.items, *(rule.roles or ()), *(name for table in tables for name in facts[table])}
    if lost := [name for name in said if name not in known]:
        fails_for = ", ".join(map(one_line, found.items)) or "-"
        raise UsageError(f"--scope {one_line(lost[0])[:60]}: not on the card; {rule.id} fails for {fails_for}")
    if not said and found.does(rule):
        raise UsageError(f"{rule.id} does not fail now: name what to waive ahead with --scope")
    return tuple(dict.fromkeys(said or found.items))


def list_waivers(context: typer.Context, as_json: AsJson = False) -> None:
    """Waivers: what for, until when, who granted them, why, and which hold now."""
    from syscard.clock import system_clock
    from syscard.render.signing import waiver_lines
    from syscard.signing import waiver_rows

    view, now = options_of(context).view(), system_clock()
    if as_json:
        say_json([asdict(row) for row in waiver_rows(view, now)])
        return
    for line in waiver_lines(view, 80, now):
        say(line.removeprefix("  "))
    if not view["card"].get("waivers"):
        note("nothing is waived")


def revoke(
    context: typer.Context, waiver: Annotated[str, typer.Argument(help="As in the list: W-1.", metavar="WAIVER")]
) -> None:
    """Take a waiver back before its end: the rule counts again at once."""
    from syscard.errors import NotOnTheCard, UsageError
    from syscard.waivers import RevokeWaiver

    name = waiver.strip().upper()

    def make(card: Card, at: datetime) -> list[Body]:
        if name not in card.waivers:
            raise NotOnTheCard(f"no waiver {name[:60]}; there is: {', '.join(card.waivers) or 'none'}")
        if card.waivers[name].revoked or card.waivers[name].expires <= at:
            raise UsageError(f"{name} is over already: see it with: syscard waive list")
        return [RevokeWaiver(id=name)]

    card = write(options_of(context), f"end of {name}", make)
    say(f"{name} revoked, card v{card.version}")


def approve(
    context: typer.Context,
    role: Annotated[str, typer.Option("--role", help="In which role, e.g. risk-owner.", show_default=False)],
    decision: Annotated[Decision, typer.Option(help="What you make of the card.")] = Decision.APPROVE,
    comment: Annotated[str, typer.Option("--comment", help="In words.", show_default=False)] = "",
    over: Annotated[
        str, typer.Option("--over", help="Digest of the card you have read; it must be that one.", show_default=False)
    ] = "",
    version: Annotated[
        str, typer.Option("--version", help="The card you have read, e.g. v12; else the newest.", show_default=False)
    ] = "",
) -> None:
    """Approve a card, or reject it, in a role, and sign that: it counts for gates while nothing material changes."""
    from syscard.approval_signatures import signed
    from syscard.approvals import ROLE, Approve
    from syscard.digest import text_digest
    from syscard.errors import UsageError
    from syscard.material import material_digest
    from syscard_tui.snapshots import key_of
    from syscard_tui.wiring import author

    if not ROLE.fullmatch(role):
        raise UsageError(f"--role {role[:60]}: small letters, digits, - and _, such as risk-owner")
    options = options_of(context)
    words = words_of(comment, "--comment is empty") if comment else ""
    read, who = _read_card(options, version) if version else None, author()
    key = key_of(options.house())

    def make(card: Card, _at: datetime) -> list[Body]:
        meant = read or card
        _is_the_one(meant, over)
        material = material_digest(meant.model_dump(mode="json"))
        said = {"comment_sha256": text_digest(words)} if words else {}
        about = {"over": meant.digest, "version": meant.version, "material": material}
        body = Approve.model_validate({"role": role, "decision": decision.value, **about, **said})
        return [signed(body, f"{who.kind}:{who.name}", key)]

    card = write(options, f"{decision} by {role}"[:200], make, (words,) if words else ())
    new = card.approvals[-1]
    counts = new.material == material_digest(card.model_dump(mode="json"))
    later = "" if counts else "; the card has changed since: it does not count"
    say(f"{new.role}: {'approved' if new.decision == 'approve' else 'rejected'} v{new.version} "
        f"({new.over[:_DIGEST_SHOWN]}) by {new.person}, card v{card.version}{later}")  # fmt: skip


def _read_card(options: Options, version: str) -> Card:
    house, ref = options.house(), options.ref()
    with house.records() as records:
        return records.card(ref, version_number(version))


def _is_the_one(card: Card, over: str) -> None:
    """Refuse a card that is not the one whose digest was read.

    Raises:
        UsageError: its digest is another, or too little of it is given.
    """
    from syscard.errors import UsageError

    if over and len(over) < _DIGEST_SHOWN:
        raise UsageError(f"--over {over}: give at least {_DIGEST_SHOWN} digits of the card's digest")
    if over and not card.digest.startswith(over.lower()):
        what = f"v{card.version} has the digest {card.digest[:_DIGEST_SHOWN]}..."
        raise UsageError(f"--over {over[:_DIGEST_SHOWN]}: {what}: name the card that you have read with --version")
