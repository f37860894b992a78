from __future__ import annotations

from collections.abc import Sequence

import pytest

from syscard.card import Card
from syscard.edits import Body, SetClaim, SetPart, SliceStatus
from syscard.finding import Finding, State
from syscard_monitors.assemble import Request
from syscard_monitors.parts import part_drafts, parts_now
from syscard_monitors.window import AUTHOR
from tests.unit.build import declared, draft, member, opening
from tests.unit.monitors.build import card_of, finding, request, window, with_drafts


def card(*bodies: Body) -> Card:
    return with_drafts(card_of(), [draft(b) for b in bodies])


USED = [request(0, {f"{ref}.call": 1 for ref in ("cf", "vlm", "llm", "agent")})]


def states(
    of: Card, *findings: Finding, quiet: dict[int, int] | None = None, requests: Sequence[Request] = USED
) -> dict[str, tuple[str, str, int | None]]:
    """Parts whose card would change."""
    drafts = part_drafts(of, findings, quiet or {}, AUTHOR, window(), requests)
    return {d.body.ref: (d.body.state, d.body.why, d.body.incident) for d in drafts if isinstance(d.body, SetPart)}


def test_a_part_with_a_verdict_is_ok_and_one_without_is_unknown_with_the_reason() -> None:
    silent = finding("llm", State.UNKNOWN, why="needs n 10, has 4")
    found = states(card_of(), finding("vlm", State.OK), silent)
    assert (found["vlm"], found["llm"]) == (("ok", "", None), ("unknown", "needs n 10, has 4", None))
    assert found["cf"] == ("unknown", "nothing watches it", None)


def test_a_part_whose_monitor_failed_is_not_ok() -> None:
    assert states(card_of(), finding("vlm", State.ERROR, why="it broke"))["vlm"] == ("unknown", "it broke", None)


def test_the_subject_of_a_firing_incident_is_broken_and_its_heirs_inherit() -> None:
    firing = opening(
        1, "vlm", title="agrees 0.90 -> 0.33", inherited_by=("llm",), findings=(member("vlm->llm.grounded"),)
    )
    found = states(card(firing), quiet={1: 0})
    assert found["vlm"] == ("broken", "agrees 0.90 -> 0.33", 1)
    assert found["llm"] == found["vlm->llm"] == ("inherited", "starts in vlm", 1)


def test_a_part_whose_incident_is_quiet_is_ok_and_says_so() -> None:
    found = states(card(opening(1, "vlm")), finding("vlm", State.OK), quiet={1: 2})
    assert found["vlm"] == ("ok", "INC-1 is quiet, not resolved", 1)


def test_a_broken_claim_breaks_its_part() -> None:
    broken = SetClaim(claim="grounded", slices=(SliceStatus(status="broken"),))
    assert states(card(broken), finding("llm", State.OK))["llm"] == ("broken", "claim broken: grounded", None)


def test_a_part_that_stands_as_it_did_is_not_written_again() -> None:
    first = part_drafts(card_of(), [finding("vlm", State.OK)], {}, AUTHOR, window(), USED)
    assert states(with_drafts(card_of(), first), finding("vlm", State.OK)) == {}


def test_a_part_that_no_request_reaches_is_unknown_whatever_its_monitors_say() -> None:
    only_cf = [request(0, {"cf.call": 1})]
    found = states(card_of(), finding("vlm", State.OK), finding("cf", State.OK), requests=only_cf)
    assert found["vlm"] == found["cf->vlm"] == ("unknown", "no request reaches it", None)
    assert found["cf"][0] == "ok"


def test_a_part_that_few_requests_ever_reach_may_miss_a_window() -> None:
    reached = finding("vlm", State.OK, signal="reached", reference=0.1)
    assert states(card_of(), reached, requests=[request(0)])["vlm"][0] == "ok"


def test_traffic_of_a_component_counts_requests_and_its_calls_errors_and_times() -> None:
    twice = request(0, {"vlm.call": [1, 1], "vlm.error": [False, True], "vlm.latency_ms": [10.0, 30.0]})
    found = parts_now(card_of(), [twice, request(1)], minutes=2)["vlm"]
    assert (found.requests, found.per_minute, found.error_share) == (1, 0.5, 0.5)
    assert (found.p50_ms, found.p95_ms) == (10.0, 30.0)


def test_traffic_of_an_edge_counts_requests_that_saw_both_ends() -> None:
    both, one = {"cf.call": [1], "vlm.call": [1]}, {"cf.call": [1]}
    found = parts_now(card_of(), [request(0, both), request(1, one)], minutes=1)["cf->vlm"]
    assert (found.requests, found.error_share) == (1, None)


@pytest.mark.parametrize("ref", ["cf", "cf->vlm"])
def test_a_part_without_traffic_has_no_figures(ref: str) -> None:
    found = parts_now(card_of(declared()), [request(0)], minutes=1)[ref]
    assert (found.requests, found.per_minute, found.p50_ms, found.error_share) == (0, 0, None, None)
