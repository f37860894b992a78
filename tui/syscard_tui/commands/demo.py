"""`demo`: a recorded recommender, replayed into a home of its own, with the figures that come out."""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from syscard_tui.options import options_of, say

if TYPE_CHECKING:
    from syscard.card import Card, Incident
    from syscard.clock import ReplayClock
    from syscard.records.store import Records
    from syscard_monitors.watch import Tick, Watcher
    from syscard_tracing.rules import TraceRules
    from syscard_tui.replay import Script, Stretch
    from syscard_tui.wiring import House

HOME: Final = Path(".demo")
MARKER: Final = "DEMO"
_WIDTH: Final = 80


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(context: typer.Context) -> None:
    """Replay recorded spans of a real VLM + CF + LLM recommender, normal and with faults, into .demo/."""
    from syscard.clock import ReplayClock, system_clock
    from syscard_monitors.drift import DriftWorker
    from syscard_tui.replay import script
    from syscard_tui.wiring import House

    started, now = time.monotonic(), system_clock()
    home = options_of(context).named_home or HOME
    worker = DriftWorker()
    worker.warm()  # importing Evidently takes seconds: it does so while spans are read
    try:
        _need_server()
        _empty(home)
        tale = script(now)
        clock = ReplayClock(tale.baseline.end)
        house = House(options_of(context).new_home() if options_of(context).named_home else _made(home), clock)
        (house.home.root / MARKER).write_text("made by: syscard demo\n", encoding="utf-8")
        with house.records() as records:
            _Demo(house, records, worker, clock, tale).run(now)
    finally:
        worker.close()
    say(f"Done in {time.monotonic() - started:.0f} s.")


def _need_server() -> None:
    """Say what is missing before an earlier demo is taken away.

    Raises:
        MissingExtra: the server extra is not installed.
    """
    from syscard.errors import MissingExtra

    try:
        import syscard.records.store  # noqa: F401
    except ImportError as error:
        raise MissingExtra("server", "the demo") from error


def _made(home: Path) -> Any:
    from syscard.home import Home

    return Home(home).create()


def _empty(home: Path) -> None:
    """Take away what an earlier demo left; never a home that a demo has not made.

    Raises:
        UsageError: the folder is somebody's home.
    """
    from syscard.errors import UsageError

    if not home.exists() or not any(home.iterdir()):
        return
    if not (home / MARKER).is_file():
        raise UsageError(f"{home} was not made by the demo: name another folder with --home")
    shutil.rmtree(home)


