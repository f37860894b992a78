"""`card history`, `diff` and `head`: the versions of the card, and what holds them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from syscard_tui.options import AsJson, options_of, say, say_json, version_number


def register(card: typer.Typer) -> None:
    """Add the commands to `card`."""
    card.command("history")(history)
    card.command("diff")(diff)
    card.command("head")(head)


def history(context: typer.Context, as_json: AsJson = False) -> None:
    """Every version: when, why, by whom, how many edits."""
    from syscard.digest import iso

    options = options_of(context)
    house, ref = options.house(), options.ref()
    versions: dict[int, dict[str, Any]] = {}
    with house.records() as records:
        for edit in records.edits(ref):
            row = versions.setdefault(edit.version, {"version": edit.version, "cause": edit.cause, "edits": 0})
            author = f"{edit.draft.author.kind}:{edit.draft.author.name}"
            row |= {"edits": row["edits"] + 1, "observed": iso(edit.draft.observed), "author": author}
            row["link"] = edit.link
    if as_json:
        say_json(list(versions.values()))
        return
    for row in versions.values():
        say(
            f"v{row['version']:<4} {row['observed'][:19]}Z  {row['edits']:>3} edits  {row['author']:<16} {row['cause']}"
        )


def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(help="A version, e.g. v2.")],
    after: Annotated[str | None, typer.Argument(help="A later one; the newest if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """What changed between two versions that a leader should read."""
    from syscard.diff import material_diff
    from syscard.render.cardtext import diff_text

    options = options_of(context)
    house, ref = options.house(), options.ref()
    first, last = _in_order(before, after)
    with house.records() as records:
        old = records.card(ref, first).model_dump(mode="json")
        new = records.card(ref, last).model_dump(mode="json")
    changes = material_diff(old, new)
    if as_json:
        say_json([asdict(c) for c in changes])
    else:
        say(diff_text(changes) if changes else "no material change")


def _in_order(before: str, after: str | None) -> tuple[int, int | None]:
    """Both versions as numbers.

    Raises:
        UsageError: one is none, or the later one stands first: what was mended would read as broken.
    """
    from syscard.errors import UsageError

    first, last = version_number(before), version_number(after) if after else None
    if last is not None and last < first:
        raise UsageError(f"v{first} is later than v{last}: write: syscard card diff v{last} v{first}")
    return first, last


def head(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", help="Write it to a file, to be kept elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest link of the chain: kept elsewhere, it proves later that nothing before it was rewritten."""
    from syscard.fold import fold
    from syscard.head import head_of
    from syscard.stored import read

    options = options_of(context)
    ref = options.ref()
    with options.house().records() as records:
        rows = records.stored(ref)
    newest = head_of(rows, fold(map(read, rows), start=ref))
    document = newest.model_dump(mode="json", by_alias=True)
    if out is not None:
        _keep(out, document)
    elif as_json:
        say_json(document)
    else:
        say(f"{newest.system} v{newest.version}, edit {newest.seq} of {newest.at}")
        say(f"link    {newest.link}")
        say(f"digest  {newest.digest} of the card")


def _keep(out: Path, document: dict[str, Any]) -> None:
    import json

    from syscard.errors import UsageError
    from syscard.modes import for_others

    try:
        with for_others():
            out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {(error.strerror or '').lower()}: name another file") from error
    say(str(out))
