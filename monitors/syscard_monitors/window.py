"""One window of requests: its findings. Pure but for the memory it is handed, and the asking."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from syscard.card import Card
from syscard.edits import Author, AuthorKind
from syscard.errors import MissingExtra, MonitorError
from syscard.finding import Finding, State, Window
from syscard.live import HISTORY
from syscard.rotations import NOT_COMPARABLE, comparable, has_mark
from syscard.steps import At, Step, untold
from syscard.system import System
from syscard_monitors import burn, detecting, edetector, judge, observed
from syscard_monitors.assemble import Request, micros
from syscard_monitors.baseline import signal_values
from syscard_monitors.drift import Comparison
from syscard_monitors.graph import Graph
from syscard_monitors.groups import GroupMetric, metrics_of
from syscard_monitors.judge import Measured, Missing, Streak
from syscard_monitors.memory import Memory
from syscard_monitors.packs import Signal
from syscard_monitors.power import power_text
from syscard_monitors.reference import Reference
from syscard_monitors.samples import sample_sums, sampling_of
from syscard_monitors.strata import Strata
from syscard_monitors.traces import moment

_log = logging.getLogger("syscard.monitors")
AUTHOR: Final = Author(kind=AuthorKind.MONITOR, name="watch")
MOST_WITHHELD: Final = 1_000
"""Values beyond the tolerance that a detector has looked at and not learnt yet."""
WINDOW: Final = 20
"""Requests in a counted window."""
UNDECLARED_PERSIST: Final = 2
Ask = Callable[[Sequence[Comparison]], dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """Everything that is the same for all windows of one look."""

    system: System
    signals: tuple[Signal, ...]
    graph: Graph
    references: dict[str, Reference] | None
    """None without a baseline."""
    strata: Strata = field(default_factory=Strata)
    """How the baseline's requests are told apart."""
    baseline: str = ""
    """Digest of the baseline's data."""
    aside: Mapping[str, str] = field(default_factory=dict)
    """Signals and claims that are not computed, as the monitors died in them; with the reason."""
    at: At = untold
    """Is told which signal is judged next."""

    @cached_property
    def judged(self) -> int:
        """What shares the false-alarm budget: signals for which the baseline is large enough, and burn rates."""
        known = self.references or {}
        rates = sum(len(o.pairs) for o in self.objectives)
        return rates + sum(s.key in known and known[s.key].n >= s.min_n for s in self.signals)

    @cached_property
    def objectives(self) -> tuple[burn.Objective, ...]:
        """What has an error budget."""
        return burn.objectives(self.system, self.signals)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Of everything that a window is judged by."""
        rates = (o.key(severity) for o in self.objectives for severity in o.severities)
        return frozenset([*(s.key for s in self.signals), *rates])

    @cached_property
    def group_metrics(self) -> tuple[GroupMetric, ...]:
        """What groups are compared by."""
        return tuple(metric for metric in metrics_of(self.system, self.signals) if metric.key not in self.aside)


def window_of(index: int, requests: Sequence[Request]) -> Window:
    """Number, times and size of a window."""
    start = min(r.start_us for r in requests)
    return Window(index=index, start=moment(start), end=moment(requests[-1].end_us), n=len(requests))


def findings_of(
    card: Card,
    plan: Plan,
    memory: Memory,
    requests: Sequence[Request],
    window: Window,
    ask: Ask,
    feedback: Sequence[Request] = (),
) -> tuple[Finding, ...]:
    """A finding for all that the window speaks of; the memory's streaks and histories move on."""
    if memory.detecting != plan.baseline:
        memory.detecting, memory.detectors = plan.baseline, {}
    pace_us = pace(plan, memory) or micros(window.end) - micros(window.start)
    share = detecting.share_of_period(detecting.budget_of(plan.system), pace_us)
    measured = _measured(plan, memory, requests, share)
    tested = _second_opinions(plan, memory, measured, share, ask)
    traces = tuple(r.reference for r in requests[:3])
    sampled = sampling_of(sample_sums(requests), len(requests))
    found = []
    for signal in (s for s in plan.signals if s.key in tested):
        streak = memory.streaks.get(signal.key, Streak())
        needed = _log_needed(plan, signal, share)
        finding, count = judge.verdict(signal, tested[signal.key], streak, window, traces, needed)
        if judge.stands(signal, streak) and not count:
            memory.detectors.pop(signal.key, None)  # it begins again with what the baseline says is usual
        _remember(memory, finding, count)
        found.append(finding.model_copy(update={"sampled": sampled}) if sampled else finding)
    burning = _burning(plan, memory, requests, feedback, window, share)
    return (*found, *burning, *_undeclared(card, memory, requests, window))