class _Demo:
    """One run: the five steps, each doing its work and saying what came out."""

    def __init__(self, house: House, records: Records, worker: Any, clock: ReplayClock, tale: Script) -> None:
        self._house = house
        self._records = records
        self._clock = clock
        self._tale = tale
        self._worker = worker
        self._watcher: Watcher = house.watcher(records, worker)
        self._rules: TraceRules
        self._ref = ""
        self._command = f".venv/bin/syscard --home {house.home.root}" if Path(".venv/bin/syscard").exists() else (
            f"syscard --home {house.home.root}"
        )  # fmt: skip

    def run(self, now: datetime) -> None:
        """All five steps."""
        from syscard_tui.replay import RECORDED_ON

        tale = self._tale
        say(f"syscard demo: a real VLM + CF + LLM recommender, {tale.requests:,} recorded requests")
        say(f"Recorded {RECORDED_ON} on a CPU; replayed with event times moved to end {now:%H:%M} UTC.")
        say("No model runs, no network.")
        say()
        self._declare()
        self._baseline()
        before = self._again()
        self._faults()
        self._clock.move_to(now)
        self._watcher.tick(self._ref)
        self._house.measure_groups(self._ref)
        card = self._records.current(self._ref)
        self._card(before, card)
        self._words(card)
        self._ending(card)

    def _declare(self) -> None:
        from syscard.declare import declaring
        from syscard.system_file import parse_system
        from syscard_configs import read_text
        from syscard_tui.wiring import author

        system = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
        self._ref = system.system.ref
        with self._records.transaction() as transaction:
            card, _ = transaction.newest(self._ref)
            drafts = declaring(card, system, author(), self._clock())
            card = transaction.append(self._ref, drafts, cause="apply recommender.yaml", recorded=self._clock())
        self._rules = self._house.rules(self._records)
        _step(1, "What its team promised", "syscard apply system.yaml")
        parts = (f"{len(card.components)} components", f"{len(card.interactions)} interactions",
                 f"{len(card.claims)} claims", f"{len(card.risks)} risks", f"{len(card.unknowns)} unknown")  # fmt: skip
        say(f"     {', '.join(parts)}".ljust(69) + f"-> card v{card.version}")

    def _replay(self, stretch: Stretch) -> Tick:
        from syscard_tracing.ingest import ingest_lines
        from syscard_tui.progress import progress
        from syscard_tui.replay import AFTERWARDS

        self._clock.move_to(stretch.end + AFTERWARDS)
        with progress("replay") as tell:
            tell(0, 0, f"{len(stretch.requests):,} requests")
            ingest_lines(stretch.lines, self._house.home, self._rules, self._clock, shift=stretch.shift)
            return self._watcher.tick(self._ref, lambda done, of: tell(done, of, "windows"))

    def _baseline(self) -> None:
        from syscard_tui.wiring import author

        self._replay(self._tale.baseline)
        card = self._watcher.set_baseline(self._ref, "launch", author(), None, None)
        found = card.baseline
        _step(2, f"Normal traffic: {len(self._tale.baseline.requests):,} requests are the baseline",
              "syscard baseline set")  # fmt: skip
        if found is not None:
            p, unlike = found.agreement_p, [one.signal for one in found.halves if one.disagree]
            agree = "halves not compared" if p is None else f"halves agree (A/A p {p:.2f})"
            agree = f"halves DISAGREE in {len(unlike)}" if unlike else agree
            varying = len(found.watched) - len(found.too_constant)
            say(f"     {agree}; {varying} signals watched for drift,")
            say(f"     {len(found.too_constant)} constant ones for leaving their value")

    def _again(self) -> Card:
        tick = self._replay(self._tale.again)
        _step(3, f"Normal traffic again: {len(self._tale.again.requests)} requests", "syscard monitor")
        breaches = sum(f.state == "breach" for f in tick.findings)
        say(
            f"     {breaches} findings, {len(tick.card.incidents)} incidents".ljust(69)
            + f"-> card v{tick.card.version}"
        )
        counts = _counts(tick.card)
        why = "; ".join(f"{c.id}: {c.overall.why}" for c in tick.card.claims.values() if c.status == "unknown")
        say(f"     CLAIMS  {counts['holds']} hold   {counts['broken']} broken   {counts['unknown']} unknown")
        for line in _wrapped(why, _WIDTH - 13):
            say(f"             {line}")
        return tick.card

    def _faults(self) -> None:
        """Every fault, against what was said: only then is the truth looked at."""
        told = [stretch for stretch, _ in self._tale.faults]
        real = sum(bool(stretch.fault and stretch.fault.part) for stretch in told)
        _step(4, f"{_number(real)} faults and a look-alike, {len(told[0].requests)} requests each", "")
        say("     fault (truth)       on   syscard says                       blames   after")
        right = false = 0
        for stretch, afterwards in self._tale.faults:
            opened = self._opened_in(stretch)
            right += _row(stretch, opened)
            if stretch.fault and not stretch.fault.part:
                false += len(opened)
            if afterwards is not None:
                false += len(self._opened_in(afterwards))
        incidents = self._records.current(self._ref).incidents
        say(f"     {real} faults, {len(incidents)} incidents, {right} on the right part; false alarms: {false}")

    def _opened_in(self, stretch: Stretch) -> list[Incident]:
        """The incidents that a stretch opened."""
        known = set(self._records.current(self._ref).incidents)
        return [i for n, i in self._replay(stretch).card.incidents.items() if n not in known]

    def _card(self, before: Card, after: Card) -> None:
        from syscard.diff import material_diff
        from syscard.render.cardtext import diff_text

        _step(5, "What the card says now", f"card v{before.version} -> v{after.version}")
        changes = material_diff(before.model_dump(mode="json"), after.model_dump(mode="json"))
        for line in diff_text(changes, _WIDTH - 5).splitlines():
            say(f"     {line}")
        for claim in after.claims.values():
            if claim.status in ("holds", "unknown") and claim.status == before.claims[claim.id].status:
                say(
                    f"     {'=' if claim.status == 'holds' else '?'} {claim.status.upper():<8} {_claim(claim)}"[:_WIDTH]
                )
        from syscard.stored import verify

        say(f"     chain of {verify(self._records.stored(self._ref))} edits verified: ok")
        self._went(before)

    def _went(self, before: Card) -> None:
        """Claims that broke while the faults passed, and how often: the history has them."""
        from syscard.edits import SetClaim

        times: dict[str, int] = {}
        broken: set[str] = set()
        for edit in self._records.edits(self._ref):
            body = edit.body
            if isinstance(body, SetClaim) and edit.version > before.version:
                now = any(s.status == "broken" for s in body.slices)
                times[body.claim] = times.get(body.claim, 0) + (now and body.claim not in broken)
                broken = broken | {body.claim} if now else broken - {body.claim}
        named = [f"{claim} ({n}x)" for claim, n in times.items() if n]
        for line in _wrapped(f"claims that broke on the way: {', '.join(named) or 'none'}", _WIDTH - 5):
            say(f"     {line}")

    def _words(self, card: Card) -> None:
        """The worst open incident as on-call reads it; everything else is in `incident show`."""
        if not card.incidents:
            return
        worst = (card.open_incidents or tuple(card.incidents.values()))[0]
        evidence = [i for f in worst.findings if (i := card.evidence_id(f.evidence))]
        say()
        shown = f"evidence {evidence[0]} .. {evidence[-1]}"
        say(f"INC-{worst.number} in words  (from a template, no language model; {shown})")
        texts = (
            *worst.note,
            f"Not known: {'; '.join(worst.unknowns) or 'nothing was written down as not known'}.",
            f"Look at: trace {' '.join(f'{t[:8]}..' for t in worst.traces)}",
            f"Do first: {worst.do_first}",
        )
        for text in texts:
            for line in _wrapped(text, _WIDTH - 5):
                say(f"     {line}")

    def _view(self) -> dict[str, Any]:
        from syscard.views import read_view

        return read_view(self._house.home.records, self._ref)

    def _ending(self, card: Card) -> None:
        from syscard.snapshots import Wish
        from syscard_tui.snapshots import take
        from syscard_tui.wiring import author

        view = self._view()
        gate = view["gate"]
        word = "BLOCKED (exit 1)" if gate["blocked"] else "open (exit 0)"
        say()
        say(f"Gate:      {gate['stage']} {word}")
        for reason in gate["reasons"]:
            say(f"           {reason}"[:_WIDTH])
        with self._house.records() as records:
            taken = take(self._house, records, self._ref, Wish(), author())
        files = {path.suffix: path for path in taken.paths[:4]}
        say(f"Snapshot:  {files['.html']}")
        say(f"           (one file, opens offline; beside it {files['.pdf'].name} for paper, both signed)")
        say()
        say("Now you:")
        number = max(card.incidents, default=1)
        for command, what in (
            (f"{self._command} tui", "the on-call screen"),
            (f"{self._command} incident show INC-{number}", "evidence and traces"),
            (f"{self._command} card diff v2 v{card.version}", "what leaders should read"),
        ):
            say(_offer(command, what))
        own = self._command.split(" --home")[0]
        say(_offer(f"{own} init && {own} serve", "your own system on :4318"))


