"""How a claim came to stand as it does is read from the chain, look by look."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from syscard import edits as e
from syscard.approvals import Approve
from syscard.claim_history import ClaimStep, claim_steps, valid_until
from syscard.errors import NotOnTheCard
from syscard.fold import fold
from syscard.render.why import why_document, why_text
from syscard.view import build_view
from syscard.waivers import Waive
from tests.unit.build import GATE, HUMAN, NOW, chained, claim, component, draft, evidence, histories, member, opening

DECLARED = e.Declare(section="claim", ref="grounded", body=claim())


def judged(status: str, value: float, minute: int) -> list[e.Draft]:
    figure = draft(evidence(value), minute=minute)
    slice_ = e.SliceStatus.model_validate(
        {"status": status, "value": value, "low": value - 0.02, "high": value + 0.02, "n": 400,
         "evidence": figure.digest}
    )  # fmt: skip
    return [figure, draft(e.SetClaim(claim="grounded", slices=(slice_,)), minute=minute)]


LIFE = [
    [draft(component(), author=HUMAN), draft(DECLARED, author=HUMAN)],
    judged("holds", 0.93, 1), judged("holds", 0.94, 2), judged("broken", 0.3, 3),
]  # fmt: skip


def steps_of(batches: Any) -> tuple[ClaimStep, ...]:
    return claim_steps(chained(batches), "grounded")


def test_each_stretch_of_one_status_is_a_step_with_its_first_figure_and_its_looks() -> None:
    steps = steps_of(LIFE)
    assert [(s.version, s.status, s.looks) for s in steps] == [(1, "unknown", 0), (2, "holds", 2), (4, "broken", 1)]
    assert [s.figure.value for s in steps] == [None, 0.93, 0.3]
    assert steps[1].observed == NOW + timedelta(minutes=1)


def test_a_promise_that_is_declared_anew_begins_again_and_one_taken_out_has_no_past() -> None:
    again = [draft(e.Declare(section="claim", ref="grounded", body=claim(expect=">= 0.95")), minute=4)]
    assert [s.status for s in steps_of([*LIFE, again])] == ["unknown", "holds", "broken", "unknown"]
    gone = [draft(e.Declare(section="claim", ref="grounded", body=None), minute=4)]
    assert steps_of([*LIFE, gone]) == ()
    assert len(steps_of([*LIFE, gone, [draft(DECLARED, minute=5)], judged("holds", 0.9, 6)])) == 2


@limits(max_examples=40)
@given(histories(most=20))
def test_the_last_step_is_how_the_claim_stands_and_neighbours_differ(batches: Any) -> None:
    edits = chained(batches)
    for ref, found in fold(edits, start="shop").claims.items():
        steps = claim_steps(edits, ref)
        assert steps[-1].status == found.status
        assert all(a.status != b.status or not a.looks or not b.looks for a, b in pairwise(steps))


def test_observed_recorded_valid_until_and_reviewed_are_four_times_of_one_claim() -> None:
    edits = chained(LIFE)
    signed = Approve(role="safety", over="a" * 64, version=edits[-1].version, material="b" * 64)
    later = [draft(signed, minute=9, author=e.Author(kind="human", name="mara"))]
    document = why_document(view_of(later), "grounded", steps_of([*LIFE, later]), NOW)
    times = [document["history"][-1]["observed"], document["recorded"], document["valid_until"],
             document["reviewed"]["at"]]  # fmt: skip
    assert len(set(times)) == 4
    assert (document["reviewed"]["person"], document["reviewed"]["unchanged"]) == ("human:mara", True)
    text = " ".join(why_text(view_of(later), "grounded", steps=steps_of([*LIFE, later])).split())
    assert f"by human:mara (safety), who approved v{signed.version}" in text
    assert "changed since" not in text
    worse = judged("holds", 0.95, 12)
    steps = steps_of([*LIFE, later, worse])
    assert "; its status has changed since" in " ".join(
        why_text(view_of(later, worse), "grounded", steps=steps).split()
    )
    assert "reviewed by nobody yet" in " ".join(why_text(view_of(), "grounded").split())


def view_of(*batches: Any) -> Any:
    edits = chained([*LIFE, *batches])
    return build_view(fold(edits, start="shop"), None, gate=GATE, head=edits[-1].link, edits=len(edits), texts={},
                      written=NOW + timedelta(minutes=10))  # fmt: skip


def test_why_tells_evidence_with_its_age_what_is_against_it_and_how_it_stood_before() -> None:
    figure = draft(evidence(0.2, n=41), minute=4)
    opened = draft(opening(findings=(member(evidence_digest=figure.digest),)), minute=4)
    text = why_text(view_of([figure, opened]), "grounded", steps=steps_of(LIFE))
    words = " ".join(text.split())
    assert "evidence E-3, no test, 10 min old" in words
    assert "valid until 2026-11-23 14:03 UTC" in words
    assert "against INC-1 open: llm: grounded 0.90 -> 0.30 (E-4)" in words
    assert "history v4 2026-11-22 14:03 UTC: BROKEN: 0.30 [0.28, 0.32], n 400, E-3; 1 look" in words
    assert "v2 2026-11-22 14:01 UTC: HOLDS: 0.93 [0.91, 0.95], n 400" in words
    assert "v1 2026-11-22 14:00 UTC: UNKNOWN: nothing has been measured yet; declared" in words


def test_the_document_says_the_same_and_that_evidence_ran_out() -> None:
    document = why_document(view_of(), "grounded", steps_of(LIFE), NOW + timedelta(days=2))
    assert document["status"] == "broken"
    assert (document["valid_until"], document["expired"]) == ("2026-11-23T14:03:00Z", True)
    assert [one["id"] for one in document["evidence"]] == ["E-3"]
    assert [one["status"] for one in document["history"]] == ["unknown", "holds", "broken"]
    assert document["against"] == []
    assert "(over: it counts no longer)" in why_text(view_of(), "grounded", now=NOW + timedelta(days=2))


def test_a_waiver_stands_beside_the_status_and_never_in_its_place() -> None:
    granted = Waive(id="W-1", rule="broken", scope=("grounded",), reason_sha256="a" * 64, control_sha256="b" * 64,
                    requested_by="mara", approver="lead", starts=NOW, expires=NOW + timedelta(days=9))  # fmt: skip
    text = why_text(view_of([draft(granted, minute=5, author=HUMAN)]), "grounded")
    assert text.startswith("BROKEN grounded")
    assert "waived until 2026-12-01 (W-1): it is let pass, not ok" in " ".join(text.split())


def test_a_long_past_is_cut_and_a_claim_that_is_not_there_is_told() -> None:
    many = [judged("holds" if n % 2 else "broken", 0.5, n + 4) for n in range(20)]
    assert "and 10 before: --json has all" in why_text(view_of(*many), "grounded", steps=steps_of([*LIFE, *many]))
    with pytest.raises(NotOnTheCard, match="no claim 'fats' on this card; there is: grounded"):
        why_text(view_of(), "fats")


def test_a_claim_that_was_never_assessed_is_valid_until_no_time() -> None:
    waiting = [{"status": "unknown", "evidence": None}]
    assert valid_until({"assessed": None, "declared": {"valid_for": "1d"}, "slices": waiting}, {}) is None
    assert valid_until({"assessed": "2026-11-22T14:00:00Z", "declared": {}, "slices": waiting}, {}) is None


def test_evidence_that_ran_out_is_not_valid_again_because_that_was_seen() -> None:
    """What finds it expired is an edit of its own, days later: it measured nothing."""
    held = judged("holds", 0.93, 4)
    judged_, found = held[1].body, held[0]
    assert isinstance(judged_, e.SetClaim)
    expired = judged_.slices[0].model_copy(update={"status": "stale", "why": "was holds; its evidence has expired"})
    minutes = 3 * 24 * 60
    batches = [held, [draft(e.SetClaim(claim="grounded", slices=(expired,)), minute=minutes)]]
    view, steps = view_of(*batches), steps_of([*LIFE, *batches])
    now = NOW + timedelta(minutes=minutes + 10)
    document = why_document(view, "grounded", steps, now)
    assert (document["valid_until"], document["expired"]) == ("2026-11-23T14:04:00Z", True)
    assert (steps[-1].status, steps[-1].looks, steps[-1].figure.evidence) == ("stale", 0, found.digest)
    words = " ".join(why_text(view, "grounded", steps=steps, now=now).split())
    assert words.startswith("STALE grounded since 2026-11-25 14:00 UTC, last assessed 2026-11-22 14:04 UTC")
    assert "valid until 2026-11-23 14:04 UTC (over: it counts no longer)" in words
    assert "E-4; by the clock v5" in words
