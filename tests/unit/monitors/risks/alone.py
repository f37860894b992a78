"""One risk by itself, from what is usual to its verdict: planted, or only alike."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from syscard.card import Card
from syscard.risks import Assessment, catalogue
from syscard.system import System
from syscard_monitors.assemble import Answer, Request
from syscard_monitors.risks.base import CaseMaker, Lacking, Reading, Risk
from syscard_monitors.risks.verdicts import Standing, after, assessment
from syscard_monitors.strata import strata_of
from tests.unit.build import declared
from tests.unit.monitors.build import SECOND
from tests.unit.monitors.risks.build import Making, made

RARE: Final = 1e-4
"""What the false-alarm budget asks for, here."""


def alone(
    risk: Risk,
    usual: Making,
    now: Making,
    *,
    system: System | None = None,
    card: Card | None = None,
    before: int = 1_500,
    count: int = 500,
) -> dict[str, Assessment]:
    """What is found of a risk by place, where two assessments say the same."""
    system = system or declared()
    known, newest = heard(made(usual, before)), heard(made(now, count, first=before))
    strata = strata_of(system, (*system.components, *system.interactions), known)
    old, new = CaseMaker(system, strata, known, "old"), CaseMaker(system, strata, newest, "new", card)
    return {about: _verdict(risk, about, old, new) for about in risk.places(system)}


def heard(requests: Sequence[Request]) -> tuple[Request, ...]:
    """With `later` taken out of the values: (accepted, after so many seconds), as feedback said it."""
    return tuple(replace(r, answer=_answer(r.end_us, r.values.pop("later", None))) for r in requests)


def _answer(end_us: int, said: list[tuple[bool, int]] | None) -> Answer | None:
    return Answer(said[0][0], end_us + said[0][1] * SECOND) if said else None


def _verdict(risk: Risk, about: str, old: CaseMaker, new: CaseMaker) -> Assessment:
    entry, kept = catalogue()[risk.id], risk.usual(old.case(about))
    stored: Mapping[str, Any] = {} if isinstance(kept, Lacking) else json.loads(json.dumps(kept))
    reading: Reading | Lacking = kept if isinstance(kept, Lacking) else risk.assess(new.case(about), stored)
    p_value = None if isinstance(reading, Lacking) else reading.p_value
    is_rare, standing = p_value is None or p_value <= RARE, Standing()
    for at_us in (1, 2):
        standing = after(standing, reading, entry.threshold, entry.least, at_us, is_rare=is_rare, is_fresh=True)
    return assessment(entry, about, reading, standing, entry.threshold, -math.log(RARE))