def _step(number: int, title: str, command: str) -> None:
    say((f"{number}/5  {title}".ljust(54) + f" {command}").rstrip())


def _offer(command: str, what: str) -> str:
    """A command and what it is for, on one line where both have room: commands are copied, so they are never broken."""
    line = f"  {command:<53} {what}"
    return line if len(line) <= _WIDTH else f"  {command}\n{'':<56}{what}"


def _number(count: int) -> str:
    return {3: "Three", 4: "Four", 5: "Five", 6: "Six"}.get(count, str(count))


def _counts(card: Card) -> dict[str, int]:
    statuses = [c.status for c in card.claims.values()]
    return {word: statuses.count(word) for word in ("holds", "broken", "unknown", "stale")}


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)


def _claim(claim: Any) -> str:
    overall = claim.overall
    if claim.status == "unknown":
        return f"{claim.id:<18} {overall.why}"
    return f"{claim.id:<18} {overall.value:.3g} of {overall.n:,}" if overall.value is not None else claim.id


def _row(stretch: Stretch, opened: list[Incident]) -> bool:
    """One line of the table; whether an incident names the part that the fault is on."""
    fault = stretch.fault
    if fault is None or not opened:
        said = "nothing" if fault is None or fault.part else "nothing: it is no fault"
        say(f"     {fault.name if fault else '':<19} {(fault.part if fault else '') or '-':<4} {said}")
        return False
    incident = opened[0]
    right = any(i.subject == fault.part for i in opened)
    says = incident.title[:34]
    after = _requests_until(stretch, incident)
    blames = f"{incident.subject:<4} {'ok' if right else 'NO'}"
    say(f"     {fault.name:<19} {fault.part or '-':<4} {says:<34} {blames:<8} {after} req")
    return right


def _requests_until(stretch: Stretch, incident: Incident) -> int:
    """Requests of the fault that had ended when the incident opened."""
    from syscard_tui.replay import ended_by

    return ended_by(stretch, incident.opened)
