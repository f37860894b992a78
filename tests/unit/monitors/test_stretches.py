"""Sums by stretches of time: as many for a month as for two hours, and the same however windows came."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.system import Claim, System
from syscard_monitors import claims
from syscard_monitors.stretches import STEPS, Stretches, length, stretch_end
from syscard_monitors.tally import tally
from tests.unit.build import claim, declared

HOUR_US = 3_600_000_000


def over(last: str) -> tuple[System, Claim]:
    system = declared(claims=[claim("good", window={"last": last, "min_n": 1})])
    return system, system.claims[0]


def sums(of: Claim, values: list[float], slice_: str = claims.ALL) -> dict[str, Any]:
    return {claims.promise(of): claims.body({slice_: tally(values)})}


def total(kept: Stretches, of: Claim, end_us: int) -> int:
    """Requests in the claim's window."""
    key, since = claims.promise(of), end_us - length(of)
    found = claims.over_windows(body[key] for end, body in kept.windows() if end > since)
    return found[claims.ALL].n if found else 0


@pytest.mark.parametrize("last", ["2h", "1d", "30d"])
def test_a_claim_has_as_many_stretches_however_long_it_looks_back_and_however_much_it_has_seen(last: str) -> None:
    system, of = over(last)
    kept, step = Stretches(), length(of) // 500
    for window in range(3_000):
        kept.add(system, window * step, sums(of, [1.0]))
        kept.forget(system, window * step)
    assert STEPS <= len(kept.windows()) <= STEPS + 1


def test_a_window_counts_for_as_long_as_the_claim_says_and_up_to_a_sixtieth_longer() -> None:
    system, of = over("2h")
    kept = Stretches()
    kept.add(system, 10, sums(of, [1.0, 0.0]))
    for hours, n in ((1.99, 2), (2.0, 2), (2.04, 0)):
        assert total(kept, of, 10 + int(hours * HOUR_US)) == n
    assert kept.forget(system, int(2.04 * HOUR_US)) == [(claims.promise(of), stretch_end(of, 10))]
    assert kept.windows() == []


_values = st.lists(st.sampled_from([0.0, 1.0]), min_size=1)


@given(st.lists(st.tuples(st.integers(0, 10 * HOUR_US), _values), min_size=1))
def test_the_sums_do_not_depend_on_the_order_in_which_windows_came(found: list[tuple[int, list[float]]]) -> None:
    system, of = over("2h")
    one, other, again = Stretches(), Stretches(), list(found)
    random.Random(1).shuffle(again)
    for end, values in found:
        one.add(system, end, sums(of, values))
    for end, values in again:
        other.add(system, end, sums(of, values))
    assert sorted(one.windows(), key=str) == sorted(other.windows(), key=str)
    everything = claims.over_windows(body[claims.promise(of)] for _, body in one.windows())
    assert everything[claims.ALL] == tally([value for _, values in found for value in values])


def test_what_was_kept_goes_on_after_it_was_read_again() -> None:
    system, of = over("1d")
    straight, stored = Stretches(), Stretches()
    for window in range(50):
        straight.add(system, window * HOUR_US, sums(of, [1.0]))
        stored = Stretches((promise, end, body) for end, bodies in stored.windows() for promise, body in bodies.items())
        changed = stored.add(system, window * HOUR_US, sums(of, [1.0]))
        assert [stored[place] for place in changed] == [straight[place] for place in changed]
        assert straight.forget(system, window * HOUR_US) == stored.forget(system, window * HOUR_US)
    assert stored.windows() == straight.windows()


def test_a_claim_that_looks_back_over_another_time_counts_what_is_there() -> None:
    system, of = over("2h")
    kept = Stretches()
    kept.add(system, 0, sums(of, [1.0]))
    longer, now = over("1d")
    kept.add(longer, HOUR_US, sums(now, [1.0, 1.0]))
    assert total(kept, now, HOUR_US) == 3


def test_what_no_claim_promises_any_more_is_kept_as_long_as_the_longest_looks_back() -> None:
    system, of = over("2h")
    kept = Stretches([("gone@1", HOUR_US, {})])
    assert kept.forget(system, HOUR_US + length(of) - 1) == []
    assert kept.forget(system, HOUR_US + length(of)) == [("gone@1", HOUR_US)]


def test_very_many_groups_of_one_stretch_are_bounded_and_nobody_is_lost() -> None:
    system, of = over("1d")
    kept = Stretches()
    for number in range(claims.MOST_KEPT + 50):
        kept.add(system, 0, sums(of, [1.0], f"band={number}"))
    (place,) = [(promise, end) for end, bodies in kept.windows() for promise in bodies]
    assert len(kept[place]) == claims.MOST_KEPT + 1
    assert sum(body["n"] for body in kept[place].values()) == claims.MOST_KEPT + 50


def test_the_length_of_a_stretch_is_a_sixtieth_of_the_window() -> None:
    _, of = over("30d")
    assert stretch_end(of, 0) == timedelta(days=30) / STEPS // timedelta(microseconds=1)
