"""`snapshot`: the card written down for people who were not on call, signed and chained; and whether one is genuine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from datetime import timedelta

    from syscard.snapshot_verify import VerifiedSnapshot
    from syscard.views import View
    from syscard_tui.snapshots import Taken

_GONE_SHOWN = 4
_MOST_REASON = 200
_PERIOD = "What came in so long before now; else as system.yaml has it, or 7d."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("snapshot")(snapshot)


def snapshot(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", help="A folder for copies; they stay in the home, too.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, in a few words.")] = "",
    period: Annotated[str | None, typer.Option("--period", help=_PERIOD)] = None,
    as_json: AsJson = False,
) -> None:
    """Write the card as Markdown, JSON, one self-contained HTML file and PDF, signed and chained to the one before."""
    from syscard.errors import UsageError
    from syscard.modes import for_others
    from syscard.snapshots import ON_REQUEST, SCHEDULED, Wish
    from syscard.words import one_line
    from syscard_tui.snapshots import copy_out, take, told
    from syscard_tui.wiring import author

    options = options_of(context)
    house, ref, back = options.house(), options.ref(), _length(period)
    if len(reason) > _MOST_REASON:
        raise UsageError(f"--reason: {len(reason)} characters, and {_MOST_REASON} fit on the page")
    if one_line(reason) == SCHEDULED:
        raise UsageError(f"--reason {SCHEDULED}: so the schedule names its own, from which it goes on: use other words")
    if _can_compare(options.view()):
        house.measure_groups(ref)
    with house.records() as records:
        found = take(house, records, ref, Wish(reason=one_line(reason) or ON_REQUEST), author(), back=back)
    paths = found.paths
    if out is not None and out.resolve().is_relative_to(house.home.root.resolve()):
        paths = copy_out(found, out)
    elif out is not None:
        with for_others():
            paths = copy_out(found, out)
    if as_json:
        say_json(_document(found, paths))
        return
    for path in paths:
        say(str(path))
    say(told(found))


def _length(period: str | None) -> timedelta | None:
    from syscard.errors import UsageError
    from syscard.units import parse_duration

    if period is None:
        return None
    try:
        length = parse_duration(period)
    except ValueError as error:
        raise UsageError(f"--period: {error}") from error
    if not length:
        raise UsageError("--period: a length of time that is not zero is needed, such as 7d")
    return length


def _can_compare(view: View) -> bool:
    """Whether groups are declared and requests have come since they were last compared."""
    live = view["live"]
    if not live or not live["watcher"]["windows"] or not view["card"]["traces"].get("segments"):
        return False
    return bool((live.get("groups") or {}).get("as_of") != live["as_of"])


def _document(found: Taken, paths: tuple[Path, ...]) -> dict[str, Any]:
    told = found.snapshot.model_dump(mode="json")
    return {**told, "new": found.new, "signed_by": found.signed_by, "paths": [str(path) for path in paths]}


def verify_file(file: Path, key: str | None, *, as_json: bool) -> None:
    """Say what holds of the snapshots in a folder, or of the one that a file belongs to.

    Raises:
        ChainBroken: names the first thing that is wrong.
    """
    from dataclasses import asdict

    from syscard.snapshot_verify import verify_snapshots

    found = verify_snapshots(file, key)
    if as_json:
        say_json([{"ok": True, **asdict(one)} for one in found])
        return
    for one in found:
        _say(one)


def _say(one: VerifiedSnapshot) -> None:
    from syscard.words import one_line, plural

    say(
        f"snapshot {one.number} of {one_line(one.system)} v{one.version} verified: ok"
        f" ({one_line(one.verdict)}, {one_line(one.reason)}, {one_line(one.at)}, digest {one.card[:16]})"
    )
    say(f"signed by {one.signed_by}")
    if not one.pinned:
        say(
            "  by the key that lies beside it: this proves that the files belong together, not whose they are; compare"
            " the fingerprint with what you were given by another way, or name it with --key"
        )
    before = "; older ones are not here" if one.before else ""
    say(f"chain of {plural(len(one.numbers), 'snapshot')}: {_numbers(one.numbers)}{before}")
    for key in one.other_keys:
        say(f"others of the chain are signed by another key, {key}: ask whether it was changed")
    if one.gone:
        shown = ", ".join(map(one_line, one.gone[:_GONE_SHOWN])) + (", ..." if len(one.gone) > _GONE_SHOWN else "")
        say(f"{plural(len(one.gone), 'file')} not here and not compared ({shown}); their digests are signed")


def _numbers(numbers: tuple[int, ...]) -> str:
    """`9 to 3`."""
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
