"""What of a report is read first."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.drift import Comparison, Drifted
from syscard_monitors.drift.ordering import LEVEL, evidence, in_order, standing_out

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def compared(p_values: list[float]) -> tuple[list[Comparison], dict[str, Drifted]]:
    """A test a signal, `s0`, `s1` ..., with these p-values."""
    comparisons = [Comparison(f"s{n}", "syscard_ks", 0.001, (1.0, 2.0), (1.0, 2.0)) for n in range(len(p_values))]
    return comparisons, {c.key: Drifted(p, 0.0, 0.0) for c, p in zip(comparisons, p_values, strict=True)}


def test_what_drifted_comes_first_and_of_those_the_clearest() -> None:
    comparisons, found = compared([0.5, 1e-9, 0.0005, 1e-30])
    assert [c.key for c in in_order(comparisons, found)] == ["s3", "s1", "s2", "s0"]


def test_a_distance_is_ordered_by_how_many_times_it_is_its_limit_and_never_stands_out() -> None:
    near, far = (Comparison(key, "syscard_psi", 0.1, (1.0,), (1.0,)) for key in ("near", "far"))
    found = {"near": Drifted(0.2, 0, 0), "far": Drifted(0.9, 0, 0)}
    assert [c.key for c in in_order([near, far], found)] == ["far", "near"]
    assert standing_out([near, far], found) == frozenset()


def test_one_clear_change_stands_out_among_few_signals_and_needs_more_among_many() -> None:
    assert standing_out(*compared([1e-4, 0.3, 0.8])) == {"s0"}
    assert standing_out(*compared([1e-4, *[0.5] * 99])) == frozenset()
    assert standing_out(*compared([1e-8, *[0.5] * 99])) == {"s0"}


@given(P_VALUES)
def test_what_stands_out_is_always_the_clearest(p_values: list[float]) -> None:
    comparisons, found = compared(p_values)
    first = standing_out(comparisons, found)
    weakest = min((evidence(c, found[c.key].score) for c in comparisons if c.key in first), default=None)
    assert weakest is None or all(c.key in first for c in comparisons if evidence(c, found[c.key].score) > weakest)


def test_where_nothing_changed_something_stands_out_in_few_reports() -> None:
    """The share of reports with any is at most the level (Wang & Ramdas 2022, with no true discovery there is)."""
    rng = random.Random(4)
    reports = [standing_out(*compared([rng.random() for _ in range(25)])) for _ in range(1_000)]
    assert sum(map(bool, reports)) <= LEVEL * 1_000
