"""`schema`: the JSON Schemas of a card and of system.yaml, for editors and for those who read snapshots."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from syscard_tui.options import say


class Schema(StrEnum):
    """What there is a schema of."""

    CARD = "card"
    SYSTEM = "system"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema(name: Annotated[Schema, typer.Argument(help="card, or system (of system.yaml).")]) -> None:
    """Print a JSON Schema (2020-12), made from the models."""
    from syscard.schemas import schema_text

    say(schema_text(name.value).rstrip("\n"))
