from __future__ import annotations

import re
from typing import Any

import pytest

from syscard import edits as e
from syscard.errors import PolicyError
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
    return decide(policy(metric, **rule), of, live, NOW)


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
    assert asked("documented_share", found).checks[0].why == "to be written in system.yaml: system.oversight"


def test_what_is_not_documented_is_told_with_the_key_to_write() -> None:
    found = card(e.Observe(what="component", ref="stray", value="", evidence_class="span", traces=5, declared=False))
    found["identity"]["owner"]["on_call"] = None
    for field in ("users", "limitations", "oversight"):
        found["identity"][field] = None
    keys = "system.owner.on_call, system.users, system.limitations, system.oversight, ..."
    assert asked("documented_share", found).checks[0].why == f"to be written in system.yaml: {keys}"
    found["identity"] = card()["identity"]
    assert asked("documented_share", found).checks[0].why.endswith(": components.stray.owner")


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
    (check,) = asked("disparity_ratio", card(known[0], claims=two), threshold=1.25).checks
    assert (check.value, check.items) == (None, ("b",))
    (check,) = asked("disparity_ratio", card(known[0], claims=two), threshold=1.05).checks
    assert (check.value, check.items) == (1.1, ("a", "b"))
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
    assert verdict.reasons == (("it: no figure: no request has been counted",) if blocked else ())


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
    verdict = decide(read_policy(read_text("gates", "promote.yaml"), "promote.yaml"), card(), None, NOW)
    assert verdict.stage == "promote"
    assert verdict.reasons == (
        "disparity ratio: no figure: no claim in its scope is over disparity(...)",
        "requests seen: no figure: no request has been counted",
        "hours since the last span: no figure: no span has come",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stage: x\nrules: [", "p.yaml:2: "),
        ("", "p.yaml:1: the file: is empty"),
        ("[]", "p.yaml:1: the file: does not start with keys such as stage: and rules:"),
        ("stage: x", "p.yaml:1: rules: is missing (write: rules: [{id: fair, "),
        ("{stage: x, rules: []}", "p.yaml:1: rules: is empty"),
        (f"{{stage: x, rules: [{RULE}], extra: 1}}", "p.yaml:1: extra: is not a key that is read here"),
        (
            f"stage: x\nrules:\n  - {RULE.replace('requests', 'request')}",
            "p.yaml:3: rules[0] r.metric: 'request' is ",
        ),
        (f"{{stage: x, rules: [{RULE.replace('1}', 'many}')}]}}", "p.yaml:1: rules[0] r.threshold: wants a number"),
        (f"{{stage: x, rules: [{RULE.replace('1}', 'nan}')}]}}", "p.yaml:1: rules[0] r.threshold: "),
        (f"stage: x\nrules:\n  - {RULE}\n  - {RULE}", "p.yaml:4: rules[1] r.id: 'r' is there twice"),
        (f"{{stage: x, rules: [{RULE[:-1]}, min_n: 3}}]}}", "p.yaml:1: rules[0] r.min_n: is not looked at by requests"),
        (
            f"{{stage: x, rules: [{RULE.replace('requests', 'claims_broken')[:-1]}, scope: {{cliams: [a]}}}}]}}",
            "p.yaml:1: rules[0] r.scope.cliams: is not a key that is read here; did you mean claims?",
        ),
        (
            f"{{stage: x, rules: [{RULE.replace('requests', 'approvals_missing')}]}}",
            "p.yaml:1: rules[0] r.roles: is missing (write: roles: [risk-owner])",
        ),
        (
            f"{{stage: x, rules: [{RULE}], waivers: {{at_most: soon}}}}",
            "p.yaml:1: waivers.at_most: 'soon' is no ",
        ),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line_and_what_to_write(text: str, says: str) -> None:
    with pytest.raises(PolicyError, match=f"^{re.escape(says)}") as caught:
        read_policy(text, "p.yaml")
    assert "\n" not in str(caught.value)


def test_everything_that_is_wrong_with_a_policy_is_told_at_once_in_the_order_of_the_file() -> None:
    text = f"stage: x\nwaivers: {{most: 1d}}\nrules:\n  - {RULE.replace('>=', '=>')}\n  - {{id: b}}\n"
    with pytest.raises(PolicyError) as caught:
        read_policy(text, "p.yaml")
    assert [p.line for p in caught.value.problems] == [2, 4, 5, 5, 5, 5]


def test_a_policy_is_known_by_what_it_says_not_by_how_it_is_written() -> None:
    plain, other = (f"{{stage: x, rules: [{rule}]}}" for rule in (RULE, RULE.replace("1}", "2}")))
    same = f"# ours\nrules:\n  - {RULE[:-1]}, severity: block}}\nstage: 'x'\n"
    assert read_policy(plain, "a").digest == read_policy(same, "b").digest != read_policy(other, "c").digest


def test_a_policy_is_bounded() -> None:
    with pytest.raises(PolicyError, match="larger than 1 MiB"):
        read_policy(b"#" * (1 << 20) + b"\n\n", "p.yaml")
    with pytest.raises(PolicyError, match="not UTF-8"):
        read_policy(b"\xff\xfe\x00", "p.yaml")
