"""`card history`, `diff`, `tag` and `head`: the versions of the card, their names, and what holds them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from datetime import datetime

    from syscard.card import Card
    from syscard.diff import CardJson, Change
    from syscard.edits import Body, Edit
    from syscard.full_diff import FullChange
    from syscard.tags import Stamp, Tag


def register(card: typer.Typer) -> None:
    """Add the commands to `card`."""
    card.command("history")(history)
    card.command("diff", context_settings={"ignore_unknown_options": True})(diff)  # -1 is a version
    card.command("tag", context_settings={"ignore_unknown_options": True})(tag)
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
            row["recorded"] = iso(edit.recorded)
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
    before: Annotated[str, typer.Argument(help="v2, a day or time (UTC, event time), a tag, latest, or -1.")],
    after: Annotated[str | None, typer.Argument(help="A later one; the newest if left out.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Every difference by its key, too.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, e.g. for a pull request.")] = False,
    as_json: AsJson = False,
) -> None:
    """What changed between two versions that a leader should read; with --full, everything."""
    from syscard.diff_standing import whole_diff
    from syscard.tags import in_order

    options = options_of(context)
    house, ref = options.house(), options.ref()
    with house.records() as records:
        edits = list(records.edits(ref))
    first, last = in_order(before, after, *_known(edits, ref))
    old, new = (_card(edits, ref, version) for version in (first, last))
    changes = whole_diff(old, new)
    if as_json and not full:
        say_json([asdict(c) for c in changes])
        return
    everything = _everything(old, new) if full else None
    if as_json:
        say_json({"before": first, "after": last, "material": [asdict(c) for c in changes],
                  "full": [asdict(c) for c in everything or ()]})  # fmt: skip
    else:
        _say_difference(f"{ref} v{first} -> v{last}", changes, everything, as_markdown=as_markdown)


def _everything(old: CardJson, new: CardJson) -> tuple[FullChange, ...]:
    from syscard.full_diff import full_diff

    return full_diff(old, new)


def _say_difference(
    title: str, changes: tuple[Change, ...], full: tuple[FullChange, ...] | None, *, as_markdown: bool
) -> None:
    from syscard.render.cardtext import diff_text
    from syscard.render.difference import difference_markdown, full_text

    if as_markdown:
        say(difference_markdown(title, changes, full).rstrip("\n"))
        return
    say(diff_text(changes) if changes else "no material change")
    if full is not None:
        say("every difference:")
        say(full_text(full))


def _card(edits: list[Edit], ref: str, version: int) -> CardJson:
    from syscard.fold import fold

    return fold((edit for edit in edits if edit.version <= version), start=ref).model_dump(mode="json")


def named(edits: list[Edit], ref: str, text: str) -> int:
    """The version that a text names: a number, a time, a place from the end, or a tag.

    Raises:
        SyscardError: it names none, or one that is not there.
    """
    from syscard.tags import version_of

    return version_of(text, *_known(edits, ref))


def _known(edits: list[Edit], ref: str) -> tuple[tuple[Stamp, ...], dict[str, Tag]]:
    from syscard.fold import fold
    from syscard.tags import stamps

    tags = fold((edit for edit in edits if edit.body.kind == "tag"), start=ref).tags
    return stamps((edit.version, edit.draft.observed) for edit in edits), tags


def tag(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Small letters, digits and . _ -, e.g. launch.")],
    version: Annotated[str | None, typer.Argument(help="v2, a day, latest, ...; the newest if left out.")] = None,
) -> None:
    """Give a version of the card a name, for `card diff NAME`; a name that was given before moves to it."""
    from syscard.tags import LATEST, TagVersion, checked_name, stamps, version_of, with_room
    from syscard_tui.incident_writing import write

    options = options_of(context)
    checked_name(name)
    ref = options.ref()
    with options.house().records() as records:
        known = stamps((edit.version, edit.draft.observed) for edit in records.edits(ref))

    def make(card: Card, _at: datetime) -> list[Body]:
        with_room(card.tags, name)
        return [TagVersion(name=name, version=version_of(version or LATEST, known, card.tags))]

    card = write(options, f"tag {name}", make)
    say(f"{name} is v{card.tags[name].version}, card v{card.version}")


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
