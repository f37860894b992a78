"""`monitor` and `baseline`: look at what is new, and what it is compared with."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from syscard.steps import Step
from syscard.words import one_line
from syscard_tui.options import LEAST_PAUSE_S, LONGEST_PAUSE_S, AsJson, note, options_of, say, say_json

if TYPE_CHECKING:
    from syscard.edits import SetBaseline
    from syscard.records.store import Records
    from syscard_monitors.watch import Tick, Watcher
    from syscard_tui.beside import ReportsBeside
    from syscard_tui.heartbeat import Heartbeat
    from syscard_tui.wiring import House

_WIDTH: Final = 80
_MOST_LISTED: Final = 10_000
"""As many looks as are kept (`syscard.runs`, which takes too long to load for every command)."""
LEASE_FOR: Final = timedelta(seconds=60)
_BEAT_S: Final = 1.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    monitors = typer.Typer(invoke_without_command=True, help="Look at what is new; list the looks that were made.")
    monitors.callback()(monitor)
    monitors.command("runs")(list_runs)
    app.add_typer(monitors, name="monitor")
    app.command("explain")(explain)
    baseline = typer.Typer(no_args_is_help=True, help="The reference window that drift is measured against.")
    baseline.command("set")(set_baseline)
    baseline.command("show")(show_baseline)
    baseline.command("use")(use_baseline)
    app.add_typer(baseline, name="baseline")


def monitor(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Look once and stop.")] = False,
    every: Annotated[
        float, typer.Option(min=LEAST_PAUSE_S, max=LONGEST_PAUSE_S, help="Seconds between two looks.")
    ] = 5.0,
) -> None:
    """Take new requests onto the card, window by window."""
    if context.invoked_subcommand is not None:
        return
    house = options_of(context).house()
    if not once:
        watch_forever(house, every)
        return
    from syscard_monitors.drift import DriftWorker
    from syscard_tui.progress import progress

    ref = options_of(context).ref()
    worker = DriftWorker()
    try:
        with house.records() as records, progress("monitors") as tell:
            watcher = house.watcher(records, worker)
            tick = watcher.tick(ref, lambda done, of: tell(done, of, "windows"))
            if tick.windows:
                _compare(watcher, ref)
            _say(ref, replace(tick, card=records.current(ref)))
    finally:
        worker.close()


def _compare(watcher: Watcher, ref: str) -> None:
    """What groups get, where that is due. The windows are on the card already, whatever comes of it."""
    from syscard.errors import SyscardError

    try:
        watcher.compare_groups(ref)
    except SyscardError as error:
        note(f"groups of {ref} were not compared: {error}")


def list_runs(
    context: typer.Context,
    last: Annotated[int, typer.Option(min=1, max=_MOST_LISTED, help="So many of the newest.")] = 20,
    failed: Annotated[bool, typer.Option("--failed", help="Only those in which something failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the newest looks of the monitors: what each took, read and found, and what failed in it."""
    from syscard_tui.ran import document, lines

    house, ref = options_of(context).house(), options_of(context).ref()
    with house.records() as records:
        from syscard.records.runs import runs

        found = [run for run in runs(records, ref) if run.error or run.failed] if failed else runs(records, ref, last)
    if as_json:
        say_json(document(found[:last]))
    elif not found:
        note("no look has failed" if failed else "the monitors have never looked: syscard monitor --once")
    else:
        say("\n".join(lines(found[:last])))


def explain(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="SIGNAL")] = "", as_json: AsJson = False
) -> None:
    """What a signal means, how it is judged, where it comes from and how it stands; all of them without a name."""
    from syscard.declare import system_of
    from syscard_monitors.drift import DriftWorker
    from syscard_tui.explained import budget_document, document, documents, listed, text

    options = options_of(context)
    house, ref, view = options.house(), options.ref(), options.view()
    with house.records() as records:
        watcher = house.watcher(records, DriftWorker())
        if not name:
            signals, budgets = watcher.signals(ref), watcher.budgets(ref)
            _answer(listed(signals, budgets, view), documents(signals, budgets), as_json=as_json)
            return
        system, budget = system_of(records.current(ref)), watcher.budgets(ref).get(name)
        if budget:
            body = budget_document(watcher.explain_budget(ref, *budget), *budget, view, system)
            _answer(text(body), body, as_json=as_json)
            return
        found, reference = watcher.explain(ref, name)
        signal = next(s for s in watcher.signals(ref) if s.key == name)
        body = document(found, signal, reference, view, system, house.packs)
    _answer(text(body), body, as_json=as_json)


def _answer(words: str, body: object, *, as_json: bool) -> None:
    if as_json:
        say_json(body)
    else:
        say(words)


def _say(ref: str, tick: Tick) -> None:
    breaches = sum(f.state == "breach" for f in tick.findings)
    say(f"{ref}: {tick.windows} windows, {tick.waiting} requests waiting for the next, {breaches} breaches, "
        f"{len(tick.card.open_incidents)} incidents open, card v{tick.card.version}")  # fmt: skip


def watch_forever(house: House, every: float) -> None:
    """Look every few seconds until SIGTERM or ctrl-c. One process at a time: the others wait for the lease."""
    from syscard_monitors.drift import DriftWorker
    from syscard_tui.beside import ReportsBeside
    from syscard_tui.deaths import LEASE, owner_of
    from syscard_tui.heartbeat import own_heartbeat
    from syscard_tui.planned import taking_snapshots
    from syscard_tui.supervise import orphaned

    heart = own_heartbeat()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    owner = f"{owner_of(os.getpid())}{uuid.uuid4().hex[:8]}"
    worker, reports = DriftWorker(heart.beat), ReportsBeside(house)
    try:
        with _telling(house, every), taking_snapshots(house), house.records() as records:
            watcher = house.watcher(records, worker, heart.at)
            while not stopping.is_set() and not orphaned():
                if _leased(records, owner, house.clock()):
                    _look(records, watcher, reports)
                _pause(stopping, every, heart)
            with records.transaction() as transaction:
                transaction.release(LEASE, owner)
    finally:
        worker.close()
        reports.close()


