"""What watches what: where nothing looks is said, and what gives no verdict is not taken for watched."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from syscard.blindspots import OF_KIND, SILENT, TOPICS, Cell, blind_spots, topic_of
from syscard.system import Claim
from tests.unit.build import claim


def view(
    *signals: dict[str, Any],
    claims: dict[str, Any] | None = None,
    groups: list[dict[str, Any]] | None = None,
    live: bool = True,
) -> dict[str, Any]:
    """A card of cf -> llm with what the monitors know of it."""
    known = {"signals": {s["key"]: s for s in signals}, "groups": {"disparities": groups} if groups else None}
    card = {"components": {"cf": {}, "llm": {}}, "interactions": {"cf->llm": {}}, "claims": claims or {},
            "traces": {"segments": {"age_band": "a"}}}  # fmt: skip
    return {"card": card, "live": known if live else None}


def signal(key: str = "llm.error", state: str = "ok", why: str = "", **more: Any) -> dict[str, Any]:
    return {"key": key, "about": key.partition(".")[0], "kind": "rate", "state": state, "why": why, **more}


def judged(status: str = "holds", **declared: Any) -> dict[str, Any]:
    slice_ = {"slice": "all", "status": status, "value": None, "why": "", "needs": 50, "n": 8}
    return {"declared": claim(**declared), "slices": [slice_]}


def cell(shown: dict[str, Any], part: str = "llm", topic: str = "quality", **how: Any) -> Cell:
    (found,) = (c for c in blind_spots(shown, **how) if (c.part, c.topic) == (part, topic))
    return found


def test_every_component_edge_and_the_system_has_a_cell_for_every_topic() -> None:
    found = blind_spots(view())
    assert [c.part for c in found[:: len(TOPICS)]] == ["cf", "llm", "cf->llm", "system"]
    assert [c.topic for c in found[: len(TOPICS)]] == list(TOPICS)


def test_where_nothing_looks_it_is_not_watched() -> None:
    assert cell(view(signal()), topic="cost").state == "not watched"


@pytest.mark.parametrize("state", ["ok", "warn", "breach"])
def test_a_signal_with_a_verdict_watches(state: str) -> None:
    assert cell(view(signal(state=state))) == Cell("llm", "quality", "watched", ("error",))


def test_a_signal_without_a_verdict_does_not_watch_and_says_why() -> None:
    found = cell(view(signal(state="unknown", why="needs n 20, has 8")))
    assert (found.state, found.by, found.why) == ("unknown", ("error",), "needs n 20, has 8")
    assert cell(view(signal(state="error", why="it failed"))).state == "unknown"


def test_one_verdict_is_enough_and_only_those_that_give_one_are_named() -> None:
    found = cell(view(signal(), signal("llm.fallback", "unknown", "no baseline")))
    assert (found.state, found.by) == ("watched", ("error",))


def test_a_pack_says_what_its_signal_is_about_and_else_the_kind_does() -> None:
    assert cell(view(signal(topic="safety")), topic="safety").state == "watched"
    assert cell(view(signal(kind="latency", topic="")), topic="latency").state == "watched"
    assert cell(view(signal(kind="undeclared"))).state == "not watched"
    assert set(OF_KIND.values()) <= set(TOPICS)


def test_a_claim_watches_once_it_is_judged() -> None:
    assert cell(view(claims={"grounded": judged("broken")})).by == ("grounded",)
    waiting = cell(view(claims={"grounded": judged("unknown")}))
    assert (waiting.state, waiting.why) == ("unknown", "needs n 50, has 8")
    assert cell(view(claims={"grounded": judged("stale")})).state == "unknown"


@pytest.mark.parametrize(
    ("declared", "topic"),
    [
        ({"metric": "share(llm.grounded)"}, "quality"),
        ({"metric": "disparity(accepted)", "expect": "<= 1.25"}, "fairness"),
        ({"metric": "p95(latency)", "expect": "<= 3s"}, "latency"),
        ({"metric": "mean(llm.output_tokens)", "expect": "<= 200"}, "cost"),
        ({"metric": "count(llm.pii)", "expect": "== 0"}, "safety"),
        ({"metric": "count(llm.pii)", "expect": "== 0", "topic": "quality"}, "quality"),
    ],
)
def test_what_a_claim_is_about_is_declared_or_follows_from_its_metric(declared: dict[str, Any], topic: str) -> None:
    body = claim(**declared)
    assert topic_of(body) == topic
    assert Claim.model_validate(body).model_dump(exclude_none=True).get("topic", topic) == topic


def test_a_topic_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValidationError, match="topic"):
        Claim.model_validate(claim(topic="beauty"))


def test_groups_that_are_large_enough_watch_fairness_and_small_ones_do_not() -> None:
    told = {"about": "llm", "label": "errors", "segment": "age_band", "why": ""}
    even = cell(view(groups=[{**told, "state": "even"}]), topic="fairness")
    assert (even.state, even.by) == ("watched", ("errors by age_band",))
    small = cell(view(groups=[{**told, "state": "unknown", "why": "needs two groups of 30"}]), topic="fairness")
    assert (small.state, small.why) == ("unknown", "needs two groups of 30")
    assert cell(view(), topic="fairness").why == "groups were not compared yet"


def test_before_the_monitors_ran_nothing_is_known() -> None:
    assert {c.state for c in blind_spots(view(live=False))} == {"unknown"}


def test_while_the_watcher_is_silent_nothing_is_watched() -> None:
    found = cell(view(signal()), fresh=False)
    assert (found.state, found.by, found.why) == ("unknown", ("error",), SILENT)
    assert cell(view(signal()), topic="cost", fresh=False).state == "not watched"
