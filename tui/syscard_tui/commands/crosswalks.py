"""`crosswalk`: what bodies of rules ask for, beside what the card has of it."""

from __future__ import annotations

from typing import Annotated

import typer

from syscard_tui.options import AsJson, options_of, say, say_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("crosswalk")(crosswalk)


def crosswalk(
    context: typer.Context,
    framework: Annotated[
        str | None, typer.Argument(help="eu_ai_act, nist_ai_rmf, nist_ai_600_1 or iso_42001; all if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a body of rules asks for, item by item, beside what stands on the card. A map, and no judgement."""
    from syscard.clock import system_clock
    from syscard.render.crosswalks import crosswalk_document, crosswalk_text

    view, now = options_of(context).view(), system_clock()
    if as_json:
        say_json(crosswalk_document(view, now, framework))
    else:
        say(crosswalk_text(view, now, framework))