def _telling(house: House, every: float) -> AbstractContextManager[None]:
    """People are told from here where nobody watches over this process; else who does that tells them.

    Raises:
        UsageError: an address is wrong.
    """
    from syscard_tui.notices import take_addresses, telling
    from syscard_tui.supervise import supervised

    return nullcontext() if supervised() else telling(house, take_addresses(house), every)


def _pause(stopping: threading.Event, seconds: float, heart: Heartbeat) -> None:
    """Until the next look; who watches over this process hears that it waits, and does not hang."""
    heart.at(Step(doing="waiting for the next look"))
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stopping.wait(min(left, _BEAT_S)):
        heart.beat()


def _leased(records: Records, owner: str, now: datetime) -> bool:
    from syscard_tui.deaths import LEASE

    with records.transaction() as transaction:
        return transaction.lease(LEASE, owner, now, LEASE_FOR) is not None


def _look(records: Records, watcher: Watcher, reports: ReportsBeside) -> None:
    """One look at every system; what fails for one must not stop the others."""
    from syscard.errors import SyscardError

    for ref in records.systems():
        try:
            tick = watcher.tick(ref)
            reports.ask(tick.card)
            if tick.windows:
                watcher.compare_groups(ref)
        except SyscardError as error:
            note(f"monitors of {ref}: {error}")
        except Exception as error:  # noqa: BLE001  (a defect in one system's monitors must not blind the others)
            note(f"monitors of {ref} failed, nothing of this look was kept: {type(error).__name__}: {error}")


Since = Annotated[datetime | None, typer.Option("--from", help="Event time, UTC.")]
Until = Annotated[datetime | None, typer.Option("--to", help="Event time, UTC.")]
_CHECK: Final = "Only look: write nothing, and exit 1 if the halves disagree."


def set_baseline(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    approved_by: Annotated[str | None, typer.Option(help="Who approved it; else you.")] = None,
    check: Annotated[bool, typer.Option("--check", help=_CHECK)] = False,
    as_json: AsJson = False,
) -> None:
    """Make a stretch of traffic the reference. Only a human does this; the old one stays in the history."""
    from datetime import UTC

    from syscard.render.baselines import disagreeing
    from syscard_monitors.drift import DriftWorker
    from syscard_tui.wiring import author

    house, ref = options_of(context).house(), options_of(context).ref()
    with house.records() as records:
        watcher = house.watcher(records, DriftWorker())
        called = name or records.current(ref).monitors.get("baseline", {}).get("name", "baseline")
        start, end = (m.replace(tzinfo=UTC) if m and m.tzinfo is None else m for m in (since, until))
        found: SetBaseline | None
        if check:
            found = watcher.proposed_baseline(ref, called, start, end, approved_by or author().name)
        else:
            found = watcher.set_baseline(ref, called, author(), start, end, approved_by).baseline
    body = found.model_dump(mode="json") if found else {}
    _say_baseline(body, as_json=as_json)
    if disagreeing(body):
        note(_DISAGREE if not check else "the halves disagree: nothing was set")
    raise typer.Exit(1 if check and disagreeing(body) else 0)


_DISAGREE: Final = (
    "the halves of this baseline disagree, so part of it is not what is usual: look at these signals before you rely "
    "on it (syscard baseline show), take another stretch with --from and --to, or go back: syscard baseline use NAME"
)


def _say_baseline(body: dict[str, Any], *, as_json: bool, every: bool = False) -> None:
    from syscard.render.baselines import baseline_text

    if as_json:
        say_json(body)
    else:
        for line in baseline_text(body, _WIDTH, every=every):
            say(line)


def show_baseline(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Every one that was ever set.")] = False,
    as_json: AsJson = False,
) -> None:
    """Which reference is in force, who approved it, and whether its halves agree; all of them with --all."""
    if every:
        _show_history(context, as_json=as_json)
        return
    found = options_of(context).view()["card"]["baseline"]
    if found is None and not as_json:
        say("no baseline yet: set one with: syscard baseline set")
    else:
        _say_baseline(found, as_json=as_json, every=True)


def _show_history(context: typer.Context, *, as_json: bool) -> None:
    from dataclasses import asdict

    from syscard.digest import iso
    from syscard.render.baselines import history_text

    house, ref = options_of(context).house(), options_of(context).ref()
    with house.records() as records:
        from syscard.records.baselines import baselines

        known = baselines(records, ref)
    past = [{**asdict(p), "baseline": p.baseline.model_dump(mode="json"), "set_at": iso(p.set_at)} for p in known]
    if as_json:
        say_json(past)
        return
    for line in history_text(past, _WIDTH) if past else ("no baseline yet: set one with: syscard baseline set",):
        say(line)


def use_baseline(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|DIGEST", help="As `baseline show --all` lists them.")],
) -> None:
    """Go back to an older reference. It is an edit of yours, and the one in force now stays in the history."""
    from syscard_tui.wiring import author

    house, ref = options_of(context).house(), options_of(context).ref()
    with house.records() as records:
        from syscard.records.baselines import use_baseline as use

        card = use(records, ref, name, author(), house.clock())
    if card.baseline:
        say(f"baseline {one_line(card.baseline.name)} is in force again; card v{card.version}")
