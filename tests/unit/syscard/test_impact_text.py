"""An incident's impact in words: share x loss where the loss is known, and exposure where it is not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from syscard.render.cardtext import incident_text
from syscard.render.reach import impact_lines
from tests.faces import sample

REACHED = {"requests": 300, "of": 400}
BLAMED = {"target": "grounded", "damage": 0.32, "n_now": 200, "parts": []}


@pytest.fixture
def view() -> dict[str, Any]:
    return copy.deepcopy(sample.broken_view())


@pytest.fixture
def card(view: dict[str, Any]) -> dict[str, Any]:
    return dict(view["card"])


def the_open(card: dict[str, Any], **changes: Any) -> dict[str, Any]:
    incident: dict[str, Any] = next(i for i in card["incidents"].values() if i["state"] == "open")
    incident.update(changes)
    return incident


def holding(card: dict[str, Any]) -> None:
    for claim in card["claims"].values():
        claim["slices"][0]["status"] = "holds"


def test_damage_is_the_rise_of_misses_times_the_requests_since_then(card: dict[str, Any]) -> None:
    holding(card)
    assert impact_lines(card, the_open(card, impact=REACHED, attribution=BLAMED)) == [
        "about 128 of 400 requests (32.0%) miss grounded since 2026-11-22 14:02 UTC beyond those that did before: "
        "the rise is by the attribution, from 200 requests"
    ]


def test_a_broken_share_on_the_path_says_its_misses_and_over_what(card: dict[str, Any]) -> None:
    lines = impact_lines(card, the_open(card))
    assert lines == [
        "about 157 of 1,204 requests (13.0%) miss grounded, over the claim's last 1d (E-8): some may have before it "
        "began",
        "about 843 of 1,204 requests (70.0%) miss sees-the-picture, over the claim's last 1d (E-6): some may have "
        "before it began",
    ]


def test_a_promise_that_is_shared_out_is_said_once(card: dict[str, Any]) -> None:
    lines = impact_lines(card, the_open(card, impact=REACHED, attribution=BLAMED))
    assert [("miss grounded" in line, "by the attribution" in line) for line in lines] == [(True, True), (False, False)]


def test_of_a_promise_of_something_bad_the_share_itself_is_what_misses(card: dict[str, Any]) -> None:
    card["claims"]["grounded"]["declared"]["expect"] = "<= 0.05"
    assert "about 1,047 of 1,204 requests (87.0%) miss grounded" in impact_lines(card, the_open(card))[0]


@pytest.mark.parametrize("metric", ["p95(latency)", "count(pii)", "mean(words)", "disparity(accepted)"])
def test_what_is_no_share_of_requests_says_no_misses(card: dict[str, Any], metric: str) -> None:
    for claim in card["claims"].values():
        claim["declared"]["metric"] = metric
    assert impact_lines(card, the_open(card)) == []


def test_misses_of_a_sample_are_marked(card: dict[str, Any]) -> None:
    sampled = sample.variants()["sampled"]["card"]
    assert "sampled 1 in 10" in impact_lines(sampled, the_open(copy.deepcopy(sampled)))[0]


@pytest.mark.parametrize("blamed", [None, {**BLAMED, "damage": None}, {**BLAMED, "damage": -0.1}])
def test_where_nothing_says_what_went_wrong_it_is_exposure(card: dict[str, Any], blamed: Any) -> None:
    holding(card)
    assert impact_lines(card, the_open(card, impact=REACHED, attribution=blamed)) == [
        "exposure, not harm: nothing says how many of these requests went wrong"
    ]
    assert impact_lines(card, the_open(card, impact=None, attribution=blamed)) == []


def test_what_is_over_is_not_told_by_claims_that_are_broken_now(card: dict[str, Any]) -> None:
    over = the_open(card, state="resolved")
    assert impact_lines(card, over) == []
    (line,) = impact_lines(card, {**over, "impact": REACHED, "attribution": BLAMED})
    assert line.startswith("about 128 of 400")


def test_claims_of_another_path_are_none_of_its_impact(card: dict[str, Any]) -> None:
    incident = the_open(card, subject="cf", inherited_by=[], findings=[])
    assert impact_lines(card, incident) == []


def test_it_stands_on_the_incident_beside_how_far_it_reaches(view: dict[str, Any]) -> None:
    incident = the_open(view["card"], impact=REACHED, attribution={**BLAMED, "first": None, "lowered_by": [],
                        "confidence": "low", "causes": []})  # fmt: skip
    told = " ".join(incident_text(view, incident["number"]).split())
    assert "300 of 400 requests (75.0%) came while it fired about 128 of 400 requests (32.0%)" in told
