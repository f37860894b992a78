"""What a command line lacks, in one line of ours instead of a framework's four."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from syscard.errors import UsageError
from syscard.words import one_line


class OneLineGroup(TyperGroup):
    """The commands, whichever depth: what is missing, wrong or not there is one line that says which."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the options before the command.

        Raises:
            UsageError: one of them is wrong, or there is none of this name.
        """
        with _one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Raises:
            UsageError: it lacks something, was given something that it cannot use, or is none.
        """
        with _one_line():
            return super().invoke(ctx)


class GrantGroup(OneLineGroup):
    """A group whose first word may be what is meant at once: `waive fair` is `waive grant fair`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant."""
        known = args and (args[0] in self.commands or args[0].startswith("-"))
        return super().resolve_command(ctx, args if known else ["grant", *args])


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        said = getattr(error, "format_message", lambda: "")()
        if not said or "\n" in said:
            raise  # the help, which is no mistake
        raise UsageError(_words(error, said)) from error


def _words(error: TyperException, message: str) -> str:
    """`incident silence: missing option '--for' (How long: ...): see: syscard incident silence --help`."""
    said = one_line(message).rstrip(".")
    meant = one_line(getattr(getattr(error, "param", None), "help", None) or "").rstrip(".")
    context = getattr(error, "ctx", None)
    where = " ".join(context.command_path.split(" ")[1:]) if context else ""
    begin, see = (f"{where}: ", f"syscard {where} --help") if where else ("", "syscard --help")
    return f"{begin}{said[:1].lower()}{said[1:]}{f' ({meant})' if meant else ''}: see: {see}"
