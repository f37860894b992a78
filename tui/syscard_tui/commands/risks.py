"""`risk`: what can go wrong between parts, and whether it was seen."""

from __future__ import annotations

from typing import Annotated

import typer

from syscard_tui.options import AsJson, options_of, say, say_json

Risk = Annotated[str, typer.Argument(help="IR-13 or 13.", metavar="RISK")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Interaction risks of the catalogue: list, show.")
    group.command("list")(list_risks)
    group.command("show")(show)
    app.add_typer(group, name="risk")


def list_risks(context: typer.Context, as_json: AsJson = False) -> None:
    """Every risk of the catalogue in every place of the system: seen, not seen, or unknown and what it needs."""
    from syscard.render.risks import documents, risk_list_text

    view = options_of(context).view()
    if as_json:
        say_json(documents(view["card"]))
    else:
        say(risk_list_text(view))


def show(context: typer.Context, risk: Risk, as_json: AsJson = False) -> None:
    """One risk: what it is, how it is measured, what to do first, and how it stands in each place."""
    from syscard.render.risks import entry_document, risk_text

    view, name = options_of(context).view(), _name(risk)
    if as_json:
        say_json(entry_document(view["card"], name))
    else:
        say(risk_text(view, name))


def _name(text: str) -> str:
    """`13` and `ir-13` are IR-13."""
    digits = text.upper().removeprefix("IR-")
    return f"IR-{digits:0>2}"
