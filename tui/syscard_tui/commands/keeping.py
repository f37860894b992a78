"""`retain`, `hold`, `erase`, `backup` and `keys`: what is kept, for how long, and how it is taken out or away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syscard_tui.options import AsJson, note, options_of, say, say_json

if TYPE_CHECKING:
    from syscard_tracing.erase import Erasing
    from syscard_tracing.retention import Dropped, Keeping
    from syscard_tui.wiring import House

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("retain")(retain)
    hold = typer.Typer(no_args_is_help=True, help="Traces that outlive the day they lie in: add, remove, list.")
    hold.command("add")(add_hold)
    hold.command("remove")(remove_hold)
    hold.command("list")(list_holds)
    app.add_typer(hold, name="hold")
    app.command("erase")(erase)
    app.command("backup")(backup)
    keys = typer.Typer(no_args_is_help=True, help="Keys of users and fingerprints: rotate, list.")
    keys.command("rotate")(rotate_key)
    keys.command("list")(list_keys)
    app.add_typer(keys, name="keys")


def retain(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, help="Keep so many days beside today.")] = None,
    max_gb: Annotated[float | None, typer.Option("--max-gb", help="Most gigabytes (10^9 bytes) of spans.")] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Forget what was set here.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Drop what is due at once; serve does it every hour.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Say, set or apply how long spans are kept: whole days go, oldest first; held traces and today stay."""
    from syscard_tracing import retention
    from syscard_tui.holding import keeping_now

    house = options_of(context).house()
    setting = _setting(retention.read_setting(house.home), days, max_gb, forever=forever)
    keeping = keeping_now(house)
    if setting is not None:
        if dry_run:
            keeping = keeping._replace(days=setting.days or keeping.days, max_bytes=setting.max_bytes)
        else:
            retention.write_setting(house.home, setting)
            keeping = keeping_now(house)
    apply = retention.apply if now and not dry_run else retention.planned
    dropped = apply(house.home, keeping, house.clock())
    if as_json:
        say_json(_retain_document(keeping, dropped, done=now and not dry_run))
    else:
        _say_retained(keeping, dropped, done=now and not dry_run)


def _setting(before: Any, days: int | None, max_gb: float | None, *, forever: bool) -> Any:
    """The setting that is asked for; None where none is."""
    from syscard.errors import UsageError
    from syscard_tracing.retention import Setting

    if forever:
        if days is not None or max_gb is not None:
            raise UsageError("--forever forgets what was set: leave out --days and --max-gb")
        return Setting()
    if days is None and max_gb is None:
        return None
    if max_gb is not None and not 0 < max_gb < 10**9:
        raise UsageError(f"--max-gb {max_gb}: write a number of gigabytes above 0")
    if days is not None and days > 36_500:
        raise UsageError(f"--days {days}: at most 36500; leave it out to keep spans for ever")
    size = round(max_gb * 10**9) if max_gb is not None else before.max_bytes
    return Setting(days if days is not None else before.days, size)


def _say_retained(keeping: Keeping, dropped: list[Dropped], *, done: bool) -> None:
    say(f"kept: {keeping}; {len(keeping.held)} traces are held")
    for day in dropped:
        say(f"{'dropped' if done else 'due'}: {day.day}, {day.spans:,} spans, {day.bytes:,} bytes ({day.why})")
    if not dropped:
        say("no day is due")
    elif not done:
        say("they go with the next hour of serve, or now with: syscard retain --now")


def _retain_document(keeping: Keeping, dropped: list[Dropped], *, done: bool) -> dict[str, Any]:
    days = [day._asdict() for day in dropped]
    held = sorted(keeping.held)
    return {"days": keeping.days, "max_bytes": keeping.max_bytes, "held": held, "done": done, "dropped": days}


def add_hold(
    context: typer.Context,
    trace: Annotated[str, typer.Argument(help="A trace: id@start as incidents name it, or its id.")],
    reason: Annotated[str, typer.Option(help="Why it must be kept.")],
    until: Annotated[datetime | None, typer.Option(help="When it need not be any more, UTC.")] = None,
) -> None:
    """Keep a trace whatever its age; who, why and until when stand in the card's chain."""
    from syscard.errors import UsageError

    house = options_of(context).house()
    moment = until.replace(tzinfo=UTC) if until and until.tzinfo is None else until
    if moment is not None and moment <= house.clock():
        raise UsageError(f"--until {until}: it has passed")
    if not reason.strip():
        raise UsageError("--reason is empty: say why the trace must be kept")
    _write_hold(context, trace, reason, moment, lifted=False)
    say(f"held: {trace}{f' until {moment:%Y-%m-%d %H:%M} UTC' if moment else ''}")


def remove_hold(
    context: typer.Context,
    trace: Annotated[str, typer.Argument(help="As it was added.")],
    reason: Annotated[str, typer.Option(help="Why it need not be kept any more.")] = "no longer needed",
) -> None:
    """End a hold that was added by hand."""
    _write_hold(context, trace, reason, None, lifted=True)
    say(f"no longer held by hand: {trace}")


