"""What is the same for all windows of one look at a system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from syscard.steps import At, untold
from syscard.system import System
from syscard_monitors import burn
from syscard_monitors.graph import Graph
from syscard_monitors.groups import GroupMetric, metrics_of
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference
from syscard_monitors.risks.base import Risk
from syscard_monitors.risks.calibration import name_of, places_of
from syscard_monitors.strata import Strata


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
    joint: Mapping[str, Any] = field(default_factory=dict)
    """Signals of the baseline's requests side by side, by column."""
    risks: Mapping[str, Any] = field(default_factory=dict)
    """What the baseline keeps of each risk, by risk and place."""

    @cached_property
    def judged(self) -> int:
        """What shares the false-alarm budget: signals for which the baseline is large enough, burn rates and risks."""
        known = self.references or {}
        rates = sum(len(o.pairs) for o in self.objectives)
        risks = sum("usual" in self.risks.get(name, {}) for name in self.risk_places)
        return rates + risks + sum(s.key in known and known[s.key].n >= s.min_n for s in self.signals)

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
    def risk_places(self) -> Mapping[str, tuple[Risk, str]]:
        """Risks that are assessed, by risk and place (`IR-13 agent->cf`)."""
        return {name_of(risk, about): (risk, about) for risk, about in places_of(self.system)}

    @cached_property
    def risk_keys(self) -> frozenset[str]:
        """Of the findings that can come of risks."""
        return frozenset(f"{about}.{risk.id}" for risk, about in self.risk_places.values())

    @cached_property
    def group_metrics(self) -> tuple[GroupMetric, ...]:
        """What groups are compared by."""
        return metrics_of(self.system, self.signals)
