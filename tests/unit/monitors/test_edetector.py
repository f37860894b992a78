"""The detector finds changes soon, and cries wolf no more often than it may, however often it looks."""

import json
import math
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors import edetector
from syscard_monitors.edetector import Detector, Grid, advance, cell_of, read_detector

LOOK = 50
"""Values of one look."""
Draw = Callable[[random.Random, int], float | str]
"""One value of the look of this number."""
SIGNALS, LOOKS = 25, 1_000
LEVEL = math.log(SIGNALS * LOOKS / 0.05)
"""Logarithm of the evidence at which 25 signals in 1,000 looks raise a false alarm in at most one run of twenty."""


def gauss(rng: random.Random, _: int) -> float:
    return rng.gauss(0, 1)


def heavy(rng: random.Random, _: int) -> float:
    return rng.gauss(0, 1) / max(rng.random(), 1e-6)


def discrete(rng: random.Random, _: int) -> float:
    return float(rng.choice((0, 0, 0, 1, 2)))


def word(rng: random.Random, _: int) -> str:
    return rng.choice("abcdefgh")


def begun(draw: Draw, rng: random.Random, seed: int, size: int = 2_000) -> Detector:
    reference = [draw(rng, 0) for _ in range(size)]
    grid = grid_of(reference)
    return edetector.start(grid, (("", cell_of(grid, value)) for value in reference), seed)


def grid_of(reference: list[float | str]) -> Grid:
    words = [value for value in reference if isinstance(value, str)]
    return (
        edetector.grid_of_categories(words)
        if words
        else edetector.grid_of_numbers([value for value in reference if not isinstance(value, str)])
    )


def looked(detector: Detector, draw: Draw, rng: random.Random, looks: int) -> Iterator[Detector]:
    for number in range(looks):
        values = [("", cell_of(detector.grid, draw(rng, number))) for _ in range(LOOK)]
        detector = advance(detector, values, 1.0)
        yield detector


def looks_until_alarm(before: Draw, after: Draw, seed: int, most: int = 200) -> int | None:
    """Looks from the change on, after 40 without one; None where none of them raised the alarm."""
    rng = random.Random(seed)
    detector = begun(before, rng, seed)
    *_, last = quiet = list(looked(detector, before, rng, 40))
    assert max(seen.log_evidence for seen in quiet) < LEVEL
    found = looked(last, after, rng, most)
    return next((number for number, seen in enumerate(found, start=1) if seen.log_evidence >= LEVEL), None)


def yes(rng: random.Random, _: int) -> float:
    return float(rng.random() < 0.9)


def rarely(rng: random.Random, _: int) -> float:
    return float(rng.random() < 0.004)


@pytest.mark.parametrize("draw", [gauss, heavy, discrete, word, yes, rarely])
def test_without_a_change_the_evidence_stays_below_its_bound(draw: Draw) -> None:
    """R reaches c within n looks in at most n/c of all runs: with c = 4n in at most a quarter of them."""
    looks, runs, alarms = 100, 40, 0
    for seed in range(runs):
        rng = random.Random(seed)
        seen = looked(begun(draw, rng, seed), draw, rng, looks)
        alarms += max(detector.log_evidence for detector in seen) >= math.log(4 * looks)
    assert alarms <= runs / 4


@pytest.mark.parametrize(
    ("before", "after", "most"),
    [
        pytest.param(gauss, lambda rng, _: rng.gauss(0.25, 1), 25, id="a mean that moves by a quarter"),
        pytest.param(gauss, lambda rng, _: rng.gauss(-0.25, 1), 25, id="downwards"),
        pytest.param(gauss, lambda rng, _: rng.gauss(0, 1.25), 20, id="a wider spread"),
        pytest.param(gauss, lambda rng, _: rng.gauss(0, 0.6), 20, id="a narrower spread"),
        pytest.param(gauss, lambda rng, look: rng.gauss(min(look / 200, 1) / 2, 1), 110, id="a slow drift"),
        pytest.param(gauss, lambda rng, _: rng.choice((-1, 1)) * 0.8, 20, id="two peaks for one"),
        pytest.param(
            word, lambda rng, look: "new" if rng.random() < 0.05 else word(rng, look), 12, id="a new category"
        ),
        pytest.param(discrete, lambda rng, _: float(rng.random() < 0.6), 12, id="another share"),
        pytest.param(yes, lambda rng, _: float(rng.random() < 0.8), 15, id="a yes that is ten points rarer"),
        pytest.param(yes, lambda rng, _: float(rng.random() < 0.6), 2, id="a yes that is thirty points rarer"),
        pytest.param(rarely, lambda rng, _: float(rng.random() < 0.05), 12, id="what was rare is not"),
    ],
)
def test_a_change_is_found_within_some_looks(before: Draw, after: Draw, most: int) -> None:
    found = [looks_until_alarm(before, after, seed) for seed in range(4)]
    assert all(looks is not None and looks <= most for looks in found), found


def daily(rng: random.Random, look: int) -> float:
    return rng.gauss(3 * math.sin(look * math.tau / 24), 1)


