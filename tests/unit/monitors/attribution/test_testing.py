from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from syscard_monitors.attribution import Series, Table, attribute
from syscard_monitors.attribution.testing import welch_p


@given(st.integers(0, 10_000), st.integers(40, 2_000), st.integers(40, 200), st.floats(0.1, 5), st.floats(-1, 1))
def test_a_mean_of_few_is_held_against_that_of_many_as_scipy_does(
    seed: int, many: int, few: int, spread: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    before, now = rng.normal(0, 1, many), rng.normal(shift, spread, few)
    expected = stats.ttest_ind(before, now, equal_var=False).pvalue
    assert welch_p(before, now) == pytest.approx(expected, rel=1e-6, abs=1e-200)


def test_what_never_varies_differs_only_where_it_is_another_value() -> None:
    same = np.ones(50)
    assert welch_p(same, same) == 1.0
    assert welch_p(same, same + 1) < 1e-12


def saturating(n: int, seed: int, *, moved: float = 0.0, share: float = 1.0, own: float = 0.0) -> dict[str, Any]:
    """What the vlm reads, and a llm that follows it as far as it goes: beyond, it makes no more of it."""
    rng = np.random.default_rng(seed)
    reads = rng.normal(size=n) + moved * (rng.random(n) < share)
    return {"reads": reads, "grounded": np.tanh(reads) + rng.normal(0, 0.3, n) + own}


def of(**now: float) -> Table:
    was, new = saturating(1_000, 3), saturating(600, 4, **now)
    parts = {"reads": "vlm", "grounded": "llm"}
    graph = {"vlm": frozenset[str](), "llm": frozenset({"vlm"})}
    return Table([Series(name, part, was[name], new[name]) for name, part in parts.items()], graph)


def verdicts(table: Table) -> dict[str, tuple[str, str]]:
    return {p.part: (p.verdict, p.why) for p in attribute(table).parts if "->" not in p.part}


@pytest.mark.parametrize("moved", [-4.0, -6.0, 8.0])
def test_of_a_part_that_is_handed_what_nobody_had_seen_before_it_is_not_said_that_it_changed(moved: float) -> None:
    told = verdicts(of(moved=moved))
    assert told["vlm"][0] == "changed itself"
    assert told["llm"][0] in ("cannot tell", "inherited")


def test_where_nothing_is_left_that_was_known_it_says_so() -> None:
    told = verdicts(of(moved=-5.0))["llm"]
    assert told == ("cannot tell", "what reaches it is beyond all that was seen before: of grounded it cannot be said")


@pytest.mark.parametrize("moved", [-0.8, -6.0])
def test_a_part_that_changed_beside_one_that_moved_far_is_told_by_the_requests_that_did_not(moved: float) -> None:
    told = verdicts(of(moved=moved, share=0.5, own=0.6))
    assert (told["vlm"][0], told["llm"][0]) == ("changed itself", "changed itself")
