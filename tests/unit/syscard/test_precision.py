from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syscard.precision import LEAST_JUDGED, record_of, records


def incident(state: str = "resolved", resolution: str | None = "fixed", *keys: str) -> dict[str, Any]:
    findings = [{"key": key} for key in keys or ("vlm.agrees",)]
    return {"state": state, "resolution": resolution, "findings": findings}


def card(*incidents: dict[str, Any]) -> dict[str, Any]:
    return {"incidents": {str(n): one for n, one in enumerate(incidents, start=1)}}


FALSE = incident("false_positive", "false_positive")


def test_what_people_fixed_was_real_and_what_they_called_false_was_not() -> None:
    (record,) = records(card(incident(), incident(resolution="rolled_back"), incident("reviewed"), FALSE))
    assert (record.rule, record.real, record.false_alarms, record.unjudged) == ("vlm.agrees", 3, 1, 0)
    assert record.words == "3 of 4 judged incidents were real (75.0%, 95 % interval 30.1% to 95.4%)"


def test_what_nobody_judged_is_neither() -> None:
    (record,) = records(card(incident(resolution="self_cleared")))
    assert (record.precision, record.unjudged) == (None, 1)
    assert record.words == "unknown: needs judged incidents, has 0; 1 closed that nobody judged"


def test_what_is_open_or_merged_does_not_count() -> None:
    assert records(card(incident("open", None), incident("suppressed", None), incident("merged", None))) == ()


def test_an_incident_counts_once_for_each_of_its_rules() -> None:
    found = records(card(incident("resolved", "fixed", "vlm.agrees", "llm.words", "vlm.agrees")))
    assert [(r.rule, r.real) for r in found] == [("llm.words", 1), ("vlm.agrees", 1)]
    assert [r.rule for r in record_of(card(incident()), ["vlm.agrees", "cf.calls"])] == ["vlm.agrees"]


def test_a_rule_that_is_more_often_wrong_than_right_is_proposed_for_recalibration_after_enough() -> None:
    few = records(card(*[FALSE] * (LEAST_JUDGED - 1)))[0]
    enough = records(card(*[FALSE] * 6, *[incident()] * 4))[0]
    half = records(card(*[FALSE] * 5, *[incident()] * 5))[0]
    assert (few.recalibrate, enough.recalibrate, half.recalibrate) == (False, True, False)
    assert enough.words.endswith("propose to recalibrate it")


@given(st.lists(st.sampled_from(["fixed", "false_positive", "self_cleared", "rebaselined"]), max_size=40))
def test_the_interval_holds_the_precision_and_every_closed_incident_is_counted(resolutions: list[str]) -> None:
    found = records(card(*(incident("resolved", how) for how in resolutions)))
    assert sum(r.judged + r.unjudged for r in found) == len(resolutions)
    for record in found:
        low, high = record.interval
        assert low <= (record.precision or 0.0) + 1e-12
        assert (record.precision or 0.0) <= high + 1e-12
