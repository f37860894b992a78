"""One window of requests: findings, then the edits they make. Pure but for the memory it is handed, and the asking."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from syscard.card import Card
from syscard.edits import AddEvidence, Author, AuthorKind, Draft, RiskSeen, SetClaim, SliceStatus, provisional
from syscard.errors import MissingExtra, MonitorError
from syscard.finding import Finding, State, Window
from syscard.fold import fold
from syscard.live import HISTORY
from syscard.rotations import NOT_COMPARABLE, comparable, has_mark
from syscard.system import Claim, System
from syscard_monitors import claims, detecting, edetector, incidents, judge, observed
from syscard_monitors.assemble import Request, micros
from syscard_monitors.baseline import signal_values
from syscard_monitors.drift import Comparison
from syscard_monitors.graph import Graph
from syscard_monitors.groups import GroupMetric, metrics_of
from syscard_monitors.judge import Measured, Missing, Streak
from syscard_monitors.memory import Memory
from syscard_monitors.packs import Signal
from syscard_monitors.parts import part_drafts, reach_after
from syscard_monitors.reference import Reference
from syscard_monitors.samples import sample_sums, sampling_of
from syscard_monitors.strata import Strata
from syscard_monitors.stretches import length
from syscard_monitors.traces import moment

_log = logging.getLogger("syscard.monitors")
AUTHOR: Final = Author(kind=AuthorKind.MONITOR, name="watch")
MOST_WITHHELD: Final = 1_000
"""Values beyond the tolerance that a detector has looked at and not learnt yet."""
WINDOW: Final = 20
"""Requests in a counted window."""
UNDECLARED_PERSIST: Final = 2
Ask = Callable[[Sequence[Comparison]], dict[str, float]]
Sums = tuple[int, dict[str, Any]]
"""(end of a window in microseconds, sums by claim and slice)."""


Slices = tuple[SliceStatus, ...]


@dataclass(frozen=True)
class Said:
    """What a window says to the card."""

    drafts: tuple[Draft, ...]
    after: Card
    """The card as it will be."""
    claims: dict[str, Slices]
    """Where every claim stands now, whether or not that is worth an edit."""


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

    @cached_property
    def judged(self) -> int:
        """Signals for which the baseline is large enough: the false-alarm budget is shared among them."""
        known = self.references or {}
        return sum(s.key in known and known[s.key].n >= s.min_n for s in self.signals)

    @cached_property
    def group_metrics(self) -> tuple[GroupMetric, ...]:
        """What groups are compared by."""
        return metrics_of(self.system, self.signals)


def window_of(index: int, requests: Sequence[Request]) -> Window:
    """Number, times and size of a window."""
    start = min(r.start_us for r in requests)
    return Window(index=index, start=moment(start), end=moment(requests[-1].end_us), n=len(requests))


def findings_of(
    card: Card, plan: Plan, memory: Memory, requests: Sequence[Request], window: Window, ask: Ask
) -> tuple[Finding, ...]:
    """A finding for every signal that the window speaks of; the memory's streaks and histories move on."""
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
    return (*found, *_undeclared(card, memory, requests, window))


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
    if isinstance(measured, Missing) or values is None or reference is None:
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


def starting(plan: Plan, memory: Memory, findings: Sequence[Finding]) -> dict[str, datetime]:
    """Keys whose breach has persisted for just long enough, with the start of its first window."""
    persist = {s.key: s.persist for s in plan.signals}
    begun = {}
    for finding in findings:
        streak = memory.streaks[finding.key]
        # A monitor that failed keeps its streak where it was; that is no second beginning.
        if finding.state is State.BREACH and streak.windows == persist.get(finding.key, UNDECLARED_PERSIST):
            begun[finding.key] = moment(streak.since_us)
    return begun


def sums_of(
    system: System, requests: Sequence[Request], feedback: Sequence[Request] = ()
) -> tuple[dict[str, Any], dict[str, str]]:
    """The sums of one window for every claim, and the errors of claims that cannot be computed.

    A claim that no request can answer is asked of the feedback that came meanwhile, about whatever request.
    """
    sums, errors = {}, {}
    for claim in system.claims:
        try:
            sums[claims.promise(claim)] = claims.body(
                claims.tallies(claim, requests) or claims.tallies(claim, feedback)
            )
        except MonitorError as error:
            errors[claim.id] = str(error)
    return sums, errors


def edits_of(
    card: Card,
    plan: Plan,
    memory: Memory,
    requests: Sequence[Request],
    window: Window,
    findings: Sequence[Finding],
    sums: Sequence[Sums],
    errors: Mapping[str, str],
) -> Said:
    """What a window says to the card: what was seen, incidents, claims, risks, then the parts' states."""
    begun = starting(plan, memory, findings)
    _note_baseline(card, memory)
    firing = incidents.Firing(memory.quiet, frozenset(s.key for s in plan.signals), frozenset(memory.rebaselined))
    outcome = incidents.update(card, findings, begun, firing, plan.graph, AUTHOR)
    memory.quiet = dict(outcome.firing.quiet)
    drafts = [*observed.observing(card, requests, AUTHOR, window), *outcome.drafts]
    slices = assess_claims(plan.system, memory, window, sums, errors)
    drafts += claim_drafts(card, plan.system, slices, window)
    after = preview(card, drafts)
    drafts += _risk_drafts(card, after, memory.quiet, window)
    memory.reach = reach_after(memory.reach, card.components, requests)
    drafts += part_drafts(preview(card, drafts), findings, memory.quiet, AUTHOR, window, memory.reach)
    return Said(tuple(drafts), preview(card, drafts), slices)