def _write_hold(context: typer.Context, trace: str, reason: str, until: datetime | None, *, lifted: bool) -> None:
    from syscard.digest import text_digest
    from syscard.edits import Draft, Hold
    from syscard.errors import NotOnTheCard, UsageError
    from syscard.holds import held_by_hand
    from syscard_tracing.doctor import TRACE_REFERENCE
    from syscard_tui.wiring import author

    if not TRACE_REFERENCE.match(trace):
        raise UsageError(f"'{trace}' is no trace: write its 32 hex digits, with @start behind it where it is known")
    house, ref = options_of(context).house(), options_of(context).ref()
    at = house.clock()
    body = Hold(trace=trace, reason_sha256=text_digest(reason), until=until, lifted=lifted)
    with house.records() as records, records.transaction() as transaction:
        if lifted and trace not in {h.trace for h in held_by_hand(records.edits(ref), at)}:
            raise NotOnTheCard(f"{trace} is not held by hand: see syscard hold list")
        draft = Draft(body=body, author=author(), observed=at)
        cause = f"hold {'lifted' if lifted else 'added'}"
        transaction.append(ref, [draft], cause=cause, recorded=at, texts=[reason])


def list_holds(context: typer.Context, as_json: AsJson = False) -> None:
    """Every trace that is held: by a claim's evidence, by an incident, by hand."""
    from syscard.digest import iso
    from syscard_tui.holding import held_now, keeping_now

    house = options_of(context).house()
    options_of(context).ref()
    with house.records() as records:
        found = held_now(house, records, keeping_now(house).days)
    if as_json:
        say_json([{"trace": h.trace, "why": h.why, "until": iso(h.until) if h.until else None} for h in found])
        return
    for hold in found:
        say(f"{hold.trace}  {hold.why}{f', until {hold.until:%Y-%m-%d %H:%M} UTC' if hold.until else ''}")
    if not found:
        note("no trace is held")


