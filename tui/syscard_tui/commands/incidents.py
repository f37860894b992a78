"""`incident`: what broke, and what people do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.edits import Body

Number = Annotated[str, typer.Argument(help="INC-3 or 3.", metavar="INC")]
State = Literal["acknowledged", "mitigating", "resolved", "reviewed", "false_positive"]
_FROM: dict[str, tuple[str, ...]] = {
    "acknowledged": ("open",),
    "resolved": ("open", "acknowledged", "mitigating"),
    "false_positive": ("open", "acknowledged", "mitigating", "resolved"),
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Incidents: list, show, acknowledge, note, resolve.")
    group.command("list")(list_incidents)
    group.command("show")(show)
    group.command("ack")(acknowledge)
    group.command("note")(note)
    group.command("resolve")(resolve)
    app.add_typer(group, name="incident")


def list_incidents(context: typer.Context, as_json: AsJson = False) -> None:
    """All incidents, open ones first."""
    from syscard.render.cardtext import incident_list_text

    view = options_of(context).view()
    if as_json:
        say_json([_document(i) for i in view["card"]["incidents"].values()])
    else:
        say(incident_list_text(view))


def _document(raw: dict[str, Any]) -> dict[str, Any]:
    from syscard.faces import may_inherit, shows_on
    from syscard.risks import worst_of

    return {
        "number": raw["number"],
        "state": raw["state"],
        "severity": raw["severity"],
        "subject": raw["subject"],
        "title": raw["title"],
        "risk_id": worst_of(f["risk"] for f in raw["findings"] if f.get("risk")),
        "opened_at": raw["opened"],
        "since": raw["since"],
        "resolved_at": raw["resolved"],
        "attribution": {
            "first_changed": raw["subject"],
            "may_inherit": may_inherit(raw),
            "shows_on": shows_on(raw),
            "method": "order",
        },
    }


def show(context: typer.Context, incident: Number, as_json: AsJson = False) -> None:
    """One incident in words: what, since when, where, evidence, what is not known, what to do first."""
    from syscard.render.cardtext import incident_text
    from syscard_tui.pages import gone_from

    view, number = options_of(context).view(), _number(incident)
    if as_json:
        _known(view["card"]["incidents"], number)
        say_json(view["card"]["incidents"][str(number)])
    else:
        say(incident_text(view, number, gone=gone_from(options_of(context).home(), view)))


def acknowledge(context: typer.Context, incident: Number) -> None:
    """Say that you are on it."""
    _move(context, incident, "acknowledged", None)


def resolve(
    context: typer.Context,
    incident: Number,
    how: Annotated[str, typer.Option("--as", help="fixed, rolled_back, accepted or false_positive.")] = "fixed",
) -> None:
    """Close an incident."""
    from syscard.errors import UsageError

    if how not in ("fixed", "rolled_back", "accepted", "false_positive"):
        raise UsageError(f"--as {how}: write fixed, rolled_back, accepted or false_positive")
    _move(context, incident, "false_positive" if how == "false_positive" else "resolved", how)


def note(
    context: typer.Context,
    incident: Number,
    text: Annotated[str, typer.Argument(help="What you found out.")],
) -> None:
    """Write something down on an incident."""
    from syscard.digest import text_digest
    from syscard.edits import NoteOnIncident
    from syscard.errors import UsageError

    words = text.strip()[:4000]
    if not words:
        raise UsageError("an empty note: write what you found out in quotes")
    body = NoteOnIncident(number=_number(incident), text_sha256=text_digest(words))
    card = _append(context, body, f"note on {incident}", (words,))
    say(f"noted on INC-{body.number}, card v{card.version}")


def _move(context: typer.Context, incident: str, state: State, resolution: str | None) -> None:
    from syscard.edits import MoveIncident

    body = MoveIncident(number=_number(incident), state=state, resolution=resolution)
    card = _append(context, body, f"{state} {incident}", (), allowed=_FROM[state])
    say(f"INC-{body.number} {state}, card v{card.version}")


def _append(
    context: typer.Context, body: Body, cause: str, texts: tuple[str, ...], allowed: tuple[str, ...] | None = None
) -> Card:
    """One edit by a human, if the incident is in a state from which it can be made."""
    from syscard.edits import Draft
    from syscard.errors import UsageError
    from syscard_tui.wiring import author

    options = options_of(context)
    house, ref, number = options.house(), options.ref(), getattr(body, "number", 0)
    with house.records() as records, records.transaction() as transaction:
        card, _ = transaction.newest(ref)
        _known(card.incidents, number)
        state = card.incidents[number].state
        if allowed and state not in allowed:
            raise UsageError(f"INC-{number} is {state} already: see it with: syscard incident show INC-{number}")
        draft = Draft(body=body, author=author(), observed=house.clock())
        return transaction.append(ref, [draft], cause=cause, recorded=house.clock(), texts=texts)


def _number(text: str) -> int:
    from syscard.errors import UsageError

    digits = text.upper().removeprefix("INC-")
    if not digits.isdecimal():
        raise UsageError(f"'{text}' is no incident: write INC-3 or 3")
    return int(digits)


def _known(incidents: dict[Any, Any], number: int) -> None:
    from syscard.errors import NotOnTheCard

    if number not in incidents and str(number) not in incidents:
        names = ", ".join(f"INC-{n}" for n in incidents) or "none"
        raise NotOnTheCard(f"no INC-{number}; there is: {names}")
