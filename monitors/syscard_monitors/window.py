"""One window of requests: its findings. Pure but for the memory it is handed, and the asking."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from syscard.card import Card
from syscard.edits import Author, AuthorKind
from syscard.embedded import COSINE
from syscard.errors import MissingExtra, MonitorError
from syscard.finding import Finding, State, Window
from syscard.rotations import NOT_COMPARABLE, comparable, has_mark
from syscard.steps import Step
from syscard_monitors import detecting, edetector, embeddings, judge, observed
from syscard_monitors.assemble import Request, micros
from syscard_monitors.burning import burning
from syscard_monitors.drift import Comparison
from syscard_monitors.gathering import Gathered, gather
from syscard_monitors.judge import Measured, Missing, Streak
from syscard_monitors.memory import Memory
from syscard_monitors.packs import WINDOW, Signal
from syscard_monitors.plan import Plan
from syscard_monitors.power import power_text
from syscard_monitors.reference import Reference
from syscard_monitors.samples import sample_sums, sampling_of
from syscard_monitors.traces import moment
from syscard_monitors.vectors import other_maker, seen_in

_log = logging.getLogger("syscard.monitors")
AUTHOR: Final = Author(kind=AuthorKind.MONITOR, name="watch")
MOST_WITHHELD: Final = 1_000
"""Values beyond the tolerance that a detector has looked at and not learnt yet."""
UNDECLARED_PERSIST: Final = 2
Ask = Callable[[Sequence[Comparison]], dict[str, float]]
Computed = TypeVar("Computed")


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
    """A finding for all that the window speaks of; the memory's streaks and histories move on.

    A signal that is looked at over several windows together keeps what its last look found until the next: that
    finding is of an earlier window.
    """
    _begin_anew(plan, memory)
    pace_us = pace(plan, memory) or micros(window.end) - micros(window.start)
    looks, waiting = _looks(plan, memory, requests, pace_us)
    paces = {signal.key: _pace_of(looks.get(signal.key), pace_us) for signal in plan.signals}
    tested = _second_opinions(plan, memory, _measured(plan, memory, looks, paces), paces, ask)
    tested |= _embedded(plan, memory, requests)
    traces = tuple(r.reference for r in requests[:3])
    sampled = sampling_of(sample_sums(requests), len(requests))
    found: list[Finding] = []
    kept: dict[str, Finding] = {}
    for signal in plan.signals:
        if signal.key in waiting:
            found += _between_looks(signal, memory, waiting[signal.key], window)
        elif signal.key in tested:
            look = looks.get(signal.key)
            own = look.window(window) if isinstance(look, Gathered) else window
            finding = _found(signal, plan, memory, tested[signal.key], own, traces, paces[signal.key])
            finding = finding.model_copy(update={"sampled": sampled}) if sampled else finding
            kept |= {signal.key: finding} if signal.every > WINDOW else {}
            found.append(finding)
    memory.kept = {key: old for key, old in memory.kept.items() if key in waiting} | kept
    memory.waiting = waiting
    found += burning(plan, memory, requests, feedback, window, budget_needs(plan, pace_us))
    return (*found, *_undeclared(card, memory, requests, window))


def _begin_anew(plan: Plan, memory: Memory) -> None:
    """What was seen against another baseline says nothing against this one; only a breach stands until it is over."""
    if memory.detecting != plan.baseline:
        for signal in plan.signals:
            if (streak := memory.streaks.get(signal.key)) and not judge.stands(signal, streak):
                memory.streaks[signal.key] = replace(streak, windows=0)
        memory.detecting, memory.detectors, memory.waiting, memory.kept = plan.baseline, {}, {}, {}
        memory.withheld, memory.pending, memory.vectors = {}, {}, {}


def _looks(
    plan: Plan, memory: Memory, requests: Sequence[Request], pace_us: int
) -> tuple[dict[str, Gathered | Missing], dict[str, Gathered]]:
    """What is looked at now, by signal, and what waits for more windows."""
    strata = {about: plan.strata.of(about, requests) for about in {s.about for s in plan.signals}}
    looks: dict[str, Gathered | Missing] = {}
    waiting: dict[str, Gathered] = {}
    for signal in (s for s in plan.signals if s.kind != "embedding"):
        gathering = partial(_gathered, signal, memory, requests, strata[signal.about], pace_us)
        other = _by_another(signal, plan, requests)
        found: Gathered | Missing = other if other is not None else _guarded(signal, plan, gathering)
        if isinstance(found, Gathered) and found.requests < signal.window > WINDOW:
            waiting[signal.key] = found
        else:
            looks[signal.key] = found
    return looks, waiting


def _gathered(
    signal: Signal, memory: Memory, requests: Sequence[Request], strata: Sequence[str], pace_us: int
) -> Gathered:
    now = gather(signal, requests, strata, memory.frontier.end_us or None, pace_us)
    before = memory.waiting.get(signal.key)
    return before.then(now) if before else now


def _between_looks(signal: Signal, memory: Memory, waits: Gathered, window: Window) -> Iterator[Finding]:
    """What stands of a signal that is not looked at yet."""
    if signal.key in memory.kept:
        yield memory.kept[signal.key]
    elif not signal.optional:
        missing = Missing(f"needs n {signal.window}, has {waits.requests}", signal.window, waits.requests)
        finding, count = judge.verdict(signal, missing, Streak(), waits.window(window), (), 0.0)
        memory.remember(finding, count)
        yield finding


def _found(
    signal: Signal,
    plan: Plan,
    memory: Memory,
    measured: Measured | Missing,
    window: Window,
    traces: tuple[str, ...],
    pace_us: int,
) -> Finding:
    """The verdict, remembered."""
    streak = memory.streaks.get(signal.key, Streak())
    finding, count = judge.verdict(signal, measured, streak, window, traces, log_needed(plan, signal, pace_us))
    if judge.stands(signal, streak) and not count:
        memory.detectors.pop(signal.key, None)  # it begins again with what the baseline says is usual
    memory.remember(finding, count)
    return finding


def pace(plan: Plan, memory: Memory) -> int | None:
    """Microseconds between windows, as they came before this one: what is asked for must not depend on its values.

    At first that of the baseline; None where it has no rate.
    """
    if memory.pace_us:
        return memory.pace_us
    rate = next((r.per_minute for r in (plan.references or {}).values() if r.per_minute), None)
    return round(WINDOW * 60_000_000 / rate) if rate else None


def _pace_of(look: Gathered | Missing | None, pace_us: int) -> int:
    """Microseconds between the windows of a look: the newest one's say nothing of a night before."""
    return look.took_us * WINDOW // look.requests if isinstance(look, Gathered) else pace_us


