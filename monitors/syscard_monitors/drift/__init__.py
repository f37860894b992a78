"""The adapter to Evidently: the only package that imports it.

Two-sample tests go through `ValueDrift`, always with an explicit method and threshold: Evidently's own choice of test
depends on the size of the reference, and its one-sample chi-square treats the reference as exact (its false alarms grow
with the window). Evidently takes seconds to import, so it runs in a worker process that starts when it is first needed.
"""

from syscard_monitors.drift.asked import (
    ByPurchase,
    Comparison,
    Drifted,
    Figure,
    MadeReport,
    Method,
    RankedItem,
    Ranking,
    ReportAsked,
)
from syscard_monitors.drift.worker import DriftWorker

__all__ = [
    "ByPurchase",
    "Comparison",
    "DriftWorker",
    "Drifted",
    "Figure",
    "MadeReport",
    "Method",
    "RankedItem",
    "Ranking",
    "ReportAsked",
]