@pytest.mark.parametrize(("strata", "is_quiet"), [(24, True), (1, False)])
def test_a_daily_rhythm_is_no_change_where_hours_are_strata(strata: int, is_quiet: bool) -> None:
    rng = random.Random(7)
    reference = [(str(hour % strata), daily(rng, hour)) for hour in range(24) for _ in range(100)]
    grid = edetector.grid_of_numbers([value for _, value in reference])
    detector = edetector.start(grid, [(stratum, cell_of(grid, value)) for stratum, value in reference], 7)
    most = -math.inf
    for look in range(240):
        values = [(str(look % strata), cell_of(grid, daily(rng, look))) for _ in range(LOOK)]
        detector = advance(detector, values, 1.0)
        most = max(most, detector.log_evidence)
    assert (most < LEVEL) is is_quiet


def test_ranks_are_uniform_also_where_values_are_tied() -> None:
    rng = random.Random(3)
    detector = begun(discrete, rng, 3)
    ranks, *_ = edetector._ranks(detector, [("", cell_of(detector.grid, discrete(rng, 0))) for _ in range(4_000)])
    shares = [sum(low <= rank * 10 < low + 1 for rank in ranks) / len(ranks) for low in range(10)]
    assert all(abs(share - 0.1) < 0.02 for share in shares), shares


def test_a_detector_that_was_stored_goes_on_as_if_it_had_not_been() -> None:
    rng = random.Random(5)
    detector = begun(word, rng, 5)
    looks = [[("", cell_of(detector.grid, word(rng, 0))) for _ in range(LOOK)] for _ in range(6)]
    straight = stored = detector
    for values in looks:
        straight = advance(straight, values, 0.5)
        stored = advance(read_detector(json.loads(json.dumps(stored.body()))), values, 0.5)
    assert stored == straight
    assert stored.seen == 6 * LOOK


def test_there_is_no_evidence_before_the_first_look_nor_without_weight() -> None:
    detector = begun(gauss, random.Random(1), 1)
    assert detector.log_evidence == -math.inf
    assert advance(detector, [("", 0)] * LOOK, 0.0).log_evidence == -math.inf


def test_a_look_without_values_only_adds_its_weight() -> None:
    once = advance(begun(gauss, random.Random(1), 1), [], 2.0)
    assert math.isclose(once.log_evidence, math.log(2))
    assert math.isclose(advance(once, [], 3.0).log_evidence, math.log(5))


def test_the_odds_of_few_values_have_bets_of_their_own_and_those_of_many_have_not() -> None:
    assert edetector.grid_of_numbers([0.0, 1.0] * 50).cuts == (2,)
    assert edetector.grid_of_numbers([0.0, 0.5, 1.0] * 50).cuts == (2, 3)
    assert edetector.grid_of_numbers([float(i) for i in range(50)] * 3).cuts == ()
    assert edetector.grid_of_categories(["a", "b", "b"]).cuts == (1,)
    assert edetector.grid_of_numbers([1.0] * 50).cuts == ()


@given(st.floats(0.001, 0.999))
def test_a_bet_on_odds_is_fair_whatever_share_was_below(q: float) -> None:
    """Its density over uniform ranks has the integral 1."""
    for low, high in zip(edetector._odds_bets([0.0], [q]), edetector._odds_bets([q], [q]), strict=True):
        assert q * math.exp(low) + (1 - q) * math.exp(high) == pytest.approx(1)


def test_a_stratum_that_the_reference_did_not_have_begins_with_nothing() -> None:
    detector = advance(begun(gauss, random.Random(1), 1), [("sunday", 3)] * 5, 1.0)
    assert sum(detector.counts["sunday"]) == 5


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=300))
def test_every_number_has_a_cell_and_only_those_beyond_the_reference_are_empty(values: list[float]) -> None:
    grid = edetector.grid_of_numbers(values)
    cells = [cell_of(grid, value) for value in values]
    assert set(cells) == set(range(1, grid.cells - 1))
    assert 3 <= grid.cells <= 64
    assert cell_of(grid, -math.inf) == 0
    assert cell_of(grid, math.inf) == grid.cells - 1
    assert list(grid.edges) == sorted(grid.edges)


@pytest.mark.parametrize("rare", [0.0, 1.0])
def test_the_rarer_of_two_values_has_a_cell_of_its_own_however_rare_it_is(rare: float) -> None:
    grid = edetector.grid_of_numbers([rare] + [1 - rare] * 1_999)
    assert cell_of(grid, 0.0) != cell_of(grid, 1.0)


def test_what_was_constant_is_told_from_what_is_less_and_what_is_more() -> None:
    grid = edetector.grid_of_numbers([0.7] * 500)
    assert len({cell_of(grid, value) for value in (0.69, 0.7, 0.71)}) == 3


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1))
def test_the_most_frequent_categories_have_cells_and_all_others_share_one(values: list[str]) -> None:
    grid = edetector.grid_of_categories(values, most=4)
    counts = sorted((values.count(name) for name in grid.categories), reverse=True)
    assert [values.count(name) for name in grid.categories] == counts
    others = {cell_of(grid, name) for name in "abcdefghij" if name not in grid.categories}
    assert others <= {len(grid.categories)}
    assert grid.cells == len(grid.categories) + 1
