"""What a command line lacks, in one line of ours instead of a framework's four."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from syscard.errors import UsageError
from syscard.words import one_line


class OneLineGroup(TyperGroup):
    """The commands, whichever depth: an option or argument that is missing or wrong is one line that says which."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Raises:
            UsageError: it lacks something, or was given something that it cannot use.
        """
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            raise UsageError(_words(error)) from error


def _words(error: typer.BadParameter) -> str:
    """`incident silence: missing option '--for' (How long: ...): see: syscard incident silence --help`."""
    said = one_line(error.format_message()).rstrip(".")
    meant = one_line(getattr(error.param, "help", None) or "").rstrip(".")
    path = error.ctx.command_path if error.ctx else "syscard"
    where = path.split(" ", 1)[-1]
    return f"{where}: {said[:1].lower()}{said[1:]}{f' ({meant})' if meant else ''}: see: syscard {where} --help"