def log_needed(plan: Plan, signal: Signal, pace_us: int) -> float:
    """How rare a signal's evidence must be, as a natural logarithm."""
    return _needed(plan, _share(plan, signal, pace_us), signal.alpha)


def budget_needs(plan: Plan, pace_us: int) -> float:
    """How rare the evidence of an error budget must be, as a natural logarithm."""
    return _needed(plan, detecting.share_of_period(detecting.budget_of(plan.system), pace_us), 1.0)


def _needed(plan: Plan, share: float, alpha: float) -> float:
    return detecting.log_needed(detecting.budget_of(plan.system), plan.judged, share, alpha)


def _share(plan: Plan, signal: Signal, pace_us: int) -> float:
    """The part of the budget's period that one look at a signal takes."""
    return detecting.share_of_period(detecting.budget_of(plan.system), pace_us * signal.every // WINDOW)


def _measured(
    plan: Plan, memory: Memory, looks: Mapping[str, Gathered | Missing], paces: Mapping[str, int]
) -> dict[str, Measured | Missing]:
    """Effects and evidence; an optional signal that no span carries is left out."""
    found: dict[str, Measured | Missing] = {}
    for signal in (s for s in plan.signals if s.key in looks):
        look, share = looks[signal.key], _share(plan, signal, paces[signal.key])
        if isinstance(look, Gathered):
            found[signal.key] = _guarded(signal, plan, partial(_measure, signal, plan, memory, look, share))
        else:
            found[signal.key] = look
    left_out = {s.key for s in plan.signals if s.optional and _is_silent(found.get(s.key))}
    return {k: m for k, m in found.items() if k not in left_out}


def _is_silent(measured: Measured | Missing | None) -> bool:
    return isinstance(measured, Missing) and measured.state is State.UNKNOWN and not measured.told


def _guarded(signal: Signal, plan: Plan, compute: Callable[[], Computed]) -> Computed | Missing:
    """What is computed of one signal; whatever goes wrong in it is its own finding, and the others go on."""
    if signal.key in plan.aside:
        return Missing(plan.aside[signal.key], state=State.ERROR)
    plan.at(Step(plan.system.system.ref, signal=signal.key))
    try:
        return compute()
    except MonitorError as error:
        return Missing(str(error), state=State.ERROR)
    except Exception as error:  # noqa: BLE001 - a pack can be of any kind, and one signal must not stop the watch
        _log.exception("the monitor of %s failed", signal.key)
        return Missing(f"the monitor failed ({type(error).__name__}), see the log", state=State.ERROR)


def _measure(signal: Signal, plan: Plan, memory: Memory, look: Gathered, share: float) -> Measured | Missing:
    """The effect of one look; where evidence is due, of the whole streak of looks together."""
    streak = memory.streaks.get(signal.key, Streak())
    references = plan.references
    reference = references.get(signal.key, Reference(())) if references is not None else None
    measured = not_comparable(signal, look.values, look.keys, reference) or judge.measure(
        signal, look.values, reference, look.strata
    )
    before = memory.pending.pop(signal.key, [])
    if isinstance(measured, Missing):
        return _with_power(signal, measured, reference, look.requests, _needed(plan, share, signal.alpha))
    if reference is None:
        return measured
    stands = judge.stands(signal, streak)
    if stands:  # the reference must not learn from it
        memory.withheld.pop(signal.key, None)
    else:
        measured = _with_evidence(signal, plan, memory, reference, measured, look, share)
    if not measured.exceeds or stands:
        return replace(measured, comparison=None)
    together = [*before, *([value, stratum] for value, stratum in zip(look.values, look.strata, strict=True))]
    # A look of more than the streak would be another test of the same look, and the budget counts one.
    if signal.persist > 1:
        memory.pending[signal.key] = together[-look.requests * (signal.persist - 1) :]
    if not judge.is_due(signal, streak):
        return replace(measured, comparison=None, p_value=None)
    whole = judge.measure(signal, [v for v, _ in together], reference, [s for _, s in together])
    if isinstance(whole, Missing):
        return measured
    return replace(whole, exceeds=True, log_rarity=_evidence(signal, memory, measured, whole, share))


def _with_power(signal: Signal, missing: Missing, reference: Reference | None, n: int, needed: float) -> Missing:
    """What is unknown for want of requests, with the smallest change that so few could show."""
    if missing.needs is None or not missing.n or reference is None:
        return missing
    n = n if reference.n < signal.min_n else missing.n
    found = power_text(signal, reference, n, math.exp(needed))
    return replace(missing, why=f"{missing.why}; {found}" if found else missing.why)


def _embedded(plan: Plan, memory: Memory, requests: Sequence[Request]) -> dict[str, Measured | Missing]:
    """What the vectors of texts say; an optional signal that no span carries is left out."""
    found: dict[str, Measured | Missing] = {}
    for signal in (s for s in plan.signals if s.kind == "embedding"):
        strata = plan.strata.of(signal.about, requests)
        found[signal.key] = _guarded(signal, plan, partial(_vectors, signal, plan, memory, requests, strata))
    left_out = {s.key for s in plan.signals if s.optional and _is_silent(found.get(s.key))}
    return {k: m for k, m in found.items() if k not in left_out}


def _vectors(
    signal: Signal, plan: Plan, memory: Memory, requests: Sequence[Request], strata: Sequence[str]
) -> Measured | Missing:
    """What the newest vectors are like: they are remembered from window to window."""
    found = seen_in(requests, signal.expr, strata)
    recent = embeddings.newest(memory.vectors.get(signal.key, ()), found)
    if recent:
        memory.vectors[signal.key] = recent
    if plan.references is None:
        return Missing(judge.NO_BASELINE, told=bool(recent))
    if recent and not any(found):  # what was seen long ago says nothing of now
        return Missing(f"no span of this window carries {signal.expr}", told=True)
    sample = plan.references.get(signal.key, Reference(())).sample
    measured = embeddings.measure(signal, recent, sample, f"{plan.baseline}/{signal.key}/{memory.requests}")
    having = sum(1 for one in found if one)
    return replace(measured, share=having / len(requests)) if isinstance(measured, Measured) else measured


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
    look: Gathered,
    share: float,
) -> Measured:
    """With what its e-detector says, which looks at these values now; where it has none, as it was.

    What lies beyond the tolerance is learnt when that is over, and not at all where a breach comes of it: what may be a
    change must not become what is usual, and what was chance must not be missing from it.
    """
    if not detecting.uses_detector(signal, reference):
        return measured
    known = memory.detectors.get(signal.key) or detecting.begun(signal, reference, plan.baseline)
    cells = detecting.cells_of(known, signal, reference, look.values, look.strata)
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
    signal: Signal, values: Sequence[Any] | None, keys: frozenset[int], reference: Reference | None
) -> Missing | None:
    """Why words cannot be compared of which only hashes are kept: the same word has another one under each key.

    `keys` are those under which the values were hashed.
    """
    if signal.kind != "category" or reference is None:
        return None
    if comparable(reference.keys, keys):
        return None  # looking for marks costs more than the test: the baseline has many values
    if not has_mark((*(values or ()), *reference.values)):
        return None
    return Missing(f"{NOT_COMPARABLE}: set the baseline anew with: syscard baseline set")


