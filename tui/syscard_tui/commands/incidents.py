"""`incident`: what broke, and what people do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from syscard_tui.commands import accounting, attribution, silencing
from syscard_tui.incident_writing import (
    Number,
    allowed,
    known,
    may_merge,
    move,
    note_on,
    number_of,
    until_of,
    words_of,
    write,
)
from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from syscard.incident_states import IncidentState

Reason = Annotated[str, typer.Option("--reason", help="Why, in words.")]
NeededReason = Annotated[str, typer.Option("--reason", help="Why, in words.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Incidents: what broke, who has it, what became of it.")
    group.command("list")(list_incidents)
    group.command("show")(show)
    group.command("ack")(acknowledge)
    group.command("assign")(assign)
    group.command("note")(note)
    group.command("mitigate")(mitigate)
    group.command("resolve")(resolve)
    group.command("reopen")(reopen)
    group.command("review")(review)
    group.command("merge")(merge)
    group.command("accept")(accept)
    group.command("false-positive")(false_positive)
    group.command("severity")(severity)
    attribution.register(group)
    silencing.register(group)
    accounting.register(group)
    app.add_typer(group, name="incident")


def list_incidents(
    context: typer.Context,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are open or held back.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also candidates: breaches on their way.")] = False,
    severity: Annotated[str, typer.Option(help="Only this severity: page, ticket or note.")] = "",
    as_json: AsJson = False,
) -> None:
    """All incidents, open ones first."""
    from syscard.errors import UsageError
    from syscard.incident_documents import incident_row
    from syscard.incident_states import LIVE_STATES
    from syscard.render.cardtext import candidates_text, incident_list_text

    if severity not in ("", "page", "ticket", "note"):
        raise UsageError(f"--severity {severity}: write page, ticket or note")
    view = options_of(context).view()
    raw = view["card"]["incidents"]
    kept = {
        number: one
        for number, one in raw.items()
        if severity in ("", one["severity"]) and (not only_open or one["state"] in LIVE_STATES)
    }
    if as_json:
        say_json([incident_row(one) for one in kept.values()])
        return
    say(incident_list_text({**view, "card": {**view["card"], "incidents": kept}}))
    if everything:
        say(candidates_text(view))


def show(context: typer.Context, incident: Number, as_json: AsJson = False) -> None:
    """One incident in words: what, since when, where, evidence, what is not known, what to do first."""
    from syscard.incident_documents import incident_document
    from syscard.render.cardtext import incident_text
    from syscard_tui.pages import gone_from

    view, number = options_of(context).view(), number_of(incident)
    if as_json:
        say_json(incident_document(view["card"], number))
    else:
        say(incident_text(view, number, gone=gone_from(options_of(context).home(), view)))


def acknowledge(context: typer.Context, incident: Number) -> None:
    """Say that you are on it."""
    _move(context, incident, "acknowledged")


def mitigate(context: typer.Context, incident: Number, reason: Reason = "") -> None:
    """Say that something is being done against it."""
    _move(context, incident, "mitigating", reason)


def resolve(
    context: typer.Context,
    incident: Number,
    how: Annotated[str, typer.Option("--as", help="fixed, rolled_back, accepted or false_positive.")] = "fixed",
) -> None:
    """Close an incident."""
    from syscard.errors import UsageError

    if how not in ("fixed", "rolled_back", "accepted", "false_positive"):
        raise UsageError(f"--as {how}: write fixed, rolled_back, accepted or false_positive")
    _move(context, incident, "false_positive" if how == "false_positive" else "resolved", resolution=how)


def false_positive(context: typer.Context, incident: Number, reason: Reason = "") -> None:
    """Say that nothing was wrong: it counts against the rules that found it."""
    _move(context, incident, "false_positive", reason, resolution="false_positive")


def reopen(context: typer.Context, incident: Number, reason: NeededReason) -> None:
    """Open an incident again that was closed, silenced or accepted."""
    _move(context, incident, "open", words_of(reason, "--reason is empty"))


def review(context: typer.Context, incident: Number, reason: Reason = "") -> None:
    """Close the book on a resolved incident: a page needs a postmortem, or a reason why it has none."""
    from syscard.errors import UsageError

    number = number_of(incident)
    view = options_of(context).view()
    known(view["card"]["incidents"], number)
    raw = view["card"]["incidents"][str(number)]
    if raw["severity"] == "page" and not raw.get("postmortems") and not reason.strip():
        raise UsageError(
            f"INC-{number} paged: attach a postmortem (syscard incident postmortem INC-{number} --attach FILE), "
            "or say with --reason why it has none"
        )
    _move(context, incident, "reviewed", reason)


def accept(
    context: typer.Context,
    incident: Number,
    until: Annotated[str, typer.Option(help="Until when: 30d, or 2026-12-24T12:00 (UTC).", show_default=False)],
    reason: NeededReason,
    approver: Annotated[str, typer.Option(help="Who accepts it; you, where nobody is named.")] = "",
) -> None:
    """Accept what it does until a time; it is open again then, if it still fires."""
    from syscard.digest import text_digest
    from syscard.edits import MoveIncident
    from syscard.errors import UsageError
    from syscard_tui.wiring import author

    number, words = number_of(incident), words_of(reason, "--reason is empty")
    who = approver.strip()[:200] or author().name

    def make(card: Any, at: Any) -> list[MoveIncident]:
        allowed(card, number, "accepted_risk")
        end = until_of(until, at)
        if end <= at:
            raise UsageError(f"--until {until}: it has passed")
        digest = text_digest(words)
        return [MoveIncident(number=number, state="accepted_risk", until=end, approver=who, text_sha256=digest)]

    card = write(options_of(context), f"accepted {incident}", make, (words,))
    end = card.incidents[number].accepted_until
    say(f"INC-{number} accepted until {end:%Y-%m-%d %H:%M} UTC by {who}, card v{card.version}")


def assign(
    context: typer.Context, incident: Number, owner: Annotated[str, typer.Argument(help="Who has it now.")]
) -> None:
    """Give an incident to somebody."""
    from syscard.incident_edits import AssignIncident

    number = number_of(incident)

    def make(card: Any, _at: Any) -> list[AssignIncident]:
        known(card.incidents, number)
        return [AssignIncident(number=number, owner=owner)]

    card = write(options_of(context), f"assigned {incident}", make)
    say(f"INC-{number} assigned to {card.incidents[number].owner}, card v{card.version}")


def note(
    context: typer.Context,
    incident: Number,
    text: Annotated[str, typer.Argument(help="What you found out.")],
) -> None:
    """Write something down on an incident."""
    options = options_of(context)
    say(note_on(options.house(), options.ref(), number_of(incident), text))


def merge(
    context: typer.Context,
    incident: Number,
    into: Annotated[str, typer.Argument(help="The incident that it is part of.", metavar="INTO")],
    force: Annotated[bool, typer.Option("--force", help="Also into an accepted one, which calls nobody.")] = False,
) -> None:
    """Make an incident part of another, which takes its findings and keeps the worse severity."""
    from syscard.incident_edits import MergeIncident

    number, target = number_of(incident), number_of(into)

    def make(card: Any, _at: Any) -> list[MergeIncident]:
        may_merge(card, number, target, force=force)
        return [MergeIncident(number=number, into=target)]

    card = write(options_of(context), f"merged {incident}", make)
    say(f"INC-{number} merged into INC-{target} ({card.incidents[target].severity}), card v{card.version}")


def severity(
    context: typer.Context,
    incident: Number,
    word: Annotated[str, typer.Argument(help="page, ticket or note.", metavar="SEVERITY")],
    reason: NeededReason,
) -> None:
    """Raise the severity of an incident; never below what monitors found."""
    from syscard.card import SEVERITIES
    from syscard.digest import text_digest
    from syscard.errors import UsageError
    from syscard.incident_edits import SetSeverity

    number, words = number_of(incident), words_of(reason, "--reason is empty")
    if word not in SEVERITIES:
        raise UsageError(f"'{word}' is no severity: write page, ticket or note")

    def make(card: Any, _at: Any) -> list[SetSeverity]:
        known(card.incidents, number)
        least = card.incidents[number].least_severity
        if SEVERITIES.index(word) > SEVERITIES.index(least):
            raise UsageError(f"INC-{number}: monitors found a {least}, and nobody lowers that: resolve or accept it")
        return [SetSeverity.model_validate({"number": number, "severity": word, "text_sha256": text_digest(words)})]

    card = write(options_of(context), f"severity of {incident}", make, (words,))
    say(f"INC-{number} is a {word}, card v{card.version}")


def _move(
    context: typer.Context, incident: str, state: IncidentState, reason: str = "", *, resolution: str | None = None
) -> None:
    options = options_of(context)
    say(move(options.house(), options.ref(), number_of(incident), state, reason, resolution=resolution))
