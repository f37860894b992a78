"""Requests are compared with their own like: a new mix of groups is no change, and a new group is no drift."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from syscard_monitors.assemble import Request
from syscard_monitors.strata import EVERYONE, HOUR, LEAST, MOST, RARE, read_strata, strata_of
from tests.unit.build import declared
from tests.unit.monitors.build import request

SYSTEM = declared()
HOUR_US = 3_600_000_000


def of_band(band: str | None, number: int = 0, **values: Any) -> Request:
    return request(number, {"segment.age_band": band, **{k.replace("__", "."): v for k, v in values.items()}})


def at_hour(hour: int, made: Request) -> Request:
    return replace(made, end_us=made.end_us + hour * HOUR_US)


def baseline(*bands: tuple[str, int]) -> list[Request]:
    return [of_band(band) for band, n in bands for _ in range(n)]


def test_requests_are_told_apart_by_declared_segments() -> None:
    strata = strata_of(SYSTEM, ["vlm"], baseline(("young", LEAST), ("old", LEAST)))
    assert strata.dimensions == ("age_band",)
    assert strata.of("vlm", [of_band("old"), of_band("young")]) == ["age_band=old", "age_band=young"]


def test_groups_that_the_baseline_has_too_rarely_are_one_together() -> None:
    strata = strata_of(SYSTEM, ["vlm"], baseline(("young", LEAST), ("old", LEAST - 1), ("oldest", 1)))
    assert strata.of("vlm", [of_band("old"), of_band("oldest"), of_band("young")]) == [RARE, RARE, "age_band=young"]


def test_of_very_many_groups_the_commonest_have_their_own() -> None:
    many = baseline(*((f"group {i:03}", LEAST + i) for i in range(MOST + 2)))
    named = strata_of(SYSTEM, ["vlm"], many).named["vlm"]
    assert sum(stratum != RARE for stratum in named.values()) == MOST
    assert named["age_band=group 000"] == named["age_band=group 001"] == RARE


def test_a_group_that_the_baseline_has_not_is_one_of_its_own() -> None:
    strata = strata_of(SYSTEM, ["vlm"], baseline(("young", LEAST)))
    assert strata.of("vlm", [of_band("new")]) == ["age_band=new"]


def test_who_says_no_group_is_compared_with_everyone_where_the_baseline_has_nobody_like_that() -> None:
    strata = strata_of(SYSTEM, ["vlm"], baseline(("young", LEAST)))
    assert strata.of("vlm", [of_band(None)]) == [EVERYONE]


def test_those_who_say_no_group_are_one_where_the_baseline_has_enough_of_them() -> None:
    """Shoppers who are not signed in may be unlike all others for good."""
    both = [*baseline(("young", LEAST)), *(of_band(None) for _ in range(LEAST))]
    assert strata_of(SYSTEM, ["vlm"], both).of("vlm", [of_band(None)]) == ["age_band=(none)"]


def test_a_time_of_day_that_the_baseline_has_not_is_compared_with_all_and_a_new_group_with_nobody() -> None:
    by_day = [at_hour(day * 24 + hour, of_band("young")) for day in range(3) for hour in range(8) for _ in range(LEAST)]
    strata = strata_of(SYSTEM, ["vlm"], by_day)
    assert HOUR in strata.dimensions
    night = [at_hour(12, of_band("young")), at_hour(12, of_band("new"))]
    assert strata.of("vlm", night) == [EVERYONE, "age_band=new"]


def test_hours_are_told_apart_where_the_baseline_has_each_of_them_twice() -> None:
    short = [at_hour(hour, of_band("young")) for hour in range(24) for _ in range(LEAST)]
    long = [at_hour(hour, of_band("young")) for hour in range(49) for _ in range(LEAST)]
    assert strata_of(SYSTEM, ["vlm"], short).dimensions == ("age_band",)
    strata = strata_of(SYSTEM, ["vlm"], long)
    assert strata.dimensions == ("hour", "age_band")
    assert len(set(strata.named["vlm"].values())) == 24
    (first, later, next_day) = strata.of("vlm", [at_hour(h, of_band("young")) for h in (0, 3, 72)])
    assert first == next_day != later


def test_hours_are_taken_together_until_nearly_all_requests_have_a_stratum() -> None:
    """A thousand requests over three days: forty an hour, so two hours together."""
    few = [at_hour(day * 24 + hour, of_band("young")) for day in range(3) for hour in range(24) for _ in range(14)]
    strata = strata_of(SYSTEM, ["vlm"], few)
    assert strata.block == 2
    (even, odd, later) = strata.of("vlm", [at_hour(h - 4, of_band("young")) for h in (4, 5, 6)])
    assert (even == odd) is not (odd == later)
    sparse = [at_hour(day * 24 + hour, of_band("young")) for day in range(3) for hour in range(24)]
    assert HOUR not in strata_of(SYSTEM, ["vlm"], sparse).dimensions


def test_what_is_rare_at_its_time_of_day_is_put_with_its_like_at_any_time() -> None:
    """So a rare group stays a group, and a new mix of groups no change."""
    often = [at_hour(day * 24 + hour, of_band("young")) for day in range(3) for hour in range(24) for _ in range(60)]
    rare = [at_hour(day * 24 + hour, of_band("old")) for day in range(3) for hour in range(24) for _ in range(2)]
    strata = strata_of(SYSTEM, ["vlm"], [*often[:-1], *rare, often[-1]])
    old = strata.of("vlm", [at_hour(hour, of_band("old")) for hour in range(24)])
    assert {*old} == {"age_band=old; any hour"}


def test_versions_are_told_apart_where_the_baseline_has_several_and_a_new_one_is_compared_with_the_usual() -> None:
    one = [of_band("young", vlm__version="1") for _ in range(LEAST)]
    two = [*one, *one, *(of_band("young", vlm__version="2") for _ in range(LEAST))]
    assert strata_of(SYSTEM, ["vlm"], one).dimensions == ("age_band",)
    strata = strata_of(SYSTEM, ["vlm", "cf->vlm", "llm"], two)
    new = [of_band("young", vlm__version=version) for version in ("1", "2", "3")]
    assert strata.of("vlm", new) == [f"age_band=young; version={v}" for v in ("1", "2", "1")]
    assert strata.of("cf->vlm", new) == strata.of("vlm", new), "an edge has the version of the part that takes"
    assert len({*strata.of("llm", new)}) == 1, "another part's version is none of its own"


def test_without_segments_hours_and_versions_all_are_alike() -> None:
    plain = declared(traces={"select": {"service.name": "shop"}}, claims=[])
    strata = strata_of(plain, ["vlm"], baseline(("young", LEAST)))
    assert strata.of("vlm", [of_band("young")]) == [EVERYONE]
    assert not strata.dimensions


def test_strata_are_the_same_after_going_through_json() -> None:
    strata = strata_of(SYSTEM, ["vlm"], baseline(("young", LEAST), ("old", 3)))
    again = read_strata(json.loads(json.dumps(strata.body())))
    asked = [of_band(band) for band in ("young", "old", "new", None)]
    assert again.of("vlm", asked) == strata.of("vlm", asked)
    assert read_strata({}).of("vlm", asked) == [EVERYONE] * 4
