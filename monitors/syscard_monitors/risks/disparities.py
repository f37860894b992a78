"""IR-19, subgroup disparity amplification: a group is worse off at the end of the pipeline than at its start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from syscard.system import SYSTEM, System
from syscard_monitors.risks.base import Case, Lacking, Reading


class DisparityAmplification:
    """Families of metrics along which the pipeline makes the lot of a group worse, as last compared.

    The comparison is of four weeks of requests (`syscard fairness`); the newest few hundred are too few for a group.
    """

    id: Final = "IR-19"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """The pipeline as a whole, where groups are declared."""
        return (SYSTEM,) if system.traces.segments else ()

    def usual(self, case: Case) -> dict[str, Any] | Lacking:  # noqa: ARG002 - as all risks have it
        """The first stage is what the last is compared with."""
        return {}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:  # noqa: ARG002 - as all risks have it
        """How many of the families are amplified."""
        groups = case.card.groups if case.card is not None else {}
        told = {name: g.state for name, g in groups.items() if name.startswith("amplification of ")}
        decided = [name for name, state in told.items() if state != "unknown"]
        if not decided:
            return Lacking("needs groups of 100 requests at two stages of the pipeline: syscard fairness", 100)
        worse = [name for name in decided if told[name] == "amplified"]
        return Reading(
            n=len(case.requests),
            effect=float(len(worse)),
            says=", ".join([f"{len(worse)} of {len(decided)} comparisons are amplified", *worse[:3]]),
            value=float(len(worse)),
            reference=0.0,
            unit="comparisons",
        )