def erase(
    context: typer.Context,
    user_key: Annotated[str | None, typer.Option("--user-key", help="As the SDK sends it, or as in the lake.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="The user as in the span attribute.")] = None,
    despite_hold: Annotated[bool, typer.Option("--despite-hold", help="Also traces that are held.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: the spans of their traces and sessions, and texts that name them; for good."""
    from syscard_tracing import erase as erasing

    house = options_of(context).house()
    names = erasing.names_of(house.home, user_key, user)
    found = erasing.find(house.home, names, house.clock())
    left = erasing.unfinished(house.home)
    if not as_json:
        if left is not None:
            say(f"an erasure of {left.begun} was cut off: it is finished first")
        say(f"found: {found.spans:,} spans of {len(found.traces):,} traces")
        for day, count in sorted(found.days.items()):
            say(f"  {day}: {count:,} spans")
        for line in _beside(found):
            say(line)
    if dry_run or (not found.finds and left is None):
        if as_json:
            say_json(_erase_document(house, [found], done=False))
        return
    _check_held(house, found, despite_hold=despite_hold)
    _ask(yes=yes)
    done = erasing.erase(
        house.home,
        names,
        house.clock(),
        lambda erased: _scrub_records(house, erased),
        lambda again: _check_held(house, again, despite_hold=despite_hold),
    )
    if as_json:
        say_json(_erase_document(house, done, done=True))
        return
    say(f"erased: {sum(e.spans for e in done):,} spans, and texts in {sum(e.texts for e in done):,} spans of others")
    for path in sorted({p for e in done for p in erasing.mentions(house.home, e)}):
        say(f"look at: {path} names the person or a trace of theirs")
    if (house.home.root / "aside").is_dir():
        say(f"look at: {house.home.root / 'aside'} holds what doctor put aside, and may hold spans of theirs")
    say("backups were not touched; what the person does from now on is kept again, unless it is no longer sent")


def _beside(found: Erasing) -> Iterator[str]:
    """What was found beside the person's own key, and what nobody can attribute."""
    if found.by_session:
        yield f"of them {found.by_session:,} traces name no user: their session is the person's alone"
    if found.texts:
        yield f"found: {found.texts:,} spans of others with a text that holds the id: the texts go, the spans stay"
    if found.shared:
        yield f"not attributed: {found.shared:,} traces name no user, in sessions that others have too: they stay"
    if found.nameless:
        yield f"not attributed: {found.nameless:,} traces of these days name neither user nor session: they stay"


def _ask(*, yes: bool) -> None:
    """Ask on a terminal.

    Raises:
        UsageError: nobody is there to be asked.
    """
    import sys

    from syscard.errors import UsageError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("this cannot be undone: say so with --yes")
    typer.confirm("This cannot be undone. Erase?", abort=True)


def _check_held(house: House, found: Erasing, *, despite_hold: bool) -> None:
    from syscard.errors import UsageError
    from syscard_tui.holding import keeping_now

    held = sorted(found.traces & keeping_now(house).held)
    if held and not despite_hold:
        raise UsageError(
            f"{len(held)} of these traces are held, the first is {held[0]} (see: syscard hold list): "
            "nothing was erased; to erase them too: --despite-hold"
        )


def _scrub_records(house: House, erased: Erasing) -> None:
    from syscard.edits import Erasure
    from syscard_tui.wiring import author

    if not house.home.records.is_file():
        return
    from syscard.records.erase import erase_from

    body = Erasure(
        reference=erased.reference,
        traces=len(erased.traces),
        spans=erased.spans,
        days=erased.days,
        blanked=erased.texts,
    )
    with house.records() as records:
        erase_from(records, erased.names, erased.traces, erased.takes, body, author(), house.clock())


def _erase_document(house: House, found: list[Erasing], *, done: bool) -> dict[str, Any]:
    from syscard_tracing.erase import mentions

    days: dict[str, int] = {}
    for one in found:
        for day, count in one.days.items():
            days[day] = days.get(day, 0) + count
    look = sorted({str(path) for one in found for path in mentions(house.home, one)})
    traces = len({trace for one in found for trace in one.traces})
    counts = {name: sum(getattr(one, name) for one in found) for name in ("by_session", "texts", "shared", "nameless")}
    return {"done": done, "spans": sum(days.values()), "traces": traces, "days": days, **counts, "look_at": look}


def backup(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(metavar="DEST", help="A folder that is not there yet.")],
    as_json: AsJson = False,
) -> None:
    """Copy the home while it is in use; the copy is verified, and there whole or not at all."""
    from syscard_tracing.backup import back_up
    from syscard_tui.wiring import House

    house = options_of(context).house()
    made = back_up(house.home, to, lambda home: _verify_all(House(home)))
    if as_json:
        say_json({"to": str(to), **made._asdict()})
    else:
        say(f"{to}: {made.spans:,} spans in the lake (version {made.lake_version}), {made.waiting:,} waiting, "
            f"{made.bytes:,} bytes; verified")  # fmt: skip


def _verify_all(house: House) -> None:
    from syscard.views import read_view
    from syscard_tui.wiring import promote_policy

    if not house.home.records.is_file():
        return
    with house.records() as records:
        from syscard.records.verify import verify_system

        for ref in records.systems():
            verify_system(records, ref, read_view(house.home.records, ref), promote_policy())


def rotate_key(context: typer.Context) -> None:
    """Make a new key for users and fingerprints; nothing may be served or ingested meanwhile."""
    from syscard_tracing.rotation import rotate
    from syscard_tui.holding import keeping_now

    house = options_of(context).house()
    made = rotate(house.home, house.clock())
    say(f"new key: {made.name}; spans that come from now on are hashed with it")
    say(f"the old key stays until no span from before is left (kept: {keeping_now(house)}); serve destroys it then")
    say("users, sessions, fingerprints and marks (#...) of before and after cannot be compared")
    say("where the baseline holds marks, set it anew when there is traffic: syscard baseline set")


def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """Every key that the home has had: since when, until when, and whether it is still there."""
    from syscard.digest import iso
    from syscard_tracing.keys import ring
    from syscard_tracing.normalise import moment

    keys = options_of(context).house().home.keys
    found = [
        {
            "key": key.name if key.secret else None,
            "since": iso(moment(key.since_us)) if key.since_us else None,
            "until": iso(moment(key.until_us)) if key.until_us else None,
            "state": "destroyed" if key.secret is None else "old" if key.until_us else "in use",
        }
        for key in ring(keys)
    ] + _signing(keys)
    if as_json:
        say_json(found)
        return
    for key in found:
        say(
            f"{(key['key'] or '-'):<8}  {key['state']:<9}  {key['since'] or 'the beginning'} to {key['until'] or 'now'}"
        )
    if not found:
        note("no key yet: the first is made when spans come")


def _signing(keys: Path) -> list[dict[str, str | None]]:
    """The key that signs snapshots, where one was made."""
    from syscard.signatures import FILE, signing_key

    if not (keys / FILE).exists():
        return []
    return [{"key": signing_key(keys).public.fingerprint, "since": None, "until": None, "state": "signs snapshots"}]


def mend(house: House, *, asked: bool, forget_missing: bool) -> None:
    """What `doctor --repair` does before it checks: each thing that was done is a line on standard error.

    Raises:
        UsageError: the home is served, or --forget-missing stands alone.
    """
    from syscard.errors import ChainBroken, UsageError
    from syscard_tracing.repair import repair

    if not asked:
        raise UsageError("--forget-missing gives up spans for good: write it together with --repair")
    for line in repair(house.home, house.clock(), forget_missing=forget_missing):
        note(f"mended {line}")
    if not house.home.records.is_file():
        return
    with house.records() as records:
        from syscard.records.mend import rebuild_views

        try:
            for ref in rebuild_views(records, house.clock()):
                note(f"mended {ref}: what the faces read was made anew from its edits")
        except ChainBroken as error:
            note(f"not mended: {error}")
