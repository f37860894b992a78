"""The watch: one look at what is new in the lake, window by window, into edits. One transaction a window.

A window is `WINDOW` requests in the order in which they ended, so how spans were cut into batches changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from syscard.card import Card
from syscard.clock import Clock
from syscard.declare import system_of
from syscard.edits import Author, Draft, SetBaseline
from syscard.errors import MonitorError, UsageError
from syscard.finding import Finding, State, Window
from syscard.live import Live, WatcherNow
from syscard.records.runs import runs
from syscard.records.store import Records, Transaction
from syscard.rotations import comparable
from syscard.runs import MOST_DEATHS, set_aside
from syscard.steps import At, Step, untold
from syscard.system import System
from syscard.words import one_line
from syscard_monitors import answers, assessing, baseline, groups, reports
from syscard_monitors.anew import Anew, anew
from syscard_monitors.assemble import Request, micros
from syscard_monitors.assessing import Assessing
from syscard_monitors.burn import Objective
from syscard_monitors.drift import DriftWorker
from syscard_monitors.explain import Explanation, budget_explanation, explanation
from syscard_monitors.graph import Graph
from syscard_monitors.joint import read_joint
from syscard_monitors.judge import told_rarity
from syscard_monitors.look import MOST_ROWS, Scan, between, look
from syscard_monitors.measuring import is_due, measure_groups
from syscard_monitors.memory import Memory, recall
from syscard_monitors.packs import WINDOW, Signal, load_packs, signals_for
from syscard_monitors.plan import Plan
from syscard_monitors.recent import WINDOWS as RECENT_WINDOWS
from syscard_monitors.recent import Recent, from_lake
from syscard_monitors.reference import Reference
from syscard_monitors.risks.calibration import MOST
from syscard_monitors.running import Running, recorded
from syscard_monitors.samples import sample_sums
from syscard_monitors.severity import Severity
from syscard_monitors.showing import live_of, sampled_of
from syscard_monitors.skew import skews
from syscard_monitors.strata import Strata, read_strata
from syscard_monitors.stretches import Body, Place, Stretches
from syscard_monitors.telling import edits_of, released_drafts, stale_drafts, sums_of
from syscard_monitors.traces import moment
from syscard_monitors.tracing_health import WINDOWS, added, counted, figures, known_again
from syscard_monitors.versions import remembered
from syscard_monitors.window import budget_needs, findings_of, log_needed, pace, window_of


@dataclass(frozen=True)
class Tick:
    """What one look did."""

    windows: int
    waiting: int
    """Complete requests that do not fill a window yet."""
    card: Card
    findings: tuple[Finding, ...]
    """Breaches and warnings of every window looked at."""


class Watcher:
    """The monitors of the systems in one home."""

    def __init__(
        self,
        records: Records,
        scan: Scan,
        clock: Clock,
        worker: DriftWorker,
        packs: Path | None = None,
        most_rows: int = MOST_ROWS,
        rotated: Callable[[], tuple[int, ...]] = tuple,
        at: At = untold,
    ) -> None:
        """`rotated` says when the home's key was changed (`syscard.rotations`); `at` is told what the watcher does."""
        self._records = records
        self._scan = scan
        self._clock = clock
        self._worker = worker
        self._packs = packs
        self._most_rows = most_rows
        self._rotated = rotated
        self._at = at
        self._baseline: tuple[str, dict[str, Reference], Strata, dict[str, Any], dict[str, Any]] | None = None
        self._recent: dict[str, Recent] = {}

    def tick(self, ref: str, on_window: Callable[[int, int], None] | None = None) -> Tick:
        """Take every full window of new requests of a system onto its card.

        Args:
            ref: the system.
            on_window: told after each window how many are done, of how many.

        Raises:
            RecordsError: the records refused; nothing of the window they refused was kept.
            MonitorError: another monitor took the same window, or the system was declared anew: look again.
            UsageError: a pack that is not there, or is none.
        """
        self._at(Step(ref, "reading the lake"))
        with recorded(self._records, ref, self._clock) as running:
            return self._look(ref, running, on_window)

    def _look(self, ref: str, running: Running, on_window: Callable[[int, int], None] | None) -> Tick:
        card = self._records.current(ref)
        memory = recall(self._records.watch(ref))
        plan = self._plan(card)
        looked = look(self._scan, plan.system, memory, micros(self._clock()), self._most_rows, self._rotated())
        running.rows = looked.rows
        memory.orphans, memory.late = memory.orphans + looked.orphans, memory.late + looked.late
        of_look = {"orphans": looked.orphans, "late": looked.late, **looked.received}
        memory.tracing = added(memory.tracing, of_look, window=False)
        full = len(looked.complete) // WINDOW
        windows = [looked.complete[i * WINDOW : (i + 1) * WINDOW] for i in range(full)]
        sums, recent = Stretches(self._records.tallies(ref) if windows else ()), self._recent_of(plan, memory)
        found: list[Finding] = []
        for done, requests in enumerate(windows, start=1):
            feedback = looked.feedback_between(memory.frontier.end_us, requests[-1].end_us)
            card, findings = self._window(card, plan, memory, requests, feedback, sums, running, recent)
            recent.add(requests)
            found += [f for f in findings if f.state in (State.BREACH, State.WARN)]
            if on_window:
                on_window(done, full)
        waiting = len(looked.complete) - full * WINDOW
        return Tick(full, waiting, self._finish(plan, memory, waiting, idle=not full), tuple(found))

    def compare_groups(self, ref: str) -> None:
        """Compare what groups of requests get, where that is due: in the worker, and in no window's way.

        Raises:
            RecordsError: the records refused.
            MonitorError: the worker died or hung.
            MissingExtra: Fairlearn is not installed.
        """
        if not is_due(self._records, ref):
            return
        self._at(Step(ref, "comparing groups"))
        with recorded(self._records, ref, self._clock, only_failure=True):
            measure_groups(self._records, ref, self._packs, self._clock(), self._worker.disparities, renew=False)

    def set_baseline(
        self,
        ref: str,
        name: str,
        author: Author,
        since: datetime | None,
        until: datetime | None,
        approved_by: str | None = None,
    ) -> Card:
        """Take the requests of a stretch of time as the reference, as a human decides.

        Args:
            ref: the system.
            name: what to call it.
            author: who sets it.
            since: event time, None from the beginning.
            until: event time, None to now.
            approved_by: who approved it, if that is somebody else than the author.

        Raises:
            UsageError: there is no complete request in that time.
            MonitorError: the signals cannot be computed.
        """
        data = self._measured_baseline(ref, since, until)
        with self._records.transaction() as transaction:
            body = data.edit(name, approved_by or author.name)
            transaction.add_baseline(ref, data.body)
            draft = Draft(body=body, author=author, observed=data.end)
            return transaction.append(ref, [draft], cause=f"baseline {name}", recorded=self._clock())

    def proposed_baseline(
        self, ref: str, name: str, since: datetime | None, until: datetime | None, approved_by: str
    ) -> SetBaseline:
        """What `set_baseline` would set. Nothing is written.

        Raises:
            UsageError: there is no complete request in that time.
            MonitorError: the signals cannot be computed.
        """
        return self._measured_baseline(ref, since, until).edit(name, approved_by)

    def signals(self, ref: str) -> tuple[Signal, ...]:
        """Every signal that watches a system, tuned as the system says."""
        return self._signals(system_of(self._records.current(ref)))

    def budgets(self, ref: str) -> dict[str, tuple[Objective, Severity]]:
        """The error budgets of a system, by the keys of their findings."""
        objectives = self._plan(self._records.current(ref)).objectives
        return {o.key(severity): (o, severity) for o in objectives for severity in o.severities}

    def explain_budget(self, ref: str, objective: Objective, severity: Severity) -> Explanation:
        """What an error budget is and when it goes too fast."""
        plan = self._plan(self._records.current(ref))
        pace_us = pace(plan, recall(self._records.watch(ref)))
        return budget_explanation(objective, severity, None if pace_us is None else budget_needs(plan, pace_us))

    def explain(self, ref: str, key: str) -> tuple[Explanation, Reference | None]:
        """What one signal means and when it is a breach; with its values in the baseline.

        Raises:
            UsageError: there is no such signal.
        """
        plan = self._plan(self._records.current(ref))
        signal = next((s for s in plan.signals if s.key == key), None)
        if signal is None:
            keys = sorted(plan.keys)
            near = [known for known in keys if key in known] or get_close_matches(key, keys)
            there = f"there is {', '.join(near[:5])}; " if near else ""
            raise UsageError(f"no signal '{one_line(key)}': {there}syscard explain lists them all")
        pace_us = pace(plan, recall(self._records.watch(ref)))
        asked = None
        if pace_us is not None:
            asked = told_rarity(log_needed(plan, signal, pace_us))
        known = (plan.references or {}).get(key)
        return explanation(signal, known, asked), known

    def report(self, ref: str, asked: reports.Asked) -> reports.Report:
        """What Evidently says of a stretch of requests. Looks only: nothing is remembered, and no window waits for it.

        Raises:
            UsageError: there is no baseline, or no request in that time.
            MissingExtra: Evidently is not installed.
            MonitorError: it cannot be made.
        """
        card = self._records.current(ref)
        plan, now, rotated = self._plan(card), micros(self._clock()), self._rotated()
        before = recall(self._records.watch(ref)).frontier.end_us or now
        found, some = reports.stretch_of(self._scan, plan.system, asked, before, now, rotated)
        usual = reports.usual_of(self._scan, card, plan.system, asked, now, rotated)
        return reports.make(plan, card, found, asked, self._worker, usual, sampled=some)

    def attribution(self, ref: str, number: int) -> Anew:
        """Who changed, of one incident on the card, made anew. Looks only.

        Raises:
            NoRequests: none of its requests is in the lake any more.
        """
        card = self._records.current(ref)
        return anew(self._records, self._plan(card), card, number, self._scan, micros(self._clock()), self._rotated())

    def _measured_baseline(self, ref: str, since: datetime | None, until: datetime | None) -> baseline.BaselineData:
        system = system_of(self._records.current(ref))
        found = between(self._scan, system, since, until, micros(self._clock()), self._rotated())
        requests = answers.answered(found.requests, found.feedback)
        return baseline.measure_baseline(system, self._signals(system), requests)

    def _signals(self, system: System) -> tuple[Signal, ...]:
        return signals_for(system, load_packs(system.monitors.packs, self._packs))

    def _plan(self, card: Card) -> Plan:
        system, signals = system_of(card), self._signals(system_of(card))
        graph = Graph(frozenset(system.components), frozenset(system.edges))
        aside = set_aside(runs(self._records, card.system, MOST_DEATHS, only_deaths=True), self._clock())
        if card.baseline is None:
            return Plan(system, signals, graph, None, aside=aside, at=self._at)
        digest = card.baseline.data_digest
        known, strata, joint, risks = self._known(digest)
        return Plan(system, signals, graph, known, strata, digest, aside, self._at, joint, risks)

    def _known(self, data_digest: str) -> tuple[dict[str, Reference], Strata, dict[str, Any], dict[str, Any]]:
        """The baseline's values, strata, columns and risks, read again only when there is another baseline."""
        if self._baseline is None or self._baseline[0] != data_digest:
            values = self._records.baseline_data(data_digest)
            strata = read_strata(values.get("strata", {}))
            risks = values.get("risks", {})
            self._baseline = data_digest, baseline.references(values), strata, read_joint(values), risks
        return self._baseline[1:]

    def _recent_of(self, plan: Plan, memory: Memory) -> Recent:
        """The requests before this look; those of another process, or of a system declared otherwise, are read anew."""
        ref = plan.system.system.ref
        known = self._recent.get(ref)
        if known is None or not known.goes_on(plan.system, memory.frontier):
            read = from_lake(self._scan, plan.system, memory, micros(self._clock()), self._rotated())
            known = self._recent[ref] = Recent(plan.system, memory.frontier, read)
        return known

    def _window(
        self,
        known: Card,
        plan: Plan,
        memory: Memory,
        requests: Sequence[Request],
        feedback: Sequence[Request],
        sums: Stretches,
        running: Running,
        recent: Recent,
    ) -> tuple[Card, tuple[Finding, ...]]:
        """One window in one transaction: edits, live values, sums, and what is remembered.

        Signals are judged before it begins: Evidently may take seconds, and a human must be able to acknowledge.
        """
        ref, window = plan.system.system.ref, window_of(memory.windows, requests)
        end = micros(window.end)
        memory.answers = answers.added(memory.answers, feedback)
        own, errors = sums_of(plan, requests, feedback)
        changed, gone = sums.add(plan.system, end, own), sums.forget(plan.system, end)
        findings = findings_of(known, plan, memory, requests, window, running.telling(self._worker.p_values), feedback)
        assessed = self._assessed(known, plan, memory, requests, window, recent)
        findings = (*findings, *(assessed.findings if assessed else assessing.between(memory)))
        self._at(Step(ref, "storing a window"))
        with self._records.transaction() as transaction:
            card, _ = transaction.newest(ref)
            _alone(transaction, plan, memory, known, card)
            newest = partial(transaction.newest_edits, ref)
            risks = assessing.drafts(card, plan, memory, assessed, window) if assessed else ()
            since = partial(recent.with_window, requests)
            sums_now = sums.windows()
            said = edits_of(card, plan, memory, requests, window, findings, sums_now, errors, newest, risks, since)
            gap = baseline.gaps(requests, memory.frontier.end_us or None)
            memory.pace_us = end - memory.frontier.end_us if memory.frontier.end_us else 0
            memory.frontier, memory.windows = requests[-1].place, memory.windows + 1
            memory.starts = [*memory.starts, micros(window.start)][-RECENT_WINDOWS:]
            memory.requests += len(requests)
            _remember_tracing(memory, requests, plan.system)
            memory.versions = remembered(memory.versions, said.after, (r.versions for r in requests))
            live = live_of(plan, said, memory, requests, window, findings, sum(gap), errors, self._clock())
            live = live.after(transaction.live(ref), groups=bool(plan.system.traces.segments))
            card = transaction.append(
                ref, said.drafts, cause=f"window {window.index}", recorded=self._clock(), live=live
            )
            forgotten: dict[Place, Body | None] = dict.fromkeys(gone)
            transaction.set_tallies(ref, {**forgotten, **{place: sums[place] for place in changed}})
            _remember_groups(transaction, plan, requests, feedback)
            transaction.set_watch(ref, memory.body())
        running.window(len(requests), findings, errors)
        return card, tuple(f for f in findings if f.window.index == window.index)

    def _assessed(
        self,
        known: Card,
        plan: Plan,
        memory: Memory,
        requests: Sequence[Request],
        window: Window,
        recent: Recent,
    ) -> Assessing | None:
        """What is found of the risks with this window; None between two assessments."""
        if not assessing.is_due(window):
            return None
        pace_us = pace(plan, memory) or micros(window.end) - micros(window.start)
        return assessing.assess(
            known, plan, memory, recent.with_window(requests, MOST), window, pace_us, recent.columns
        )

    def _finish(self, plan: Plan, memory: Memory, waiting: int, *, idle: bool) -> Card:
        """After the windows: what has gone stale, what nothing holds back any more, and that the watcher ran."""
        ref, now = plan.system.system.ref, self._clock()
        with self._records.transaction() as transaction:
            card, _ = transaction.newest(ref)
            _alone(transaction, plan, memory, card, card)
            live = transaction.live(ref) or Live(as_of=card.observed, watcher=WatcherNow(total=len(plan.keys)))
            watcher = live.watcher.model_copy(
                update={
                    "last_run": now,
                    "last_span": moment(memory.newest_us) if memory.newest_us else None,
                    "waiting": waiting,
                    "orphans": memory.orphans,
                    "late": memory.late,
                    **sampled_of(memory),
                }
            )
            drafts = stale_drafts(card, plan.system, now)
            released = released_drafts(card, memory.quiet, now) if idle else ()
            transaction.set_watch(ref, memory.body())
            return transaction.append(
                ref,
                [*drafts, *released],
                cause="evidence expired" if drafts else "held back no longer",
                recorded=now,
                live=live.model_copy(update={"watcher": watcher, "tracing": figures(memory.tracing, memory.skew)}),
            )


