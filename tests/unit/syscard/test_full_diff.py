"""The full difference names values by reference, slice and number; the one that leaders read tells what ran out."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from syscard import edits as e
from syscard.approvals import Approve
from syscard.diff import material_diff
from syscard.diff_standing import whole_diff
from syscard.disparity import CompareGroups, Disparity
from syscard.fold import fold
from syscard.full_diff import FullChange, full_diff, keyed
from syscard.material import material_digest
from syscard.render.difference import difference_markdown, full_text
from syscard.risks import Assessment, AssessRisks
from syscard.waivers import Waive
from tests.unit.build import HUMAN, NOW, chained, claim, component, draft, evidence, histories

Batches = tuple[tuple[e.Draft, ...], ...]


def card(*bodies: e.Body) -> dict[str, Any]:
    batches = [(draft(b, minute=at, author=HUMAN),) for at, b in enumerate(bodies)]
    return fold(chained(batches), start="shop").model_dump(mode="json")


def judged(status: Any, *others: str) -> e.SetClaim:
    slices = [e.SliceStatus(status=status, value=0.9, n=40), *(e.SliceStatus(slice=o, status="holds") for o in others)]
    return e.SetClaim(claim="grounded", slices=tuple(slices))


DECLARED = e.Declare(section="claim", ref="grounded", body=claim())


def test_what_was_put_in_front_changes_only_itself() -> None:
    """By position every component and slice behind it would read as another one."""
    before = card(component("llm"), DECLARED, judged("holds", "age_band=a", "age_band=b"))
    after = card(
        component("aaa"), component("llm"), DECLARED, judged("holds", "age_band=0", "age_band=a", "age_band=b")
    )
    told = {change.path[:4]: change.change for change in full_diff(before, after)}
    assert told["components", "aaa"] == "added"
    assert told["claims", "grounded", "slices", "age_band=0"] == "added"
    assert not [p for p in told if p[:2] == ("components", "llm") and p[2] not in ("since",)]
    assert not [p for p in told if p[2:] in (("slices", "age_band=a"), ("slices", "age_band=b"))]


def test_a_changed_value_is_told_with_both_sides() -> None:
    after = card(DECLARED, judged("broken"))
    changes = full_diff(card(DECLARED, judged("holds")), after)
    assert changes == (FullChange(("claims", "grounded", "slices", "all", "status"), "changed", "holds", "broken"),)
    assert full_text(changes) == "~ claims.grounded.slices.all.status: holds -> broken\n"


def test_lists_of_texts_are_told_by_the_text_and_what_has_no_key_by_its_place() -> None:
    before, after = {"users": ["a", "b"], "at": [1, 2]}, {"users": ["c", "b"], "at": [1, 3]}
    assert [(c.path, c.change) for c in full_diff(before, after)] == [
        (("at", "#2"), "changed"), (("users", "a"), "removed"), (("users", "c"), "added"),
    ]  # fmt: skip
    assert keyed([{"number": 1}, {"number": 1}]) == {"#1": {"number": 1}, "#2": {"number": 1}}


@limits(max_examples=20)
@given(histories(least=2))
def test_the_difference_is_empty_exactly_where_the_cards_are_the_same(batches: Batches) -> None:
    edits = chained(batches)
    old, new = (fold(part, start="shop").model_dump(mode="json") for part in (edits[:-1], edits))
    assert full_diff(new, copy.deepcopy(new)) == ()
    assert bool(full_diff(old, new)) == (old != new)
    backwards = [(c.path, c.after, c.before) for c in full_diff(new, old)]
    assert backwards == [(c.path, c.before, c.after) for c in full_diff(old, new)]


def test_a_claim_that_is_known_no_longer_has_lost_its_evidence() -> None:
    before, after = card(DECLARED, judged("holds")), card(DECLARED, judged("stale"))
    (change,) = whole_diff(before, after)
    assert change.text.startswith("STALE     grounded  lost its evidence: ")
    assert "lost" not in whole_diff(after, card(DECLARED, judged("broken")))[0].text


def waive(hours: int) -> Waive:
    return Waive(id="W-1", rule="fair", reason_sha256="a" * 64, control_sha256="b" * 64, requested_by="mara",
                 approver="lead", starts=NOW, expires=NOW + timedelta(hours=hours))  # fmt: skip


def test_a_waiver_whose_end_came_between_two_cards_is_told_once() -> None:
    before = card(waive(1))
    late = fold(chained([[draft(waive(1), author=HUMAN)], [draft(evidence(), minute=90)]]), start="shop")
    after = late.model_dump(mode="json")
    assert [c.text for c in whole_diff(before, after)] == [
        "EXPIRED   W-1 fair at 2026-11-22 15:00 UTC: its rule counts again"
    ]
    assert whole_diff(after, after) == ()
    assert material_diff(before, after) == (), "time alone is nothing material"


def approving(of: dict[str, Any], decision: str = "approve") -> Approve:
    body = {"role": "owner", "decision": decision, "over": "d" * 64, "version": 1, "material": material_digest(of)}
    return Approve.model_validate(body)


def test_who_signed_and_whose_approval_counts_no_longer_is_told() -> None:
    first = card(component())
    signed = card(component(), approving(first))
    (came,) = whole_diff(first, signed)
    assert (came.kind, came.mark, came.text) == ("approval", "=", "APPROVED  v1 by human:mara as owner")
    changed = card(component(), approving(first), component("vlm"))
    assert [c.text for c in whole_diff(signed, changed) if c.kind == "approval"] == [
        "LAPSED    approval of human:mara as owner for v1: the card has changed since"
    ]
    rejected = card(component(), approving(first, "reject"))
    assert [(c.mark, c.text) for c in whole_diff(first, rejected)] == [("+", "REJECTED  v1 by human:mara as owner")]


def test_markdown_of_a_difference_lets_nothing_from_outside_be_markup() -> None:
    evil = "<b>x</b> [a](http://evil.example) | `c`\n# h"
    before, after = card(component("llm")), card(component("llm", {"kind": "llm", "owner": evil}))
    text = difference_markdown("shop v1 -> v2", whole_diff(before, after), full_diff(before, after))
    assert text.startswith("# shop v1 -> v2\n\n- - DECLARED llm owner")
    assert "## Every difference" in text
    assert "<b>" not in text
    assert "](http" not in text
    assert sum(line.startswith("#") for line in text.splitlines()) == 2
    assert "No material change." in difference_markdown("t", (), None)
    assert full_text(()) == "the two are the same\n"


def compared(state: str) -> CompareGroups:
    told = Disparity.model_validate({"key": "grounded", "about": "llm", "label": "grounded", "statistic": "share",
                                     "segment": "age_band", "state": state})  # fmt: skip
    return CompareGroups(window_start=NOW, window_end=NOW, tolerated=1.25, methods={}, disparities=(told,),
                           compared=(told.name,))  # fmt: skip


def looked(state: str) -> AssessRisks:
    found = Assessment.model_validate({"risk": "IR-05", "about": "vlm->llm", "state": state, "n": 400,
                                       "says": "20.0% of answers" if state != "unknown" else "",
                                       "why": "needs n 500" if state == "unknown" else ""})  # fmt: skip
    return AssessRisks(baseline="b" * 64, requests=400, told=(found,), assessed=(found.name,))


def told_of(before: tuple[e.Body, ...], after: tuple[e.Body, ...]) -> list[tuple[str, str]]:
    """Marks and texts of what is told, which must be material wherever there is any."""
    old, new = (fold(chained([[draft(body) for body in bodies]]), start="shop").model_dump(mode="json")
                for bodies in (before, after))  # fmt: skip
    found = material_diff(old, new)
    assert bool(found) == (material_digest(old) != material_digest(new))
    return [(one.mark, one.text) for one in found]


@pytest.mark.parametrize(
    ("before", "after", "mark", "says"),
    [
        ("", "uneven", "+", "UNEVEN    grounded by age_band"),
        ("even", "uneven", "+", "UNEVEN    grounded by age_band, was even"),
        ("uneven", "even", "=", "EVEN      grounded by age_band, was uneven"),
        ("uneven", "unknown", "?", "UNKNOWN   grounded by age_band, was uneven"),
    ],
)
def test_a_metric_that_becomes_uneven_between_groups_or_is_so_no_more_is_told(
    before: str, after: str, mark: str, says: str
) -> None:
    first: tuple[e.Body, ...] = (component(), compared(before)) if before else (component(),)
    assert told_of(first, (component(), compared(after))) == [(mark, says)]


@pytest.mark.parametrize(
    ("before", "after", "mark", "says"),
    [
        ("not seen", "seen", "+", "RISK SEEN IR-05 vlm->llm, was not seen: 20.0% of answers"),
        ("seen", "not seen", "=", "NOT SEEN  IR-05 vlm->llm, was seen: 20.0% of answers"),
        ("seen", "unknown", "?", "UNKNOWN   IR-05 vlm->llm, was seen: needs n 500"),
    ],
)
def test_a_risk_of_the_catalogue_that_is_seen_or_is_so_no_more_is_told(
    before: str, after: str, mark: str, says: str
) -> None:
    assert told_of((component(), looked(before)), (component(), looked(after))) == [(mark, says)]


def test_what_crossed_nothing_is_not_told() -> None:
    one: tuple[e.Body, ...] = (component(), compared("even"), looked("unknown"))
    assert told_of(one, (component(), compared("unknown"), looked("not seen"))) == []


def test_a_risk_that_is_an_open_question_is_opened_and_closed_like_one() -> None:
    known = {"id": "R-1", "about": "llm", "says": "Does it read prices aloud?", "owner": "x", "treatment": "mitigate"}
    asked = e.Declare(section="risk", ref="R-1", body=known | {"kind": "unknown", "answer_by": "2027-01-15"})
    answered = e.Declare(section="risk", ref="R-1", body=known | {"kind": "component"})
    assert told_of((component(),), (component(), asked)) == [("?", "OPEN      risk R-1: Does it read prices aloud?")]
    assert ("=", "CLOSED    risk R-1: Does it read prices aloud?") in told_of((asked,), (answered,))
    assert told_of((component(), asked), (component(),)) == [("=", "CLOSED    risk R-1: Does it read prices aloud?")]
