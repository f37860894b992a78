"""The error budgets of one window: what each is told to, and what it says. Moves the memory on."""

from __future__ import annotations

from collections.abc import Sequence

from syscard.errors import MonitorError
from syscard.finding import Finding, State, Window
from syscard.steps import Step
from syscard_monitors import burn
from syscard_monitors.assemble import Request, micros
from syscard_monitors.judge import Streak
from syscard_monitors.memory import Memory
from syscard_monitors.plan import Plan


def burning(
    plan: Plan,
    memory: Memory,
    requests: Sequence[Request],
    feedback: Sequence[Request],
    window: Window,
    log_needed: float,
) -> tuple[Finding, ...]:
    """Error budgets: one that cannot be computed says so, and keeps what it had.

    `log_needed` is how rare the evidence must be, as a natural logarithm.
    """
    known, end, found = memory.budgets, micros(window.end), list[Finding]()
    memory.budgets = {o.place: known.get(o.place, ()) for o in plan.objectives}
    traces = tuple(r.reference for r in requests[:3])
    for objective in plan.objectives:
        if objective.whole in plan.aside:
            found += burn.failed(objective, plan.aside[objective.whole], window)
            continue
        plan.at(Step(plan.system.system.ref, signal=objective.whole))
        try:
            bins = burn.counted(known.get(objective.place, ()), objective, requests, feedback, end)
        except MonitorError as error:
            told = burn.failed(objective, str(error), window)
        else:
            memory.budgets[objective.place] = bins
            rates = burn.burns(objective, bins, end)
            stood = memory.streaks if objective.place in known else {}  # of another promise it is no breach of this one
            told = burn.findings(objective, rates, window, traces, log_needed, stood)
        found += burn.failed(objective, objective.wrong, window) if objective.wrong else told
    for finding in found:
        memory.remember(finding, _run(finding, memory.streaks.get(finding.key, Streak())))
    return tuple(found)


def _run(finding: Finding, before: Streak) -> int:
    """Windows running in which an error budget is in breach; what failed has not seen it end."""
    if finding.state is State.ERROR:
        return before.windows
    return before.windows + 1 if finding.state is State.BREACH else 0
