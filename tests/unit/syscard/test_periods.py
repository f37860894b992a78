from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syscard.periods import Period, due
from tests.unit.build import NOW

WEEK = timedelta(days=7)
HOURS = st.floats(0, 24 * 60).map(lambda hours: timedelta(hours=hours))


def test_the_first_report_is_of_the_time_before_and_the_next_is_due_when_its_period_is_over() -> None:
    assert due(None, WEEK, NOW) == Period(NOW - WEEK, NOW)
    assert due(NOW, WEEK, NOW + WEEK - timedelta(seconds=1)) is None
    assert due(NOW, WEEK, NOW + WEEK) == Period(NOW, NOW + WEEK)


def test_a_clock_that_was_set_back_makes_no_report() -> None:
    assert due(NOW, WEEK, NOW - WEEK) is None


def test_after_a_pause_one_report_is_of_all_the_periods_that_were_missed() -> None:
    assert due(NOW, WEEK, NOW + 3.5 * WEEK) == Period(NOW, NOW + 3 * WEEK)


@given(st.lists(HOURS, min_size=1, max_size=30), st.sampled_from([timedelta(hours=1), timedelta(days=1), WEEK]))
def test_however_often_it_is_asked_periods_follow_each_other_without_gap_or_overlap(
    waits: list[timedelta], every: timedelta
) -> None:
    made: list[Period] = []
    now = NOW
    for wait in waits:
        now += wait
        period = due(made[-1].end if made else None, every, now)
        made += [period] if period else []
        assert now - made[-1].end < every, "what is over is told of"
    assert all(one.end == after.start for one, after in pairwise(made))
    assert all(period.end - period.start >= every for period in made)
    assert made[-1].end <= now
