"""Amplification along the pipeline: what is planted is found, a disparity that was there from the start is not."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from syscard.disparity import Amplification, GroupAmplification
from syscard_monitors.amplification import LEAST, amplifications
from syscard_monitors.assemble import Request
from syscard_monitors.groups import GroupMetric, metrics_of, over_days, with_requests
from syscard_monitors.packs import load_packs, signals_for
from tests.unit.build import claim, declared
from tests.unit.monitors.build import request

STAGES = tuple(
    GroupMetric(f"{part}.well", part, "does well", f"{part}.well", "share", family="quality")
    for part in ("cf", "vlm", "llm")
)
FAILS = tuple(
    GroupMetric(f"{part}.error", part, "errors", f"{part}.error", "rate", family="errors", worse="up")
    for part in ("cf", "llm")
)
Shares = Mapping[str, Sequence[float]]
"""By group: the share in which each stage does well."""


def along(
    shares: Shares, n: int = 1000, metrics: Sequence[GroupMetric] = STAGES, *, exact: bool = False
) -> Amplification:
    """What is said of so many requests of each group; what happens at one stage goes with what happened before."""
    chance = random.Random(7)
    requests: list[Request] = []
    for label, of_stages in shares.items():
        for number in range(n):
            lot, more = (number / n, 0.0) if exact else (chance.random(), 0.3 * chance.random())
            hits = [float((lot + more) % 1 < share) for share in of_stages]
            values = {m.expression: hit for m, hit in zip(metrics, hits, strict=True)}
            requests.append(request(len(requests), {"segment.age_band": label, **values}))
    sums = over_days(with_requests({}, metrics, ["age_band"], requests).values())
    (found,) = amplifications(metrics, sums, ["age_band"])
    return found


def of(told: Amplification, label: str) -> GroupAmplification:
    return next(g for g in told.groups if g.group == label)


def test_a_disparity_that_grows_along_the_pipeline_is_found_and_its_group_stands_first() -> None:
    found = along({"a": (0.9, 0.9, 0.9), "b": (0.88, 0.75, 0.55), "c": (0.9, 0.9, 0.9)})
    assert found.state == "amplified"
    first = found.groups[0]
    assert (first.group, first.state) == ("b", "amplified")
    assert first.low is not None
    assert first.low > 0
    assert [s.about for s in first.stages] == ["cf", "vlm", "llm"]
    assert all(of(found, label).state != "amplified" for label in "ac")


def test_a_disparity_that_is_there_from_the_first_stage_on_is_not_amplified() -> None:
    found = along({"a": (0.9, 0.9, 0.9), "b": (0.6, 0.6, 0.6), "c": (0.9, 0.9, 0.9)}, n=3000)
    alike = of(found, "b")
    assert alike.stages[-1].ratio == pytest.approx(1.5, rel=0.05)
    assert alike.state == "not amplified"
    assert found.state == "not amplified"


def test_a_disparity_that_shrinks_is_not_amplified() -> None:
    found = along({"a": (0.9, 0.9, 0.9), "b": (0.5, 0.7, 0.9)})
    assert of(found, "b").state == "not amplified"


def test_a_group_that_only_loses_a_lead_is_no_amplification() -> None:
    lost = of(along({"a": (0.6, 0.7, 0.9), "b": (0.9, 0.9, 0.95)}), "b")
    assert lost.low is not None
    assert lost.low > 0
    assert lost.state == "not amplified"


def test_of_failures_more_is_worse() -> None:
    found = along({"a": (0.05, 0.05), "b": (0.05, 0.30)}, metrics=FAILS)
    assert of(found, "b").state == "amplified"
    assert of(found, "a").state != "amplified"


def test_a_small_group_is_unknown_and_says_what_it_needs() -> None:
    found = along({"a": (0.9, 0.9, 0.9), "b": (0.9, 0.5, 0.1)}, n=LEAST - 1)
    small = of(found, "b")
    assert (small.state, small.needs, small.log_change) == ("unknown", LEAST, None)
    assert small.why == "needs n 100 in cf does well, has 99"
    assert found.state == "unknown"


def test_where_hardly_anything_happened_there_is_no_ratio() -> None:
    found = along({"a": (0.001, 0.001), "b": (0.001, 0.3)}, n=1000, metrics=FAILS)
    assert "fewer than 5 events" in of(found, "b").why


def test_what_is_undecided_says_about_how_many_requests_would_decide_it() -> None:
    shares = {"a": (0.8, 0.8, 0.8), "b": (0.8, 0.77, 0.72)}
    few = of(along(shares, n=150, exact=True), "b")
    assert few.state == "unknown"
    assert few.needs is not None
    assert few.needs > 150
    assert of(along(shares, n=round(0.8 * few.needs), exact=True), "b").state == "unknown"
    assert of(along(shares, n=round(1.2 * few.needs), exact=True), "b").state == "amplified"


def test_the_changes_from_stage_to_stage_add_up_to_the_whole() -> None:
    told = of(along({"a": (0.9, 0.85, 0.8), "b": (0.8, 0.7, 0.5)}), "b")
    ratios = [stage.ratio or math.nan for stage in told.stages]
    steps = [math.log(after / before) for before, after in pairwise(ratios)]
    assert math.fsum(steps) == pytest.approx(told.log_change)


def test_with_many_requests_the_interval_is_the_delta_methods_with_the_worst_dependence() -> None:
    """Of two groups: standard errors of both logarithms of ratios added, widened for two groups."""
    n, found = 20_000, of(along({"a": (0.5, 0.5, 0.5), "b": (0.5, 0.5, 0.4)}, n=20_000), "b")
    errors = []
    for stage in (found.stages[0], found.stages[-1]):
        shares = [s or math.nan for s in (stage.value, stage.others)]
        errors.append(math.sqrt(sum((1 - s) / (n * s) for s in shares)))
    wider = 2.2414  # the normal quantile of 1 - 0.025 / 2
    assert found.low == pytest.approx((found.log_change or 0) - wider * sum(errors), abs=2e-3)


@pytest.mark.parametrize("dependence", ["together", "against each other"])
def test_without_amplification_hardly_ever_one_is_told_however_the_stages_depend(dependence: str) -> None:
    chance, told = random.Random(3), 0
    two = STAGES[::2]
    for _ in range(60):
        requests = []
        for i in range(4 * 150):
            lot = chance.random()
            last = lot if dependence == "together" else 1 - lot
            values = {two[0].expression: float(lot < 0.5), two[1].expression: float(last < 0.5)}
            requests.append(request(i, {"segment.age_band": f"g{i % 4}", **values}))
        sums = over_days(with_requests({}, two, ["age_band"], requests).values())
        (found,) = amplifications(two, sums, ["age_band"])
        told += found.state == "amplified"
    assert told <= 4


def test_fewer_than_two_stages_are_no_pipeline() -> None:
    sums = over_days(with_requests({}, STAGES[:1], ["age_band"], [request(0, {"segment.age_band": "a"})]).values())
    assert amplifications(STAGES[:1], sums, ["age_band"]) == ()
    assert amplifications(STAGES, sums, ["age_band"]) == ()


def family(name: str) -> list[tuple[str, str]]:
    """(part, which way is worse) of a family of a declared shop."""
    system = declared(
        claims=[claim(), claim("taken", about="system", metric="share(accepted)"),
                claim("even", about="system", metric="disparity(accepted)", expect="<= 1.25", by=["age_band"])],
        monitors={"packs": ["vision-language", "ranking", "llm", "agent", "interactions"]},
    )  # fmt: skip
    found = metrics_of(system, signals_for(system, load_packs(system.monitors.packs)))
    return [(m.about, m.worse) for m in found if m.family == name]


def test_quality_is_measured_from_the_recommender_to_what_was_taken() -> None:
    parts = list(dict.fromkeys(family("quality")))
    assert parts[0] == ("cf", "down")
    assert ("vlm", "down") in parts
    assert parts[-1] == ("system", "down")


def test_what_every_part_has_is_a_family_of_its_own() -> None:
    assert family("errors") == [(part, "up") for part in ("cf", "vlm", "llm", "agent")]
    assert {part for part, _ in family("fallback")} == {"cf", "vlm", "llm", "agent"}


def test_no_figure_where_neither_way_is_worse_is_of_a_family() -> None:
    values: dict[str, Any] = {m.key: m.family for m in metrics_of(declared(claims=[claim(expect="<= 0.5")]), ())}
    assert values == {"grounded": ""}