def _burning(
    plan: Plan,
    memory: Memory,
    requests: Sequence[Request],
    feedback: Sequence[Request],
    window: Window,
    share: float,
) -> tuple[Finding, ...]:
    """Error budgets: one that cannot be computed says so, and keeps what it had."""
    known, end, found = memory.budgets, micros(window.end), list[Finding]()
    memory.budgets = {o.place: known.get(o.place, ()) for o in plan.objectives}
    needed = detecting.log_needed(detecting.budget_of(plan.system), plan.judged, share, 1.0)
    traces = tuple(r.reference for r in requests[:3])
    for objective in plan.objectives:
        try:
            bins = burn.counted(known.get(objective.place, ()), objective, requests, feedback, end)
        except MonitorError as error:
            told = burn.failed(objective, str(error), window)
        else:
            memory.budgets[objective.place] = bins
            rates = burn.burns(objective, bins, end)
            told = burn.findings(objective, rates, window, traces, needed, memory.streaks)
        found += burn.failed(objective, objective.wrong, window) if objective.wrong else told
    for finding in found:
        _remember(memory, finding, _run(finding, memory.streaks.get(finding.key, Streak())))
    return tuple(found)


def _run(finding: Finding, before: Streak) -> int:
    """Windows running in which an error budget is in breach; what failed has not seen it end."""
    if finding.state is State.ERROR:
        return before.windows
    return before.windows + 1 if finding.state is State.BREACH else 0


def pace(plan: Plan, memory: Memory) -> int | None:
    """Microseconds between looks, as they came before this one: the share of the budget must not depend on its values.

    At first that of the baseline; None where it has no rate.
    """
    if memory.pace_us:
        return memory.pace_us
    rate = next((r.per_minute for r in (plan.references or {}).values() if r.per_minute), None)
    return round(WINDOW * 60_000_000 / rate) if rate else None


def _log_needed(plan: Plan, signal: Signal, share: float) -> float:
    return detecting.log_needed(detecting.budget_of(plan.system), plan.judged, share, signal.alpha)


def _measured(plan: Plan, memory: Memory, requests: Sequence[Request], share: float) -> dict[str, Measured | Missing]:
    """Effects and evidence; an optional signal that no span carries is left out."""
    strata = {about: plan.strata.of(about, requests) for about in {s.about for s in plan.signals}}
    found = {s.key: _alone(s, plan, memory, requests, strata[s.about], share) for s in plan.signals}
    left_out = {s.key for s in plan.signals if s.optional and _is_unknown(found[s.key])}
    return {k: m for k, m in found.items() if k not in left_out}


def _is_unknown(measured: Measured | Missing) -> bool:
    return isinstance(measured, Missing) and measured.state is State.UNKNOWN


def _alone(
    signal: Signal, plan: Plan, memory: Memory, requests: Sequence[Request], strata: Sequence[str], share: float
) -> Measured | Missing:
    """One signal's measure; whatever goes wrong in it is its own finding, and the others go on."""
    if signal.key in plan.aside:
        return Missing(plan.aside[signal.key], state=State.ERROR)
    plan.at(Step(plan.system.system.ref, signal=signal.key))
    try:
        return _measure(signal, plan, memory, requests, strata, share)
    except Exception as error:  # noqa: BLE001 - a pack can be of any kind, and one signal must not stop the watch
        _log.exception("the monitor of %s failed", signal.key)
        return Missing(f"the monitor failed ({type(error).__name__}), see the log", state=State.ERROR)


def _measure(
    signal: Signal,
    plan: Plan,
    memory: Memory,
    requests: Sequence[Request],
    strata: Sequence[str],
    share: float,
) -> Measured | Missing:
    """The effect of the window; where evidence is due, of the whole streak of windows together."""
    streak = memory.streaks.get(signal.key, Streak())
    references = plan.references
    reference = references.get(signal.key, Reference(())) if references is not None else None
    try:
        values = signal_values(signal, requests, memory.frontier.end_us or None)
        measured = not_comparable(signal, values, requests, reference) or judge.measure(
            signal, values, reference, strata
        )
    except MonitorError as error:
        return Missing(str(error), state=State.ERROR)
    before = memory.pending.pop(signal.key, [])
    if isinstance(measured, Missing):
        return _with_power(signal, plan, measured, reference, len(requests), share)
    if values is None or reference is None:
        return measured
    stands = judge.stands(signal, streak)
    if stands:  # the reference must not learn from it
        memory.withheld.pop(signal.key, None)
    else:
        measured = _with_evidence(signal, plan, memory, reference, measured, values, strata, share)
    if not measured.exceeds or stands:
        return replace(measured, comparison=None)
    together = [*before, *([value, stratum] for value, stratum in zip(values, strata, strict=True))]
    memory.pending[signal.key] = together[-len(requests) * max(1, signal.persist - 1) :]
    if not judge.is_due(signal, streak):
        return replace(measured, comparison=None, p_value=None)
    whole = judge.measure(signal, [v for v, _ in together], reference, [s for _, s in together])
    if isinstance(whole, Missing):
        return measured
    return replace(whole, exceeds=True, log_rarity=_evidence(signal, memory, measured, whole, share))


