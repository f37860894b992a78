from __future__ import annotations

import re
from typing import Any

import pytest

from syscard import edits as e
from syscard.errors import UsageError
from syscard.fold import fold
from syscard.gates import Verdict, decide, read_policy
from syscard.slices import claim_status
from syscard_configs import read_text
from tests.unit.build import HUMAN, MONITOR, NOW, claim, declared, opening, policy

RULE = '{id: r, says: it, metric: requests, op: ">=", threshold: 1}'


def card(*bodies: e.Body, **changes: Any) -> dict[str, Any]:
    """A view's card: a declared system and what happened to it."""
    from syscard.declare import declaring
    from syscard.fold import empty_card

    start = empty_card("shop")
    drafts = list(declaring(start, declared(**changes), HUMAN, NOW))
    drafts += [e.Draft(body=b, author=MONITOR, observed=NOW) for b in bodies]
    return fold(e.chain(drafts, head=None, cause="test", recorded=NOW), start=start).model_dump(mode="json")


def standing(claim_id: str, *statuses: str, value: float | None = None) -> e.SetClaim:
    """A claim's status, slice by slice."""
    slices = [{"slice": str(i), "status": s, "value": value} for i, s in enumerate(statuses)]
    return e.SetClaim.model_validate({"claim": claim_id, "slices": slices})


def asked(metric: str, of: dict[str, Any], live: dict[str, Any] | None = None, **rule: Any) -> Verdict:
    return decide(policy(metric, **rule), of, live)


def value_of(metric: str, of: dict[str, Any], live: dict[str, Any] | None = None) -> float | None:
    return asked(metric, of, live).checks[0].value


def items_of(metric: str, of: dict[str, Any], live: dict[str, Any] | None = None) -> tuple[str, ...]:
    return asked(metric, of, live).checks[0].items


@pytest.mark.parametrize("status", ["broken", "unknown", "stale"])
def test_claims_are_counted_by_status_and_named(status: str) -> None:
    three = [claim(ref) for ref in ("a", "b", "c")]
    found = card(standing("a", status), standing("b", "holds"), standing("c", status), claims=three)
    assert value_of(f"claims_{status}", found) == 2
    assert items_of(f"claims_{status}", found) == ("a", "c")


def test_a_claim_with_one_broken_slice_counts_as_broken() -> None:
    found = card(standing("grounded", "holds", "unknown", "broken"))
    assert claim_status(found["claims"]["grounded"]) == "broken"
    assert value_of("claims_broken", found) == 1


def test_only_incidents_that_wait_for_somebody_count_as_open() -> None:
    moved = [
        e.MoveIncident.model_validate({"number": n, "state": s}) for n, s in ((2, "acknowledged"), (3, "resolved"))
    ]
    found = card(opening(1), opening(2), opening(3), *moved)
    assert items_of("incidents_open", found) == ("INC-1", "INC-2")


def test_parts_that_nobody_declared_are_counted() -> None:
    seen = [
        e.Observe(what="component", ref="ghost", value="", evidence_class="span", traces=5, declared=False),
        e.Observe(what="edge", ref="ghost->llm", value="", evidence_class="value", traces=5, declared=False),
    ]
    assert items_of("undeclared_parts", card(*seen)) == ("ghost", "ghost->llm")
    assert value_of("undeclared_parts", card()) == 0


def test_the_documented_share_names_what_is_missing() -> None:
    assert value_of("documented_share", card()) == 1
    identity = declared().body()["system"]
    del identity["oversight"]
    found = card(system=identity)
    assert items_of("documented_share", found) == ("oversight",)
    assert value_of("documented_share", found) == pytest.approx(1 - 1 / 12)


