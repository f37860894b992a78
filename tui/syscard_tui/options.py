"""Options that every command has, and how commands print."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from syscard.home import Home, existing_home, home_to_create
from syscard.views import View, choose, read_view

if TYPE_CHECKING:
    from syscard_tui.wiring import House

_LAST = 2**31 - 1
LEAST_PAUSE_S = 0.1
"""Between two looks of the monitors: without any they would take a core, and the records' lock, for nothing."""
LONGEST_PAUSE_S = 86_400.0
"""A day; also what keeps `inf` out, which no clock can wait for."""
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON document instead of text.")]


@dataclass(frozen=True)
class Options:
    """`--home` and `--system` as given."""

    named_home: Path | None
    system: str | None

    def home(self) -> Home:
        """The home, which must be there."""
        return existing_home(self.named_home)

    def new_home(self) -> Home:
        """The home, made if it is not there."""
        return home_to_create(self.named_home)

    def house(self) -> House:
        """The home with its rooms."""
        from syscard_tui.wiring import House

        return House(self.home())

    def view(self) -> View:
        """The newest view of the system that is meant."""
        return read_view(self.home().records, self.system)

    def ref(self) -> str:
        """The system that is meant."""
        return choose(self.home().records, self.system)


def options_of(context: typer.Context) -> Options:
    """The options of this run."""
    return cast("Options", context.obj)


def say(text: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """A line on standard error: progress and warnings, never data."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def say_json(document: Any) -> None:
    """A JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def version_number(text: str) -> int:
    """`v9` or `9`.

    Raises:
        UsageError: neither.
    """
    from syscard.errors import UsageError

    number = text.removeprefix("v")
    if not number.isdecimal() or len(number) > len(str(_LAST)) or not 0 < int(number) <= _LAST:
        raise UsageError(f"'{text[:40]}' is no card version: write v2 or 2")
    return int(number)