def _remember_tracing(memory: Memory, requests: Sequence[Request], system: System) -> None:
    """How a window's requests were traced; ids that were seen before, in another look, count as repeated."""
    memory.ids, again = known_again(memory.ids, ((r.trace_id, r.root_id, r.start_us) for r in requests))
    facts = [replace(r.tracing, repeated=r.tracing.repeated or r.trace_id in again) for r in requests]
    skew_us = system.traces.clock_tolerance // timedelta(microseconds=1)
    rotated = sum(not comparable(r.keys) for r in requests)
    counts = {**counted(facts, skew_us), **sample_sums(requests), "rotated": rotated}
    memory.tracing = added(memory.tracing, counts, window=True)
    memory.skew = [*memory.skew, skews((call for f in facts for call in f.crossings), skew_us)][-WINDOWS:]


def _remember_groups(
    transaction: Transaction, plan: Plan, requests: Sequence[Request], feedback: Sequence[Request]
) -> None:
    """What each group got, in the sums of the days on which requests ended."""
    ref, segments = plan.system.system.ref, plan.system.traces.segments
    if not segments:
        return
    days = groups.days_of((*requests, *feedback))
    known = {day: groups.read_sums(sums) for day, sums in transaction.group_sums(ref, days).items()}
    for day, sums in groups.with_requests(known, plan.group_metrics, segments, requests, feedback).items():
        transaction.set_group_sums(ref, day, groups.body(sums))
    transaction.drop_group_sums(ref, max(groups.days_of(requests)) - groups.DAYS + 1)


def _alone(transaction: Transaction, plan: Plan, memory: Memory, known: Card, card: Card) -> None:
    """Nobody else has taken this window, and the system is still the one that was looked at.

    Raises:
        MonitorError: the look must be made again; nothing of the window was written.
    """
    ref = plan.system.system.ref
    if recall(transaction.watch(ref)).frontier != memory.frontier:
        raise MonitorError(f"another monitor is at work on {ref}: it has taken this window, nothing was written twice")
    if card.version != known.version and system_of(card) != plan.system:
        raise MonitorError(f"{ref} was declared anew while it was looked at: look again")
