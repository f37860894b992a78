"""The A/A check of a baseline: halves agree where nothing changed, and the signals that say little are named."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from syscard.baseline import DISAGREE, Degenerate
from syscard.render import baselines as faces
from syscard_monitors.assemble import Request
from syscard_monitors.baseline import BaselineData, measure_baseline
from syscard_monitors.halves import degenerates
from syscard_monitors.packs import Signal
from tests.unit.build import declared
from tests.unit.monitors.build import MINUTE, request, signal

DAY = 24 * 60


def at(minute: float, number: int, **values: Any) -> Request:
    """A request that ends so many minutes after the first."""
    made = request(0, {f"vlm.{k}": v for k, v in values.items()})
    by = round(minute * MINUTE)
    moved = {"start_us": made.start_us + by, "end_us": made.end_us + by, "received_us": made.received_us + by}
    return Request(**{**vars(made), "trace_id": f"{number:032x}", **moved})


def rhythm(minute: float) -> float:
    """A share that a day's rhythm moves between 0.5 and 0.9."""
    return 0.7 + 0.2 * math.sin(2 * math.pi * minute / DAY)


def days(days: float, n: int, changed_from: float = 1.0) -> list[Request]:
    """Requests with a daily rhythm; from a share of the time on, the score is another."""
    chance = random.Random(5)
    found = []
    for i in range(n):
        minute = days * DAY * i / n
        score = chance.gauss(0.0 if i < changed_from * n else 0.8, 1.0)
        found.append(at(minute, i, agrees=chance.random() < rhythm(minute), score=score))
    return found


SIGNALS: Sequence[Signal] = (signal(), signal("number", name="score", expr="vlm.score"))


def measured(requests: Sequence[Request]) -> BaselineData:
    return measure_baseline(declared(), SIGNALS, requests)


def unlike(data: BaselineData) -> list[str]:
    return [one.signal for one in data.halves if one.disagree]


@pytest.mark.parametrize("length", [1, 3])
def test_a_daily_rhythm_is_no_disagreement_whether_there_is_one_day_or_several(length: float) -> None:
    data = measured(days(length, 2400))
    assert unlike(data) == []
    assert ("by strata" in data.split) is (length >= 2)


def test_of_several_days_the_second_half_of_which_is_another_the_signal_is_named() -> None:
    data = measured(days(4, 2400, changed_from=0.5))
    assert unlike(data) == ["vlm.score"]
    assert data.agreement_p == data.halves[0].p_adjusted
    assert [one.signal for one in data.halves] == ["vlm.score", "vlm.agrees"]


def test_of_one_day_a_stretch_that_is_another_is_seen() -> None:
    requests = [at(i / 4, i, agrees=True, score=float(i % 7) + (20.0 if 400 <= i < 600 else 0.0)) for i in range(4000)]
    assert unlike(measured(requests)) == ["vlm.score"]


def test_of_many_signals_the_smallest_p_is_adjusted_for_how_many_there_are() -> None:
    chance = random.Random(2)
    many = [signal("number", name=f"s{k}", expr=f"vlm.s{k}") for k in range(25)]
    requests = [request(i, {f"vlm.s{k}": chance.random() for k in range(25)}) for i in range(400)]
    data = measure_baseline(declared(), many, requests)
    assert len(data.halves) == 25
    assert not any(one.disagree for one in data.halves)
    first = data.halves[0]
    assert first.p_adjusted == pytest.approx(min(1.0, 25 * min(one.p_value for one in data.halves)))


def test_events_are_compared_as_well_and_volume_is_not() -> None:
    signals = [signal("rate", name="error", expr="vlm.error"), signal("volume", name="volume", about="agent")]
    # Every second of twenty stretches fails: a tenth of them is five requests.
    requests = [request(i, {"vlm.error": i // 10 % 2 == 0}) for i in range(200)]
    data = measure_baseline(declared(), signals, requests)
    assert [(one.signal, one.method, one.n, one.n_other) for one in data.halves] == [("vlm.error", "fisher", 100, 100)]
    assert data.halves[0].disagree


def test_halves_that_agree_to_the_last_digit_are_among_those_that_are_adjusted_for() -> None:
    """Of categories every second signal has no effect beyond chance: without these p-values would count for too few."""
    chance = random.Random(1)
    many = [signal("category", name=f"c{k}", expr=f"vlm.c{k}") for k in range(20)]
    rows = [{f"vlm.c{k}": chance.choice("abcdef") for k in range(20)} | {"vlm.agrees": i % 2} for i in range(400)]
    data = measure_baseline(declared(), [signal(), *many], [request(i, row) for i, row in enumerate(rows)])
    assert len(data.halves) == 21


@pytest.mark.parametrize("which", [0, 1])
def test_a_number_that_one_half_has_as_a_constant_is_a_disagreement(which: int) -> None:
    chance = random.Random(3)
    requests = [at(i, i, score=0.5 if i // 10 % 2 == which else chance.random()) for i in range(200)]
    assert unlike(measured(requests)) == ["vlm.score"]


def degenerate(values: Sequence[Any], **changes: Any) -> list[Degenerate]:
    watched = signal("number", name="score", expr="vlm.score", **{"min_n": 20, **changes})
    return list(degenerates([watched], {watched.key: values}, len(values)))


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        ([0.5] * 200, "constant", "all 200 values are 0.50"),
        ([0.0] * 199 + [1.0], "nearly constant", "99.5% of values are 0.00"),
        ([1.0, 2.0] * 5, "too few values", "needs n 20, has 10"),
        ([1.0, 2.0] * 20 + [None] * 60, "mostly absent", "60.0% of requests have none"),
    ],
)
def test_what_says_little_is_named_with_the_reason(values: Sequence[Any], kind: str, says: str) -> None:
    (found,) = degenerate(values)
    assert (found.signal, found.kind, found.says) == ("vlm.score", kind, says)


def test_what_varies_enough_is_not_named() -> None:
    assert degenerate([0.0] * 198 + [1.0] * 2) == []
    assert degenerate([1.0, 2.0] * 25 + [None] * 50) == []


def test_an_optional_signal_that_no_span_carries_is_left_out_here_as_elsewhere() -> None:
    optional, needed = signal(optional=True), signal(name="other")
    assert degenerates([optional], {}, 100) == ()
    assert [d.kind for d in degenerates([needed], {}, 100)] == ["too few values"]


def test_faces_and_monitors_call_the_same_halves_unlike() -> None:
    assert faces.DISAGREE == DISAGREE
