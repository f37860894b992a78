"""`init` and `apply`: what the team promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syscard_tui.options import note, options_of, say

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.edits import Draft
    from syscard.system import System


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("apply")(apply)


def init(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("system.yaml"),
) -> None:
    """Write a commented system.yaml to start from, and make the home."""
    from syscard.errors import UsageError
    from syscard.modes import for_others
    from syscard.system_file import starter_text

    try:
        with for_others(), file.open("x", encoding="utf-8") as starter:
            starter.write(starter_text(_slug(file.resolve().parent.name)))
    except FileExistsError as error:
        raise UsageError(f"{file} is there already: edit it, or name another file") from error
    home = options_of(context).new_home()
    say(f"wrote {file}, made {home.root}")
    say(f"next: edit {file}, then: syscard apply {file}")


def _slug(name: str) -> str:
    """A system reference from a folder's name."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return slug if slug[:1].isalpha() else f"system-{slug}".rstrip("-")


def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The declared system.")] = Path("system.yaml"),
    check: Annotated[bool, typer.Option("--check", help="Show what would change; write nothing.")] = False,
) -> None:
    """Check system.yaml and bring the card up to date with it. Twice adds nothing."""
    from syscard.clock import system_clock
    from syscard.home import find_home
    from syscard.system_file import read_system, read_warnings
    from syscard_monitors.tuning import tune_faults

    system, home = read_system(file), find_home(options_of(context).named_home)
    for warning in read_warnings(
        file, system_clock().date(), tune_faults(system, home.root / "packs" if home else None)
    ):
        note(f"warning: {warning.text(str(file))}")
    if check:
        _check(context, system)
    else:
        _apply(context, system, file)


def _check(context: typer.Context, system: System) -> None:
    from syscard.declare import declaring, describe
    from syscard.fold import empty_card
    from syscard.home import find_home
    from syscard_tui.wiring import House, author

    home = find_home(options_of(context).named_home)
    card = empty_card(system.system.ref)
    house = House(home) if home else None
    if house and house.home.records.is_file():
        with house.records() as records:
            card = records.current(system.system.ref)
    drafts = declaring(card, system, author(), card.observed)
    for line in describe(drafts, card):
        say(line)
    say(
        f"{len(drafts)} to change, nothing written"
        if drafts
        else f"{system.system.ref} is up to date (v{card.version})"
    )


def _apply(context: typer.Context, system: System, file: Path) -> None:
    from syscard.declare import describe
    from syscard_tui.planned import take_of_release
    from syscard_tui.wiring import author

    house = options_of(context).house()
    with house.records() as records:
        with records.transaction() as transaction:
            before, _ = transaction.newest(system.system.ref)
            drafts = _drafts(before, system)
            cause = f"apply {file.name} by {author().name}"
            card = transaction.append(system.system.ref, drafts, cause=cause, recorded=house.clock())
        released = take_of_release(house, records, before, card, author())
    for line in describe(drafts, before):
        say(line)
    say(
        f"{system.system.ref}: card v{card.version}"
        if drafts
        else f"{system.system.ref}: nothing new, card v{card.version}"
    )
    if released:
        note(released)


def _drafts(card: Card, system: System) -> tuple[Draft, ...]:
    from syscard.clock import system_clock
    from syscard.declare import declaring
    from syscard_tui.wiring import author

    return declaring(card, system, author(), system_clock())