def _with_power(
    signal: Signal, plan: Plan, missing: Missing, reference: Reference | None, n: int, share: float
) -> Missing:
    """What is unknown for want of requests, with the smallest change that so few could show."""
    if missing.needs is None or not missing.n or reference is None:
        return missing
    n = n if reference.n < signal.min_n else missing.n
    found = power_text(signal, reference, n, math.exp(_log_needed(plan, signal, share)))
    return replace(missing, why=f"{missing.why}; {found}" if found else missing.why)


def _evidence(signal: Signal, memory: Memory, measured: Measured, whole: Measured, share: float) -> float | None:
    """Of the windows of a streak together, where an exact test has it, and of all looks, where a detector has."""
    if whole.log_rarity is None or signal.key not in memory.detectors:
        return measured.log_rarity if whole.log_rarity is None else whole.log_rarity
    return detecting.with_exact(detecting.log_rarity(memory.detectors[signal.key], share), whole.log_rarity)


def _with_evidence(
    signal: Signal,
    plan: Plan,
    memory: Memory,
    reference: Reference,
    measured: Measured,
    values: Sequence[Any],
    strata: Sequence[str],
    share: float,
) -> Measured:
    """With what its e-detector says, which looks at these values now; where it has none, as it was.

    What lies beyond the tolerance is learnt when that is over, and not at all where a breach comes of it: what may be a
    change must not become what is usual, and what was chance must not be missing from it.
    """
    if not detecting.uses_detector(signal, reference):
        return measured
    known = memory.detectors.get(signal.key) or detecting.begun(signal, reference, plan.baseline)
    cells = detecting.cells_of(known, signal, reference, values, strata)
    after = detecting.looked(known, signal, reference, cells, share, learns=not measured.exceeds)
    withheld = [(stratum, cell) for stratum, cell in memory.withheld.pop(signal.key, [])]
    if measured.exceeds:
        withheld = [*withheld, *cells]
        memory.withheld[signal.key] = withheld[-MOST_WITHHELD:]
        withheld = withheld[:-MOST_WITHHELD]
    memory.detectors[signal.key] = edetector.learnt(after, withheld) if withheld else after
    found = detecting.log_rarity(memory.detectors[signal.key], share)
    if measured.log_rarity is not None:
        found = detecting.with_exact(found, measured.log_rarity)
    return replace(measured, log_rarity=found)


def not_comparable(
    signal: Signal, values: Sequence[Any] | None, requests: Sequence[Request], reference: Reference | None
) -> Missing | None:
    """Why words cannot be compared of which only hashes are kept: the same word has another one under each key."""
    if signal.kind != "category" or reference is None or not has_mark((*(values or ()), *reference.values)):
        return None
    if comparable(reference.keys, frozenset[int]().union(*(r.keys for r in requests))):
        return None
    return Missing(f"{NOT_COMPARABLE}: set the baseline anew with: syscard baseline set")


def _second_opinions(
    plan: Plan, memory: Memory, measured: dict[str, Measured | Missing], share: float, ask: Ask
) -> dict[str, Measured | Missing]:
    """What Evidently says of the values with which a breach begins; the breach stands without it, too."""
    signals = {s.key: s for s in plan.signals}
    comparisons = [
        m.comparison
        for key, m in measured.items()
        if isinstance(m, Measured)
        and m.comparison
        and _begins(signals[key], memory, m, _log_needed(plan, signals[key], share))
    ]
    try:
        scores = ask(comparisons) if comparisons else {}
    except (MonitorError, MissingExtra):
        scores = {}
    return {
        k: replace(m, p_value=scores[k]) if k in scores and isinstance(m, Measured) else m for k, m in measured.items()
    }


def _begins(signal: Signal, memory: Memory, measured: Measured, log_needed: float) -> bool:
    due = judge.is_due(signal, memory.streaks.get(signal.key, Streak()))
    return due and measured.log_rarity is not None and measured.log_rarity >= log_needed


def _remember(memory: Memory, finding: Finding, count: int) -> None:
    before = memory.streaks.get(finding.key, Streak())
    start = micros(finding.window.start)
    memory.streaks[finding.key] = Streak(
        windows=count,
        since_us=before.since_us if before.windows and count else start,
        state=finding.state,
        state_since_us=before.state_since_us if before.state is finding.state and before.state_since_us else start,
    )
    value = None if finding.value is None else float(f"{finding.value:.6g}")
    memory.history[finding.key] = [*memory.history.get(finding.key, []), value][-HISTORY:]


def _undeclared(card: Card, memory: Memory, requests: Sequence[Request], window: Window) -> tuple[Finding, ...]:
    found = observed.undeclared(card, requests, window)
    for finding in found:
        _remember(memory, finding, memory.streaks.get(finding.key, Streak()).windows + 1)
    seen = {f.key for f in found}
    for key in [k for k in memory.streaks if k.endswith(".undeclared") and k not in seen]:
        del memory.streaks[key]
        memory.history.pop(key, None)  # made-up names must not pile up
    return found
