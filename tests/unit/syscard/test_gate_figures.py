"""What each metric of a gate looks at: scope, slices, how many requests, which end of an interval; what is missing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from syscard import edits as e
from syscard.disparity import CompareGroups, Disparity, GroupFigure
from syscard.gates import Check, decide, read_policy
from syscard.gates.facts import as_json, gate_input, input_digest
from syscard.material import material_digest
from syscard.risks import Assessment, AssessRisks
from syscard_configs import names, read_text
from tests.unit.build import NOW, claim, evidence, opening, policy
from tests.unit.syscard.test_gate_waiving import waived
from tests.unit.syscard.test_gates import card

TWO = [claim("a", about="llm"), claim("b", about="vlm", metric="disparity(accepted)", expect="<= 1.25")]
FIGURES = {"status": "holds", "value": 0.93, "low": 0.88, "high": 0.97, "n": 240}


def judged(ref: str = "a", *slices: dict[str, Any]) -> e.SetClaim:
    """A claim with its slices, all traffic first."""
    told = [{"slice": "all", **FIGURES}, *slices] if not slices or slices[0].get("slice") != "all" else list(slices)
    return e.SetClaim.model_validate({"claim": ref, "slices": told})


def check(metric: str, of: dict[str, Any], live: dict[str, Any] | None = None, **rule: Any) -> Check:
    return decide(policy(metric, **rule), of, live, NOW).checks[0]


@pytest.mark.parametrize(
    ("scope", "items"),
    [
        ({}, ("a", "b")),
        ({"claims": ["b"]}, ("b",)),
        ({"components": ["llm"]}, ("a",)),
        ({"topics": ["fairness"]}, ("b",)),
        ({"topics": ["quality", "fairness"], "components": ["vlm"]}, ("b",)),
        ({"edges": ["vlm->llm"]}, ()),
    ],
)
def test_a_rule_looks_at_what_its_scope_names(scope: dict[str, Any], items: tuple[str, ...]) -> None:
    assert check("claims_unknown", card(claims=TWO), scope=scope).items == items


@pytest.mark.parametrize("scope", [{"claims": ["grouned"]}, {"components": ["lmm"]}, {"edges": ["llm->vlm"]}])
def test_a_scope_that_names_nothing_on_the_card_is_no_figure_and_not_peace(scope: dict[str, Any]) -> None:
    found = check("claims_broken", card(), scope=scope)
    assert (found.passed, found.value, found.why) == (False, None, "not on the card")
    assert found.reason == f"it: no figure: not on the card ({next(iter(scope.values()))[0]})"


@pytest.mark.parametrize(
    ("op", "bound", "value"),
    [(">=", None, 0.88), (">=", "value", 0.93), ("<=", None, 0.97), ("<", "conservative", 0.97), ("==", None, 0.93)],
)
def test_of_a_claim_the_worse_end_of_its_interval_is_compared(op: str, bound: str | None, value: float) -> None:
    found = check("claim_value", card(judged(), claims=TWO[:1]), op=op, threshold=0.9, bound=bound)
    assert found.value == value
    ends = {0.88: "the lower end of the interval", 0.97: "the upper end of the interval", 0.93: ""}
    assert found.why == ends[value]


def test_a_claim_of_too_few_requests_has_no_figure() -> None:
    known = card(judged(), claims=TWO[:1])
    assert check("claim_value", known, op=">=", threshold=0.5, min_n=240).passed
    found = check("claim_value", known, op=">=", threshold=0.5, min_n=241)
    assert (found.value, found.passed, found.items) == (None, False, ("a",))


def test_a_slice_by_name_and_every_slice() -> None:
    young = {"slice": "age_band=18-24", "status": "unknown", "value": None, "n": 3}
    old = {"slice": "age_band=45-54", "status": "broken", "value": 0.3, "low": 0.2, "high": 0.4, "n": 90}
    known = card(judged("a", young, old), claims=TWO[:1])
    rule: dict[str, Any] = {"op": ">=", "threshold": 0.85}
    assert check("claim_value", known, **rule).passed
    assert check("claim_value", known, **rule, slice="age_band=45-54").value == 0.2
    every = check("claim_value", known, **rule, slice="every")
    assert (every.value, every.items) == (0.2, ("a age_band=45-54", "a age_band=18-24"))
    missing = check("claim_value", known, **rule, slice="age_band=65+")
    assert (missing.value, missing.items, missing.passed) == (None, ("a age_band=65+",), False)


def test_what_is_known_to_be_bad_fails_also_where_missing_figures_pass() -> None:
    known = card(judged("a", {"slice": "all", **FIGURES, "low": 0.1}), claims=[claim("a"), claim("c")])
    found = check("claim_value", known, op=">=", threshold=0.85, on_missing="pass")
    assert (found.passed, found.value, found.items) == (False, 0.1, ("a",))
    assert check("claim_value", card(claims=[claim("c")]), op=">=", threshold=0.85, on_missing="pass").passed


def test_a_figure_that_has_expired_is_none_also_where_no_monitor_was_there_to_say_so() -> None:
    known = card(judged(), claims=TWO[:1])
    rule = policy("claim_value", op=">=", threshold=0.5)
    asked = {days: decide(rule, known, None, NOW + timedelta(days=days)).checks[0] for days in (1, 1.01)}
    assert asked[1].passed
    assert (asked[1.01].passed, asked[1.01].value, asked[1.01].items) == (False, None, ("a",))
    assert "the evidence of a has expired" in asked[1.01].reason
    counted = decide(policy("claims_stale"), known, None, NOW + timedelta(days=2)).checks[0]
    assert counted.items == ("a",)
    broken = card(judged("a", {"slice": "all", **FIGURES, "status": "broken"}), claims=TWO[:1])
    assert decide(policy("claims_broken"), broken, None, NOW + timedelta(days=2)).blocked


def test_a_signal_by_its_key() -> None:
    signals = {"llm.words": {"about": "llm", "state": "ok", "value": 80.0, "n": 20}}
    rule: dict[str, Any] = {"op": "<=", "threshold": 100, "signal": "llm.words"}
    assert check("signal_value", card(), {"signals": signals}, **rule).value == 80
    assert not check("signal_value", card(), {"signals": signals}, **rule, min_n=21).passed
    found = check("signal_value", card(), {}, **rule)
    assert found.reason == "it: no figure: no such signal was looked at (llm.words)"


def compared(*told: Disparity) -> dict[str, Any]:
    shown = [one.model_copy(update={"evidence": "e" * 64}).model_dump(mode="json") for one in told]
    return {"groups": {"disparities": shown}}


def disparity(key: str = "llm.accepted", ratio: float | None = 1.4, **changes: Any) -> Disparity:
    groups = (GroupFigure(group="18-24", n=90, value=0.5), GroupFigure(group="45-54", n=31, value=0.4))
    body: dict[str, Any] = {
        "key": key, "about": key.split(".")[0], "label": "accepted", "statistic": "share", "segment": "age_band",
        "state": "uneven" if ratio else "unknown", "ratio": ratio, "ratio_low": 1.1, "ratio_high": 1.9,
        "highest": "18-24", "lowest": "45-54", "groups": groups,
    }  # fmt: skip
    return Disparity(**{**body, **changes})


def test_groups_are_compared_at_a_stage_by_a_segment_as_evidence_has_them() -> None:
    live = compared(disparity(), disparity("cf.hits", 1.1, segment="country"))
    rule: dict[str, Any] = {"op": "<=", "threshold": 1.25}
    both = check("group_disparity", card(), live, **rule)
    assert (both.value, both.items) == (1.4, ("llm.accepted by age_band",))
    assert check("group_disparity", card(), live, **rule, segment="country").passed
    assert check("group_disparity", card(), live, **rule, stage="cf").value == 1.1
    assert check("group_disparity", card(), live, **rule, stage="llm", bound="conservative").value == 1.9
    few = check("group_disparity", card(), live, **rule, stage="llm", min_n=32)
    assert (few.value, few.items) == (None, ("llm.accepted by age_band",))
    assert check("group_disparity", card(), live, **rule, stage="vlm").reason == "it: no figure: there are none"


def test_a_comparison_without_evidence_or_verdict_is_no_figure() -> None:
    bare = {"groups": {"disparities": [disparity().model_dump(mode="json")]}}
    for live in (bare, compared(disparity(ratio=None)), None):
        found = check("group_disparity", card(), live, threshold=9)
        assert (found.value, found.passed) == (None, False)


@pytest.mark.parametrize(
    "scope", [{"topics": ["latency"]}, {"claims": ["a"], "components": ["vlm"]}, {"edges": ["vlm->llm"]}]
)
@pytest.mark.parametrize("metric", ["claims_broken", "claims_unknown", "claims_stale", "disparity_ratio"])
def test_a_scope_in_which_there_is_no_claim_is_no_figure_and_not_peace(metric: str, scope: dict[str, Any]) -> None:
    found = check(metric, card(claims=TWO), scope=scope)
    assert (found.passed, found.value) == (False, None)
    assert check("claims_broken", card(claims=TWO), scope={"topics": ["fairness"]}).passed


def test_groups_of_which_too_little_is_known_are_no_figure_and_not_even() -> None:
    states = {"x by age": {"state": "unknown"}, "y by age": {"state": "uneven"}, "z by age": {"state": "even"}}
    little = card() | {"groups": {name: states[name] for name in ("x by age", "z by age")}}
    found = check("groups_uneven", little)
    assert (found.passed, found.value, found.items) == (False, None, ("x by age",))
    assert found.why == "1 cannot be told yet"
    assert check("groups_uneven", little, on_missing="pass").passed
    both = check("groups_uneven", card() | {"groups": states})
    assert (both.passed, both.value, both.items) == (False, 1, ("y by age", "x by age"))
    for scope, outcome in ((["y by age"], "failed"), (["x by age", "y by age"], "waived")):
        known = waived(card() | {"groups": states}, *scope)
        assert check("groups_uneven", known).outcome == outcome


def test_uneven_and_amplified_groups_are_counted_where_they_were_compared() -> None:
    told = CompareGroups(
        window_start=NOW, window_end=NOW, tolerated=1.25, methods={}, disparities=(disparity(),),
        compared=("llm.accepted by age_band",),
    )  # fmt: skip
    assert check("groups_uneven", card(told)).items == ("llm.accepted by age_band",)
    assert check("groups_uneven", card()).why == "groups were never compared"


def test_incidents_by_severity_and_part() -> None:
    known = card(opening(1, severity="page"), opening(2, "vlm"), opening(3, severity="note"))
    assert check("incidents_open", known, severities=["page", "ticket"]).items == ("INC-1", "INC-2")
    assert check("incidents_open", known, scope={"components": ["vlm"]}).items == ("INC-2",)


def test_risks_that_were_seen_and_those_that_nobody_can_tell() -> None:
    told = [Assessment(risk=r, about="llm", state=s) for r, s in (("IR-01", "seen"), ("IR-02", "unknown"))]
    assessed = AssessRisks(baseline=None, requests=9, told=tuple(told), assessed=tuple(t.name for t in told))
    known = card(opening(1), e.RiskSeen(risk="R-1", incident=1, says="x"), assessed)
    assert check("risks_seen", known).items == ("R-1", "IR-01 llm")
    assert check("risks_seen", known, scope={"components": ["llm"]}).items == ("IR-01 llm",)
    assert check("risks_unknown", known).items == ("IR-02 llm",)


def test_evidence_has_an_age_and_a_claim_without_any_has_none() -> None:
    old = evidence().model_copy(update={"window_end": NOW - timedelta(days=3)})
    resting = e.Draft(body=old, author=e.Author(kind=e.AuthorKind.MONITOR, name="watch"), observed=NOW).digest
    known = card(old, judged("a", {"slice": "all", **FIGURES, "evidence": resting}), claims=TWO[:1])
    assert check("evidence_age_days", known, threshold=3).value == 3
    assert check("evidence_age_days", known, threshold=2).items == ("a",)
    found = check("evidence_age_days", card(claims=TWO), threshold=99)
    assert (found.value, found.items) == (None, ("a", "b"))


def test_a_period_without_data_is_hours_and_no_data_at_all_is_no_figure() -> None:
    live = {"watcher": {"requests": 0, "last_span": (NOW - timedelta(hours=30)).isoformat()}}
    found = check("hours_since_traffic", card(), live, threshold=24)
    assert (found.value, found.passed) == (30, False)
    assert check("hours_since_traffic", card(), None, threshold=24).why == "no span has come"


def test_a_span_from_the_future_is_no_sign_of_traffic() -> None:
    live = {"watcher": {"requests": 9, "last_span": (NOW + timedelta(hours=2)).isoformat()}}
    found = check("hours_since_traffic", card(), live, threshold=24)
    assert (found.passed, found.why) == (False, "the newest span is dated ahead of the clock of this gate")


def test_open_questions_past_their_day_are_overdue() -> None:
    late = [{"id": "U-1", "says": "x", "owner": "x", "answer_by": day} for day in ("2026-11-21",)]
    assert check("unknowns_overdue", card(unknowns=late)).items == ("U-1",)
    assert check("unknowns_overdue", card()).passed


def signed(of: dict[str, Any], role: str, days: int = 0, **changes: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days)).isoformat()
    body = {"role": role, "person": "human:mara", "decision": "approve", "over": "a" * 64, "version": 1, "at": at}
    return {**body, "material": material_digest(of), "comment_sha256": None, "signature": None, **changes}


def test_approvals_are_missed_by_role_too_old_rejected_or_for_another_card() -> None:
    of = card()
    rule: dict[str, Any] = {"roles": ["owner", "legal"], "within": "30d"}
    assert check("approvals_missing", of, **rule).items == ("owner", "legal")
    of["approvals"] = [signed(of, "owner", 29), signed(of, "legal", 31)]
    assert check("approvals_missing", of, **rule).items == ("legal",)
    of["approvals"].append(signed(of, "legal"))
    assert check("approvals_missing", of, **rule).passed
    of["approvals"].append(signed(of, "owner", decision="reject"))
    assert check("approvals_missing", of, **rule).items == ("owner",)
    of["approvals"].append(signed(of, "owner"))
    of["claims"]["grounded"]["slices"][0]["status"] = "broken"
    assert check("approvals_missing", of, **rule).items == ("owner", "legal")


def test_one_person_in_two_roles_is_one_approval_where_the_policy_asks_for_two_people() -> None:
    of = card()
    of["approvals"] = [signed(of, "owner"), signed(of, "legal", person="human:Mara ")]
    rule: dict[str, Any] = {"roles": ["owner", "legal"]}
    assert check("approvals_missing", of, **rule).passed
    assert check("approvals_missing", of, **rule, distinct_people=True).items == ("legal",)
    of["approvals"].append(signed(of, "legal", person="human:ines"))
    assert check("approvals_missing", of, **rule, distinct_people=True).passed


def test_the_input_is_known_by_its_facts_and_not_by_when_it_was_asked() -> None:
    early, late = (gate_input(card(), None, NOW + timedelta(days=n)) for n in (0, 1))
    assert early != late
    assert input_digest(early) == input_digest(late) != input_digest(gate_input(card(opening()), None, NOW))
    assert as_json(early)["asked"] == {"at": "2026-11-22T14:00:00Z", "version": 1}


@pytest.mark.parametrize("name", [name for name in names("gates") if name.endswith(".yaml")])
def test_every_policy_that_ships_blocks_a_card_of_which_nothing_was_measured(name: str) -> None:
    known = read_policy(read_text("gates", name), name)
    assert f"{known.stage}.yaml" == name
    assert decide(known, card(), None, NOW).blocked
