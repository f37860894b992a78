"""Assessing the risks of a system: every few windows over its newest requests, into assessments and findings."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from syscard.blindspots import topic_of
from syscard.card import Assessed, Card
from syscard.edits import Draft
from syscard.finding import Finding, State, Window
from syscard.risks import Assessment, AssessRisks, Calibration, CatalogueRisk, RiskCount, catalogue
from syscard.steps import Step
from syscard.system import SYSTEM
from syscard_monitors import detecting
from syscard_monitors.assemble import Request, micros
from syscard_monitors.judge import NO_BASELINE, Streak, told_rarity
from syscard_monitors.memory import Memory
from syscard_monitors.plan import Plan
from syscard_monitors.risks import calibration as kept
from syscard_monitors.risks.base import CaseMaker, Kept, Lacking, Reading, Risk
from syscard_monitors.risks.verdicts import (
    ALPHA,
    Standing,
    after,
    assessment,
    cleared,
    counted,
    reaches,
    significant,
)
from syscard_monitors.traces import moment
from syscard_monitors.window import AUTHOR

_log = logging.getLogger("syscard.monitors")
VALID_FOR: Final = timedelta(days=7)
"""Assessments are renewed at half of this."""
SETTLED: Final = timedelta(hours=1)
"""Nothing comes and goes as unknown more often than this on the card; what is seen, or no more, is told at once."""


FIRST_COUNT: Final = 10
"""Where nothing else is to be told, counts are told from so many assessments on, whenever they have doubled."""


@dataclass(frozen=True)
class Assessing:
    """What one assessment of all risks gives."""

    assessments: tuple[Assessment, ...] = ()
    findings: tuple[Finding, ...] = ()
    requests: int = 0


def is_due(window: Window) -> bool:
    """Whether risks are assessed with this window."""
    return (window.index + 1) % kept.EVERY == 0


def assess(
    card: Card,
    plan: Plan,
    memory: Memory,
    requests: Sequence[Request],
    window: Window,
    pace_us: int,
    kept_columns: Kept | None = None,
) -> Assessing:
    """Every risk in every place over the newest requests; what the memory holds of them moves on.

    Args:
        card: the newest card; findings are made of what is seen, and of what open incidents wait for.
        plan: with what the baseline knows of each risk.
        memory: moves on.
        requests: the newest ones up to the window, oldest first.
        window: the window that has just closed.
        pace_us: microseconds between windows.
        kept_columns: what was computed of these requests in the assessment before.
    """
    if memory.risks_against != plan.baseline:
        memory.risks, memory.risks_against = {}, plan.baseline
    since = micros(card.baseline.end) if card.baseline else 0
    newest = [r for r in requests if r.end_us > since][-kept.MOST :]
    needed = log_needed(plan, _took(newest, pace_us))
    last = newest[-1].place.request if newest else ""
    seed, topics = f"{plan.baseline}/{last}", topics_of(card, plan)
    maker = CaseMaker(plan.system, plan.strata, newest, seed, card, known=memory.answers, topics=topics)
    maker.columns = (kept_columns or Kept()).moved_on(plan.baseline, plan.system, newest)
    readings = {name: _reading(plan, risk, about, maker) for name, (risk, about) in plan.risk_places.items()}
    rare = significant(readings, needed)
    fresh = maker.part(max(0, len(newest) - kept.BETWEEN), kept.BETWEEN)
    found = [_verdict(plan, memory, name, readings[name], fresh, needed, is_rare=name in rare) for name in readings]
    told = (*found, *(_without_place(risk) for risk in kept.without_place(plan.system)))
    order = list(catalogue())
    assessments = tuple(sorted(told, key=lambda a: order.index(a.risk)))
    findings = _findings(card, memory, assessments, newest, window, needed)
    memory.risk_findings = {f.key: f for f in findings}
    return Assessing(assessments, findings, len(newest))


def topics_of(card: Card, plan: Plan) -> frozenset[str] | None:
    """What is looked at, of any part: by a claim, by groups, or by a signal that the baseline has values of.

    None without any signal: then the risks are asked by themselves.
    """
    if not plan.signals:
        return None
    signals = {s.topic for s in plan.signals if s.key in (plan.references or {})}
    claims = {topic_of(claim.declared) for claim in card.claims.values()}
    groups = {"fairness"} if plan.system.traces.segments and plan.group_metrics else set[str]()
    return frozenset(signals | claims | groups)


def between(memory: Memory) -> tuple[Finding, ...]:
    """What stands until the next assessment."""
    return tuple(memory.risk_findings.values())


def _took(requests: Sequence[Request], pace_us: int) -> int:
    """What the time since the assessment before is: the newest requests say nothing of a night before them."""
    if len(requests) > kept.BETWEEN:
        return max(1, requests[-1].end_us - requests[-1 - kept.BETWEEN].end_us)
    return pace_us * kept.EVERY


def log_needed(plan: Plan, took_us: int) -> float:
    """How rare the evidence of one risk in one place must be, as a natural logarithm."""
    budget = detecting.budget_of(plan.system)
    return detecting.log_needed(budget, plan.judged, detecting.share_of_period(budget, took_us), ALPHA)


def _reading(plan: Plan, risk: Risk, about: str, maker: CaseMaker) -> Reading | Lacking:
    """A reading; whatever goes wrong in it is its own, and the others go on."""
    name = kept.name_of(risk, about)
    if name in plan.aside:
        return Lacking(plan.aside[name])
    usual = plan.risks.get(name, {})
    if not risk.invariant and plan.references is None:
        return Lacking(NO_BASELINE)
    if "lacks" in usual:
        why, needs, n = usual["lacks"]
        return Lacking(why if why.startswith("the monitor") else f"{why} in the baseline", needs, n)
    if not risk.invariant and "usual" not in usual:
        return Lacking("the baseline was set before this risk was known: syscard baseline set")
    if not maker.requests:
        return Lacking("no request since the baseline", catalogue()[risk.id].least)
    plan.at(Step(plan.system.system.ref, signal=name))
    try:
        return risk.assess(maker.case(about), usual.get("usual", {}))
    except Exception as error:  # noqa: BLE001 - one risk must not stop the watch
        _log.exception("the risk %s failed", name)
        return Lacking(f"the monitor failed ({type(error).__name__}), see the log")


def _without_place(risk: Risk) -> Assessment:
    entry = catalogue()[risk.id]
    why = f"no place for it among the declared parts: needs {', '.join(entry.needs)}"
    return Assessment(risk=risk.id, about=SYSTEM, state="unknown", why=why)


def _verdict(
    plan: Plan, memory: Memory, name: str, reading: Reading | Lacking, fresh: CaseMaker, needed: float, *, is_rare: bool
) -> Assessment:
    risk, about = plan.risk_places[name]
    entry, asked = catalogue()[risk.id], calibration(plan, name).threshold
    before = memory.risks.get(name, Standing())
    large = reaches(reading, asked, before)
    is_fresh = large and (not (is_rare or before.stands) or _shows(plan, name, reading, fresh, asked))
    at_us = fresh.requests[0].start_us if fresh.requests else 0
    standing = after(before, reading, asked, entry.least, at_us, is_rare=is_rare, is_fresh=is_fresh)
    told = assessment(entry, about, reading, standing, asked, needed)
    memory.risks[name] = counted(before, standing, told.state)
    return told


def _shows(plan: Plan, name: str, whole: Reading | Lacking, fresh: CaseMaker, threshold: float) -> bool:
    """Whether the newest requests alone show the effect; where they are too few to say, it is taken to go on."""
    newest = _reading(plan, *plan.risk_places[name], fresh)
    if isinstance(newest, Lacking) or isinstance(whole, Lacking):
        return True
    effect = newest.aspects.get(whole.aspect) if whole.aspect else newest.effect
    return effect is None or effect >= cleared(threshold, newest.scale)


def calibration(plan: Plan, name: str) -> Calibration:
    """Where the threshold of a risk in a place comes from."""
    risk, about = plan.risk_places[name]
    return kept.calibration_of(risk.id, about, plan.risks.get(name, {}))


def _findings(
    card: Card,
    memory: Memory,
    assessments: Sequence[Assessment],
    requests: Sequence[Request],
    window: Window,
    needed: float,
) -> tuple[Finding, ...]:
    """What is seen, and what is no more but that an open incident waits for."""
    waited = {f.key for i in card.open_incidents for f in i.findings if f.risk}
    start = moment(min((r.start_us for r in requests), default=micros(window.start)))
    over = window.model_copy(update={"start": start, "n": len(requests) or window.n})
    found = [
        finding(catalogue()[a.risk], a, over, needed)
        for a in assessments
        if a.state == "seen" or f"{a.about}.{a.risk}" in waited
    ]
    for one in found:
        streak = memory.streaks.get(one.key, Streak())
        memory.remember(one, streak.windows + 1 if one.state is State.BREACH else 0)
        since_us = memory.risks[f"{one.signal} {one.about}"].since_us or memory.streaks[one.key].since_us
        memory.streaks[one.key] = replace(memory.streaks[one.key], since_us=since_us)
    gone = {*memory.risk_findings} - {f.key for f in found}
    for key in gone:
        memory.streaks.pop(key, None)
        memory.history.pop(key, None)
    return tuple(found)


_STATES: Final = {"seen": State.BREACH, "not seen": State.OK, "unknown": State.UNKNOWN}


def finding(entry: CatalogueRisk, told: Assessment, window: Window, needed: float) -> Finding:
    """An assessment as incidents take it."""
    rarity = None if told.p_value is None else -math.log(max(told.p_value, 1e-300))
    return Finding(
        signal=told.risk,
        about=told.about,
        label=entry.name,
        kind="risk",
        state=_STATES[told.state],
        window=window,
        n=told.n,
        value=told.value,
        reference=told.reference,
        unit=told.unit,
        effect=told.effect,
        tolerance=told.threshold,
        method=f"{told.risk}: {told.says}" if told.says else None,
        one_in=told_rarity(rarity),
        one_in_needed=told_rarity(needed) if rarity is not None else None,
        p_value=told.p_value,
        needs=told.needs,
        why=told.why,
        traces=told.traces,
        severity=told.severity or entry.severity,
        risk=told.risk,
    )


def drafts(card: Card, plan: Plan, memory: Memory, found: Assessing, window: Window) -> tuple[Draft, ...]:
    """The edit for assessments that say something new or whose evidence is half expired; none where all stands."""
    names = tuple(a.name for a in found.assessments)
    known = card.assessed if memory.risks_told == plan.baseline else {}
    new = tuple(a for a in found.assessments if _is_new(known.get(a.name), a, window.end))
    counts = _counts(memory, names)
    if not new and names == tuple(card.assessed) and not any(_has_doubled(known.get(c.name), c) for c in counts):
        return ()
    fresh = memory.risks_told != plan.baseline
    told = tuple(calibration(plan, n) for n in plan.risk_places if "usual" in plan.risks.get(n, {})) if fresh else ()
    memory.risks_told = plan.baseline
    body = AssessRisks(
        baseline=plan.baseline or None,
        requests=found.requests,
        told=new,
        assessed=names,
        calibrations=told,
        counts=counts,
        overlap=kept.MOST // kept.BETWEEN if counts else 0,
    )
    return (Draft(body=body, author=AUTHOR, observed=window.end),)


def _is_new(known: Assessed | None, now: Assessment, at: datetime) -> bool:
    """The state changed, the evidence is half expired, or the effect has left its stored interval."""
    if known is None or at - known.measured > VALID_FOR / 2:
        return True
    if known.state != now.state:
        return "seen" in (known.state, now.state) or at - known.measured >= SETTLED
    return now.state == "seen" and _moved(known.found, now)


def _counts(memory: Memory, names: Sequence[str]) -> tuple[RiskCount, ...]:
    known = {name: memory.risks.get(name, Standing()) for name in names}
    return tuple(RiskCount(name=name, looks=one.looks, seen=one.seen) for name, one in known.items() if one.looks)


def _has_doubled(known: Assessed | None, now: RiskCount) -> bool:
    told = known.frequency.looks if known and known.frequency else 0
    return now.looks >= max(2 * told, FIRST_COUNT)


def _moved(known: Assessment, now: Assessment) -> bool:
    if known.low is None or known.high is None or now.effect is None:
        return False
    return not known.low <= now.effect <= known.high
