"""What waivers make of a verdict: waived is never ok, covers what it names, and ends by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syscard.gates import Policy, Verdict, decide
from syscard.gates.verdict import is_news, record_of
from syscard.metrics import of_view
from syscard.signing import gate_reasons
from syscard.view import verdict_json
from syscard.words import moment
from tests.unit.build import NOW, claim, policy
from tests.unit.syscard.test_gates import card, standing

DAY = timedelta(days=1)


def broken(*refs: str) -> dict[str, Any]:
    return card(*(standing(ref, "broken") for ref in refs), claims=[claim(ref) for ref in ("a", "b", "c")])


def waived(of: dict[str, Any], *scope: str, rule: str = "r", days: int = 30, **changes: Any) -> dict[str, Any]:
    """A card with one more waiver."""
    known = of.get("waivers", {})
    ref = f"W-{len(known) + 1}"
    new = {
        "id": ref, "rule": rule, "scope": list(scope), "reason_sha256": "a" * 64, "control_sha256": "b" * 64,
        "requested_by": "mara", "approver": "ines", "starts": "2026-11-22T14:00:00Z",
        "expires": (NOW + days * DAY).isoformat(), "revoked": None,
    }  # fmt: skip
    return {**of, "waivers": {**known, ref: {**new, **changes}}}


def asked(of: dict[str, Any], days: float = 0, **rule: Any) -> Verdict:
    return decide(policy("claims_broken", **rule), of, None, NOW + days * DAY)


def test_a_waived_rule_blocks_nothing_and_has_not_passed() -> None:
    verdict = asked(waived(broken("a", "b"), "a", "b"))
    (check,) = verdict.checks
    assert (verdict.blocked, check.passed, check.outcome, check.waivers) == (False, False, "waived", ("W-1",))
    assert moment(check.waived_until) == NOW + 30 * DAY
    assert verdict.reasons == ()


def test_what_breaks_later_is_not_covered() -> None:
    verdict = asked(waived(broken("a", "b"), "a"))
    assert (verdict.blocked, verdict.checks[0].waivers) == (True, ())
    assert not asked(waived(waived(broken("a", "b"), "a"), "b", days=9)).blocked


def test_of_a_count_only_what_is_left_counts() -> None:
    assert asked(broken("a", "b", "c"), threshold=1).blocked
    verdict = asked(waived(broken("a", "b", "c"), "a", "b", "z"), threshold=1)
    assert (verdict.blocked, verdict.checks[0].outcome) == (False, "waived")


def test_a_waiver_without_a_scope_covers_a_rule_that_names_nothing_and_no_other() -> None:
    known = waived(card())
    assert not decide(policy("requests", op=">=", threshold=9), known, None, NOW).blocked
    assert asked(waived(broken("a"))).blocked


def test_a_waiver_is_of_one_rule_and_ends_by_itself_or_by_being_revoked() -> None:
    assert asked(waived(broken("a"), "a", rule="other")).blocked
    known = waived(broken("a"), "a")
    assert [asked(known, days).blocked for days in (-0.1, 0, 30 - 1e-9, 30)] == [True, False, False, True]
    revoked = {"at": "2026-11-22T14:00:00Z", "by": "human:ines"}
    assert asked(waived(broken("a"), "a", revoked=revoked)).blocked


def test_the_policy_that_is_asked_says_how_long_a_waiver_may_last_and_which_rule_never_may() -> None:
    rules = policy("claims_broken")
    short = Policy.model_validate({**rules.model_dump(), "waivers": {"at_most": "7d"}})
    known = waived(broken("a"), "a")
    ends = [decide(short, known, None, NOW + days * DAY) for days in (6.9, 7)]
    assert [verdict.blocked for verdict in ends] == [False, True]
    assert ends[0].checks[0].waived_until == "2026-11-29T14:00:00Z"
    assert asked(known, waivable=False).blocked


def test_a_view_says_until_when_its_gate_is_open_and_faces_close_it_then() -> None:
    verdict = asked(waived(broken("a"), "a"))
    gate = verdict_json(verdict)
    assert gate["waived"] == [
        {"until": (NOW + 30 * DAY).isoformat(), "waivers": ["W-1"], "reason": "it: 1, needs <= 0 (a)"}
    ]
    view = {"gate": gate, "card": broken("a"), "live": None, "edits": 1}
    assert gate_reasons(view, NOW) == ()
    assert gate_reasons(view, NOW + 30 * DAY) == ("it: 1, needs <= 0 (a), no longer waived (W-1)",)
    told = [[s.value for s in of_view(view, NOW + n * DAY) if s[0] == "syscard_gate_blocked"] for n in (0, 31)]
    assert told == [[0.0], [1.0]]
    assert "waived" not in verdict_json(asked(broken("a")))


@given(st.sets(st.sampled_from("abc")), st.lists(st.sets(st.sampled_from("abc")), max_size=3), st.integers(0, 3))
def test_a_waiver_never_opens_what_would_be_blocked_without_what_it_covers(
    bad: set[str], scopes: list[set[str]], threshold: int
) -> None:
    known = broken(*sorted(bad))
    for scope in scopes:
        known = waived(known, *sorted(scope))
    left = bad - {item for scope in scopes for item in scope}
    assert asked(known, threshold=threshold).blocked is (len(left) > threshold)


def test_a_run_is_written_once_for_the_same_question_with_the_same_answer() -> None:
    verdict = asked(broken("a"))
    run = record_of(verdict, policy="a" * 64, facts_digest="b" * 64, engine="python")
    shown = {**run.model_dump(mode="json"), "failed": ["r"], "waivers": [], "number": 1, "at": "x", "by": "y"}
    known = {"gate_runs": [shown, {**shown, "stage": "release", "blocked": False}]}
    assert is_news(run, {})
    assert not is_news(run, known)
    for change in ({"policy": "c" * 64}, {"input": "c" * 64}, {"engine": "rego"}, {"blocked": False}):
        assert is_news(run.model_copy(update=change), known)
    waiving = record_of(asked(waived(broken("a"), "a")), policy="a" * 64, facts_digest="b" * 64, engine="python")
    assert is_news(waiving, known)
