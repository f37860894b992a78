"""Measuring groups: from the sums of the kept days to what the faces show, on request and every hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from syscard.declare import system_of
from syscard.disparity import Disparity
from syscard.errors import UsageError
from syscard.live import GroupsNow
from syscard.records.store import Records
from syscard_monitors import fairness, groups
from syscard_monitors.amplification import amplifications
from syscard_monitors.comparing import updated
from syscard_monitors.packs import load_packs, signals_for
from syscard_monitors.traces import moment

Ask = Callable[[Sequence[groups.GroupMetric], groups.Sums, Sequence[str]], tuple[Disparity, ...]]
EVERY: Final = timedelta(hours=1)
"""Event time between two comparisons that nobody asked for."""
NO_SEGMENT: Final = "no segment is declared, so there are no groups to compare: name one in traces.segments"


def is_due(records: Records, ref: str) -> bool:
    """Whether groups are declared and requests have come for so long since they were last compared."""
    live = records.live(ref)
    if live is None or not live.watcher.windows or not system_of(records.current(ref)).traces.segments:
        return False
    if live.groups is None or not all(told.evidence for told in live.groups.disparities):  # earlier releases had none
        return True
    return live.as_of - live.groups.as_of >= EVERY


def measure_groups(
    records: Records,
    ref: str,
    packs: Path | None,
    now: datetime,
    ask: Ask = fairness.disparities,
    *,
    renew: bool = True,
) -> GroupsNow:
    """Compare the declared groups of a system over the kept days, and put that where the faces read it, with evidence.

    Args:
        records: the home's.
        ref: the system.
        packs: the home's own monitor packs.
        now: recorded time.
        ask: what computes the figures, here or in another process.
        renew: whether everything that differs is written down, because somebody asked; else what is material.

    Raises:
        UsageError: the system declares no segment, or no request has been looked at.
        MissingExtra: Fairlearn is not installed.
    """
    system = system_of(records.current(ref))
    segments = tuple(system.traces.segments)
    if not segments:
        raise UsageError(NO_SEGMENT)
    kept = records.group_sums(ref)
    if not kept:
        raise UsageError("no request has been looked at yet: run: syscard monitor --once")
    metrics = groups.metrics_of(system, signals_for(system, load_packs(system.monitors.packs, packs)))
    sums = groups.over_days(map(groups.read_sums, kept.values()))
    found, amplified = ask(metrics, sums, segments), amplifications(metrics, sums, segments)
    with records.transaction() as transaction:
        live = transaction.live(ref)
        if live is None:
            raise UsageError("no request has been looked at yet: run: syscard monitor --once")
        since = moment(groups.day_start_us(min(kept)))
        measured = GroupsNow(
            since=since, as_of=live.as_of, tolerated=fairness.EVEN, disparities=found, amplifications=amplified
        )
        shown, drafts = updated(live.groups, measured, renew=renew)
        told = live.model_copy(update={"groups": shown})
        transaction.append(ref, drafts, cause="groups compared", recorded=now, live=told)
    return shown
