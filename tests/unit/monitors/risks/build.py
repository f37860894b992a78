"""Requests of a small shop, and one risk looked at in them: planted, or only alike."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from syscard.card import Card
from syscard.edits import SetBaseline
from syscard.finding import Window
from syscard.risks import Assessment
from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.assessing import Assessing, assess
from syscard_monitors.baseline import references
from syscard_monitors.memory import Memory
from syscard_monitors.plan import Plan
from syscard_monitors.risks.base import Kept
from syscard_monitors.risks.calibration import EVERY, MOST, usual_of
from syscard_monitors.strata import Strata, strata_of
from syscard_monitors.traces import moment
from syscard_monitors.window import window_of
from tests.unit.build import HUMAN, NOW, declared, draft
from tests.unit.monitors.build import card_of, graph, request, with_drafts

PACE_US: Final = 60_000_000
PARTS: Final = ("cf", "vlm", "llm", "agent")
Making = Callable[[random.Random, int], Mapping[str, Any]]
"""The values of one request, from a source of chance and its number."""


def shop(rng: random.Random, number: int) -> dict[str, Any]:
    """One request of a shop in which nothing is wrong: every part is called once, and says what it usually says."""
    items = [f"i{rng.randrange(200):03}" for _ in range(5)]
    band = rng.choice(["19-24", "25-34", "35-44"])
    return {
        **{f"{part}.call": 1 for part in PARTS},
        **{f"{part}.error": False for part in PARTS},
        "segment.age_band": band,
        "cf.items": [items],
        "agent.items": [items[:3]],
        "vlm.item.id": [items[0]],
        "llm.item.id": [items[0]],
    }


def made(making: Making, count: int, *, first: int = 0, seed: int = 1) -> tuple[Request, ...]:
    """So many requests."""
    rng = random.Random(f"{seed}/{first}")
    return tuple(request(first + i, making(rng, first + i)) for i in range(count))


def planned(before: Sequence[Request], system: System | None = None) -> tuple[Card, Plan]:
    """A card and a plan with a baseline of these requests, told apart by segment."""
    system = system or declared()
    strata = strata_of(system, (*system.components, *system.interactions), before) if before else Strata()
    values = {"signals": {}, "strata": strata.body(), "risks": usual_of(system, strata, before)}
    stored = json.loads(json.dumps(values))
    body = SetBaseline(
        name="launch", start=NOW, end=moment(before[-1].end_us), requests=len(before), data_digest="b" * 64,
        approved_by="mara", agreement_p=None, watched=(), too_constant=(),
    )  # fmt: skip
    card = with_drafts(card_of(system), [draft(body, author=HUMAN)])
    known = references(stored)
    plan = Plan(system, (), graph(system), known, strata, "b" * 64, risks=stored["risks"])
    return card, plan


def look(
    card: Card, plan: Plan, memory: Memory, newest: Sequence[Request], index: int, kept: Kept | None = None
) -> Assessing:
    """One assessment with the window that ends with these requests."""
    window: Window = window_of(EVERY * index - 1, newest[-20:])
    return assess(card, plan, memory, newest[-MOST:], window, PACE_US, kept)


def assessed(
    risk: str,
    usual: Making,
    now: Making,
    *,
    system: System | None = None,
    before: int = 990,
    count: int = 600,
    seed: int = 1,
) -> dict[str, Assessment]:
    """What is found of one risk, by place, after all of `count` requests of `now` behind a baseline of `usual`.

    It is too short to be cut into windows, so thresholds are the catalogue's: from 1,000 requests `before` on they are
    calibrated, which takes seconds.
    """
    card, plan = planned(made(usual, before, seed=seed), system)
    later, memory, told, kept = made(now, count, first=before, seed=seed), Memory(), Assessing(), Kept()
    for index in range(max(1, count // 100 - 2), count // 100 + 1):  # two of the newest three decide
        told = look(card, plan, memory, later[: 100 * index], index, kept)
    return {a.about: a for a in told.assessments if a.risk == risk}


def states(found: Mapping[str, Assessment]) -> set[str]:
    """Of all places."""
    return {a.state for a in found.values()}