def test_a_part_is_watched_if_one_of_its_signals_gives_a_verdict() -> None:
    live = {"signals": {str(i): {"about": a, "state": s} for i, (a, s) in enumerate(
        [("cf", "unknown"), ("cf", "ok"), ("vlm", "error"), ("llm", "breach"), ("agent", "warn"), ("cf->vlm", "ok")]
    )}}  # fmt: skip
    assert value_of("watched_share", card(), live) == pytest.approx(4 / 7)
    assert items_of("watched_share", card(), live) == ("vlm", "vlm->llm", "llm->agent")
    assert value_of("watched_share", card()) == 0


def test_the_disparity_is_the_largest_and_missing_where_one_is() -> None:
    two = [claim(ref, metric="disparity(accepted)", expect="<= 1.25") for ref in ("a", "b")]
    known = [standing("a", "holds", value=1.1), standing("b", "broken", value=1.6)]
    assert value_of("disparity_ratio", card(*known, claims=two)) == 1.6
    assert value_of("disparity_ratio", card(known[0], claims=two)) is None
    assert items_of("disparity_ratio", card(known[0], claims=two)) == ("b",)
    assert value_of("disparity_ratio", card()) is None


def test_requests_are_those_that_the_watcher_has_seen() -> None:
    assert value_of("requests", card(), {"watcher": {"requests": 240}}) == 240
    assert value_of("requests", card(), None) is None


@pytest.mark.parametrize(("on_missing", "blocked"), [("fail", True), ("pass", False)])
def test_a_figure_that_nobody_has_measured_blocks_unless_the_rule_says_otherwise(
    on_missing: str, blocked: bool
) -> None:
    verdict = asked("requests", card(), op=">=", threshold=200, on_missing=on_missing)
    assert verdict.blocked is blocked
    assert verdict.reasons == (("it: no figure",) if blocked else ())


def test_missing_figures_fail_by_default() -> None:
    assert asked("requests", card(), op=">=", threshold=0).blocked


def test_a_rule_that_only_warns_fails_and_does_not_block() -> None:
    verdict = asked("incidents_open", card(opening()), severity="warn")
    assert not verdict.checks[0].passed
    assert not verdict.blocked
    assert verdict.reasons == ()


@pytest.mark.parametrize(
    ("op", "threshold", "passed"),
    [("<=", 1, True), ("<", 1, False), (">=", 1, True), (">", 1, False), ("==", 1, True), ("==", 0, False)],
)
def test_each_operator_is_what_it_says(op: str, threshold: float, passed: bool) -> None:
    assert asked("incidents_open", card(opening()), op=op, threshold=threshold).checks[0].passed is passed


def test_a_reason_says_the_figure_the_need_and_the_first_few_that_miss_it() -> None:
    found = card(*(opening(n) for n in range(1, 7)))
    assert asked("incidents_open", found).reasons == ("it: 6, needs <= 0 (INC-1, INC-2, INC-3, INC-4, ...)",)


def test_the_policy_that_ships_is_one_and_blocks_what_was_never_measured() -> None:
    verdict = decide(read_policy(read_text("gates", "promote.yaml"), "promote.yaml"), card(), None)
    assert verdict.stage == "promote"
    assert verdict.reasons == ("disparity ratio: no figure", "requests seen: no figure")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stage: x\nrules: [", "p.yaml:2: not YAML"),
        ("", "p.yaml: top: "),
        ("[]", "p.yaml: top: "),
        ("stage: x", "p.yaml: rules: field required"),
        ("{stage: x, rules: []}", "p.yaml: rules: tuple should have at least 1 item"),
        (f"{{stage: x, rules: [{RULE}], extra: 1}}", "p.yaml: extra: extra inputs"),
        (f"{{stage: x, rules: [{RULE.replace('requests', 'luck')}]}}", "p.yaml: rules.0.metric: input should be"),
        (f"{{stage: x, rules: [{RULE.replace('1}', 'many}')}]}}", "p.yaml: rules.0.threshold: "),
        ("stage: 2026-13-01", "p.yaml: month must be in 1..12"),
    ],
)
def test_what_is_no_policy_is_refused_in_one_line_that_says_where(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(says)}") as caught:
        read_policy(text, "p.yaml")
    assert "\n" not in str(caught.value)