def _by_another(signal: Signal, plan: Plan, requests: Sequence[Request]) -> Missing | None:
    """Why cosines are not compared with those that another model made."""
    if not signal.expr.endswith(COSINE):
        return None
    samples = [
        r.sample for key, r in (plan.references or {}).items() if r.sample and key.startswith(f"{signal.about}.")
    ]
    by = other_maker(requests, signal.expr, samples[0] if samples else None)
    return Missing(embeddings.made_by_another(by, samples[0].by), told=True) if by else None


def _second_opinions(
    plan: Plan, memory: Memory, measured: dict[str, Measured | Missing], paces: Mapping[str, int], ask: Ask
) -> dict[str, Measured | Missing]:
    """What Evidently says of the values with which a breach begins; the breach stands without it, too."""
    signals = {s.key: s for s in plan.signals}
    comparisons = [
        m.comparison
        for key, m in measured.items()
        if isinstance(m, Measured)
        and m.comparison
        and _begins(signals[key], memory, m, log_needed(plan, signals[key], paces[key]))
    ]
    try:
        scores = ask(comparisons) if comparisons else {}
    except (MonitorError, MissingExtra):
        scores = {}
    return {
        k: replace(m, p_value=scores[k]) if k in scores and isinstance(m, Measured) else m for k, m in measured.items()
    }


def _begins(signal: Signal, memory: Memory, measured: Measured, needed: float) -> bool:
    due = judge.is_due(signal, memory.streaks.get(signal.key, Streak()))
    return due and measured.log_rarity is not None and measured.log_rarity >= needed


def _undeclared(card: Card, memory: Memory, requests: Sequence[Request], window: Window) -> tuple[Finding, ...]:
    found = observed.undeclared(card, requests, window)
    for finding in found:
        memory.remember(finding, memory.streaks.get(finding.key, Streak()).windows + 1)
    seen = {f.key for f in found}
    for key in [k for k in memory.streaks if k.endswith(".undeclared") and k not in seen]:
        del memory.streaks[key]
        memory.history.pop(key, None)  # made-up names must not pile up
    return found
