"""`discover`: a first system.yaml out of the spans that are there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syscard_tui.options import note, options_of, say

if TYPE_CHECKING:
    from datetime import datetime


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("discover")(discover)


def discover(
    context: typer.Context,
    service: Annotated[
        str | None, typer.Option("--service", help="Whose system, where the lake holds several.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only spans of so long ago: 24h, 7d.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file to write instead.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Draft a system.yaml from the spans in the lake: parts, edges, and unknown where only people can say."""
    from syscard.draft import draft_text
    from syscard_monitors.discover import discover as discovered
    from syscard_monitors.frames import newest_rows

    house = options_of(context).house()
    drafted = discovered(newest_rows(house.scan(_since(since, house.clock()))), service)
    text = draft_text(drafted)
    if output is None:
        say(text.rstrip("\n"))
        return
    _write(output, text, force=force)
    note(f"wrote {output}: {len(drafted.components)} components, {sum(e.enough for e in drafted.edges)} interactions")
    note(f"next: say what is unknown in {output}, then: syscard apply {output} --check")


def _since(since: str | None, now: datetime) -> datetime | None:
    from pydantic import TypeAdapter, ValidationError

    from syscard.errors import UsageError
    from syscard.units import Duration

    if since is None:
        return None
    try:
        back = TypeAdapter(Duration).validate_python(since)
        return now - back
    except (ValidationError, OverflowError) as error:
        raise UsageError(f"--since {since}: write how long, such as 24h or 7d") from error


def _write(path: Path, text: str, *, force: bool) -> None:
    """The whole file or none of it."""
    from syscard.errors import UsageError
    from syscard.modes import for_others

    if path.exists() and not force:
        raise UsageError(f"{path} is there already: name another file, or write over it with --force")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with for_others(), beside.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force:
            beside.replace(path)
        else:
            os.link(beside, path)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already: name another file, or write over it with --force") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
