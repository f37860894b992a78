from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from syscard.card import Card
from syscard.edits import Body, SetClaim, SetPart, SliceStatus
from syscard.finding import Finding, State
from syscard_monitors.assemble import Request
from syscard_monitors.memory import Memory, recall
from syscard_monitors.parts import Reach, part_drafts, parts_now, reach_after
from syscard_monitors.window import AUTHOR
from tests.unit.build import declared, draft, member, opening
from tests.unit.monitors.build import card_of, finding, request, window, with_drafts


def card(*bodies: Body) -> Card:
    return with_drafts(card_of(), [draft(b) for b in bodies])


REFS = ("cf", "vlm", "llm", "agent")
N = window().n


def reaching(*shares: tuple[int, int], ref: str = "vlm") -> list[Request]:
    """Requests that all reach the other parts, and `ref` in the first k of n, for each (k, n)."""
    hits = [i < k for k, n in shares for i in range(n)]
    rest = {f"{other}.call": 1 for other in REFS if other != ref}
    return [request(i, {**rest, f"{ref}.call": 1 if hit else None}) for i, hit in enumerate(hits)]


USED = reach_after({}, REFS, reaching((N, N)))


def states(
    of: Card, *findings: Finding, quiet: dict[int, int] | None = None, reach: Mapping[str, Reach] = USED
) -> dict[str, tuple[str, str, int | None]]:
    """Parts whose card would change."""
    drafts = part_drafts(of, findings, quiet or {}, AUTHOR, window(), reach)
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


def reason(*shares: tuple[int, int], found: Sequence[Finding] = ()) -> tuple[str, str]:
    """State and reason of `vlm` after requests of which so many reached it."""
    (state, why, _) = states(card_of(), *found, reach=reach_after({}, REFS, reaching(*shares)))["vlm"]
    return state, why


SILENT, NOT_YET = ("unknown", "no request reaches it"), ("unknown", "no request yet in this window")


def test_a_part_that_no_request_reaches_is_unknown_whatever_its_monitors_say() -> None:
    fine = [finding("vlm", State.OK), finding("cf", State.OK)]
    found = states(card_of(), *fine, reach=reach_after({}, REFS, reaching((0, N))))
    assert found["vlm"][:2] == found["cf->vlm"][:2] == found["vlm->llm"][:2] == SILENT
    assert found["cf"][0] == "ok"


def test_that_no_request_reaches_a_part_needs_a_window_of_them() -> None:
    assert reason((0, N - 1)) == ("unknown", "nothing watches it")
    assert reason((0, N)) == SILENT


@pytest.mark.parametrize(
    ("before", "missed", "said"),
    [
        ((N, N), N, SILENT),  # always reached, and now not once
        ((2, 2 * N), N, NOT_YET),  # one in twenty: half of all windows are without one
        ((2, 2 * N), 10 * N, NOT_YET),
        ((2, 2 * N), 20 * N, SILENT),
        ((1, 2), N, NOT_YET),  # two requests tell little of how many there will be
        ((100, 1000), N, NOT_YET),
        ((100, 1000), 3 * N, SILENT),
    ],
)
def test_a_part_that_was_reached_before_must_be_missed_by_more_than_chance(
    before: tuple[int, int], missed: int, said: tuple[str, str]
) -> None:
    reach = reach_after(reach_after({}, REFS, spread(*before)), REFS, reaching((0, missed)))
    assert states(card_of(), reach=reach)["vlm"][:2] == said


def spread(k: int, n: int) -> list[Request]:
    """n requests of which k reach `vlm`, the last of all one of them."""
    every = n // k
    return reaching(*[(0, every - 1), (1, 1)] * k)


def test_one_request_that_comes_takes_it_back() -> None:
    assert reason((0, 5 * N), (1, 1)) == ("unknown", "nothing watches it")


def test_an_edge_waits_with_the_end_that_no_request_has_reached_yet() -> None:
    reach = reach_after({}, REFS, [*spread(2, 2 * N), *reaching((0, N))])
    found = states(card_of(), finding("cf", State.OK), reach=reach)
    assert found["cf->vlm"][:2] == found["vlm->llm"][:2] == NOT_YET
    assert (found["cf"][0], found["llm->agent"][1]) == ("ok", "nothing watches it")


def test_a_part_that_few_requests_reach_in_the_baseline_may_miss_a_window_and_is_ok() -> None:
    reached = finding("vlm", State.OK, signal="reached", reference=0.1)
    for missed, state in ((N, "ok"), (2 * N, "ok"), (3 * N, "unknown")):
        assert reason((0, missed), found=[reached])[0] == state, "0.9^44 is 1 %"
    often = finding("vlm", State.OK, signal="reached", reference=0.9)
    assert reason((0, N), found=[often]) == SILENT


def test_what_is_known_of_a_part_does_not_depend_on_how_requests_came() -> None:
    body = [*spread(7, 70), *reaching((0, 13))]
    whole, parts = reach_after({}, REFS, body), dict[str, Reach]()
    for i in range(0, len(body), 9):
        parts = reach_after(parts, REFS, body[i : i + 9])
    assert whole == parts == recall(json.loads(json.dumps(Memory(reach=whole).body()))).reach
    assert whole["vlm"] == Reach(seen=70, reached=7, since=13, last_us=body[69].end_us)


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