def _note_baseline(card: Card, memory: Memory) -> None:
    """Incidents that are open while the baseline changes are remembered: quiet then proves nothing for them."""
    current = card.baseline.data_digest if card.baseline else None
    if memory.baseline not in (None, current):
        memory.rebaselined = sorted({*memory.rebaselined, *(i.number for i in card.open_incidents)})
    memory.rebaselined = [n for n in memory.rebaselined if n in card.incidents and card.incidents[n].is_open]
    memory.baseline = current


def preview(card: Card, drafts: Sequence[Draft]) -> Card:
    """The card as it will be with these drafts, but for its version."""
    return fold(provisional(drafts, card.observed), start=card)


def assess_claims(
    system: System, memory: Memory, window: Window, sums: Sequence[Sums], errors: Mapping[str, str]
) -> dict[str, Slices]:
    """Where every claim stands after a window; remembers for how many windows running a slice was violated."""
    found: dict[str, Slices] = {}
    violating: dict[str, dict[str, int]] = {}
    for claim in system.claims:
        key, since = claims.promise(claim), micros(window.end) - length(claim)
        if claim.id in errors:
            found[claim.id] = (SliceStatus(status="unknown", why=f"cannot be computed: {errors[claim.id]}"),)
            continue
        merged = claims.over_windows(body[key] for end, body in sums if end > since and key in body)
        assessed = claims.assess(claim, merged, memory.violating.get(key, {}))
        violating[key], found[claim.id] = assessed.violating, assessed.slices
    memory.violating = violating
    return found


def claim_drafts(card: Card, system: System, slices: Mapping[str, Slices], window: Window) -> list[Draft]:
    """Edits for claims whose status or figure has changed, or whose evidence is half expired."""
    worth = [c for c in system.claims if _worth_an_edit(card, c, slices[c.id], window)]
    return [draft for claim in worth for draft in _claim_edit(claim, slices[claim.id], window)]


def _worth_an_edit(card: Card, claim: Claim, slices: Sequence[SliceStatus], window: Window) -> bool:
    """A status changed, the evidence is half expired, or the figure no longer says what is so, or of whom."""
    known = card.claims[claim.id]
    if known.overall.status != slices[0].status or _judged(known.slices) != _judged(slices):
        return True
    if (known.overall.sampled is None) != (slices[0].sampled is None):
        return True
    aged = known.assessed is None or window.end - known.assessed > claim.valid_for / 2
    return aged or _moved(known.overall, slices[0])


def _judged(slices: Sequence[SliceStatus]) -> set[tuple[str, str]]:
    """Slices with a verdict: groups that come and go without one are worth no edit."""
    return {(s.slice, s.status) for s in slices if s.status != "unknown"}


def _moved(stored: SliceStatus, now: SliceStatus) -> bool:
    """The value is further from the stored one than its interval is wide, or there are twice the requests."""
    if now.n >= 2 * stored.n > 0:
        return True
    if stored.value is None or now.value is None:
        return False
    return None not in (stored.low, stored.high) and abs(now.value - stored.value) > _width(stored)


def _width(stored: SliceStatus) -> float:
    return (stored.high or 0.0) - (stored.low or 0.0)


def _claim_edit(claim: Claim, slices: Sequence[SliceStatus], window: Window) -> list[Draft]:
    evidence = {s.slice: _claim_evidence(claim, s, window) for s in slices if s.value is not None}
    named = tuple(
        s.model_copy(update={"evidence": evidence[s.slice].digest}) if s.slice in evidence else s for s in slices
    )
    body = SetClaim(claim=claim.id, slices=named)
    return [*evidence.values(), Draft(body=body, author=AUTHOR, observed=window.end)]


def _claim_evidence(claim: Claim, status: SliceStatus, window: Window) -> Draft:
    body = AddEvidence(
        about=claim.about,
        metric=claim.metric if status.slice == claims.ALL else f"{claim.metric} where {status.slice}",
        value=status.value,
        n=status.n,
        low=status.low,
        high=status.high,
        method="95 % interval, requests as clusters" if status.low is not None else "count",
        sampled=status.sampled,
        window_start=window.end - claim.window.last,
        window_end=window.end,
    )
    return Draft(body=body, author=AUTHOR, observed=window.end)


def _risk_drafts(before: Card, after: Card, quiet: Mapping[int, int], window: Window) -> list[Draft]:
    """A claim that a risk watches has just broken while an incident is firing: observed evidence for the risk."""
    broken = {c for c, card in after.claims.items() if card.status == "broken" and before.claims[c].status != "broken"}
    firing = [i for i in after.open_incidents if quiet.get(i.number) == 0]
    drafts = []
    for risk in after.risks.values():
        hit = sorted(broken & set(risk.declared.get("watch", ())))
        if hit and firing:
            incident = max(firing, key=lambda i: i.number)
            says = f"claim {', '.join(hit)} broke while INC-{incident.number} ({incident.subject}) was open"
            body = RiskSeen(risk=risk.id, incident=incident.number, says=says)
            drafts.append(Draft(body=body, author=AUTHOR, observed=window.end))
    return drafts


def stale_drafts(card: Card, system: System, now: datetime) -> list[Draft]:
    """Claims whose newest evidence is older than they allow."""
    drafts = []
    for claim in system.claims:
        known = card.claims[claim.id]
        expired = known.assessed is not None and now - known.assessed > claim.valid_for
        if expired and any(s.status in ("holds", "broken") for s in known.slices):
            body = SetClaim(claim=claim.id, slices=tuple(claims.stale(s) for s in known.slices))
            drafts.append(Draft(body=body, author=AUTHOR, observed=now))
    return drafts
