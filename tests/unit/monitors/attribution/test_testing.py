from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

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
