"""The commands. Each module imports what it needs when it runs: `syscard status` must start at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syscard_tui.commands import (
    cards,
    crosswalks,
    declaring,
    demo,
    discover,
    gating,
    incidents,
    keeping,
    notifying,
    reporting,
    risks,
    schemas,
    signing,
    snapshots,
    spans,
    watching,
)
from syscard_tui.options import Options
from syscard_tui.usage import OneLineGroup

app = typer.Typer(
    name="syscard",
    cls=OneLineGroup,
    help="Keeps the system card of a compound AI system true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _options(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option("--home", help="Folder of the records (else SYSCARD_HOME, else .syscard upwards).")
    ] = None,
    system: Annotated[str | None, typer.Option("--system", help="Which system, where a home has several.")] = None,
) -> None:
    context.obj = Options(home, system)


declaring.register(app)
discover.register(app)
spans.register(app)
watching.register(app)
cards.register(app)
crosswalks.register(app)
gating.register(app)
signing.register(app)
schemas.register(app)
snapshots.register(app)
incidents.register(app)
notifying.register(app)
risks.register(app)
reporting.register(app)
keeping.register(app)
demo.register(app)
