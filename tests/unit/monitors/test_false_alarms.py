"""The false-alarm budget of a whole system, over many windows in which nothing changes. Seeds are fixed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from syscard.finding import State
from syscard_monitors.assemble import Request
from syscard_monitors.memory import Memory, recall
from syscard_monitors.packs import WINDOW, Kind
from syscard_monitors.plan import Plan
from syscard_monitors.window import findings_of, window_of
from tests.unit.monitors.build import Asked, card_of, plan, reference, request, signal

EACH = 5
KINDS: tuple[Kind, ...] = ("number", "share", "rate", "latency", "category")
TOLERANCE: dict[Kind, float] = {"number": 0.3, "share": 0.1, "rate": 0.05, "latency": 1.3, "category": 0.2}
SIGNALS = tuple(
    signal(kind, name=f"{kind}{n}", expr=f"vlm.{kind}{n}", tolerance=TOLERANCE[kind])
    for kind in KINDS
    for n in range(EACH)
)


def drawn(kind: str, rng: random.Random, moved: float) -> Any:
    """A value of one request; `moved` by so many standard deviations, or as much more of what is rare."""
    return {
        "number": rng.gauss(moved, 1.0),
        "share": float(rng.random() < 0.9 - 0.3 * moved),
        "rate": float(rng.random() < 0.02 + 0.2 * moved),
        "latency": rng.lognormvariate(5 + 0.7 * moved, 0.4),
        "category": rng.choice("abcdefgh" if rng.random() > 0.5 * moved else "z"),
    }[kind]


def values(rng: random.Random, moved: float = 0.0) -> dict[str, Any]:
    return {s.expr: drawn(s.kind, rng, moved) for s in SIGNALS}


def the_plan(rng: random.Random) -> Plan:
    """25 signals, with a baseline of 1,000 requests."""
    known = [values(rng) for _ in range(1_000)]
    return plan(*SIGNALS, references={s.key: reference([one[s.expr] for one in known]) for s in SIGNALS})


def breaches(watched: Plan, rng: random.Random, windows: int, moved: float = 0.0) -> dict[str, int]:
    """Signals that were in breach, with the first window of it; the monitors start anew half-way."""
    memory, card, found = Memory(), card_of(), dict[str, int]()
    for index in range(windows):
        requests = tuple[Request, ...](request(index * WINDOW + n, values(rng, moved)) for n in range(WINDOW))
        memory = recall(memory.body()) if index == windows // 2 else memory
        said = findings_of(card, watched, memory, requests, window_of(index, requests), Asked())
        memory.frontier = requests[-1].place
        for finding in said:
            if finding.state is State.BREACH:
                found.setdefault(finding.key, index)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_twenty_five_signals_without_a_change_raise_no_alarm_in_a_hundred_windows(seed: int) -> None:
    rng = random.Random(seed)
    assert breaches(the_plan(rng), rng, windows=100) == {}


def test_the_same_signals_find_a_change_in_every_kind_within_ten_windows() -> None:
    rng = random.Random(11)
    found = breaches(the_plan(rng), rng, windows=10, moved=1.0)
    assert {key.removeprefix("vlm.").rstrip("0123456789") for key in found} == {*KINDS}
    assert len(found) >= 0.9 * len(SIGNALS)
