from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.edits import AddEvidence
from syscard.finding import Sampling
from syscard.samples import beside, sample_mark, together
from syscard_monitors import claims
from syscard_monitors.assemble import Request
from syscard_monitors.memory import Memory
from syscard_monitors.samples import sample_sums, sampling_of
from syscard_monitors.tally import read_tally
from syscard_monitors.telling import claim_drafts
from syscard_monitors.tracing_health import TracingFacts
from syscard_monitors.window import findings_of
from tests.unit.monitors.build import Asked, a_claim, card_of, plan, reference, request, signal, window

AT_RANDOM = TracingFacts(kept=0.1, sampler="probability")


def traced(kept: float | None = None, sampler: str | None = None, *, error: bool = False, **values: Any) -> Request:
    named = {"error": error, **{k.replace("__", "."): v for k, v in values.items()}}
    return replace(request(0, named), tracing=TracingFacts(kept=kept, sampler=sampler))


def of(*requests: Request) -> Sampling | None:
    return sampling_of(sample_sums(requests), len(requests))


def mark(*requests: Request) -> str:
    found = of(*requests)
    return sample_mark(found.model_dump() if found else None)


def test_where_nobody_speaks_of_a_sample_there_is_no_mark() -> None:
    assert of(traced(), traced(1.0, "probability")) is None
    assert mark(traced()) == ""
    assert beside("0.30", None) == "0.30"


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([traced(0.1, "probability")] * 4, "sampled 1 in 10 at random"),
        ([traced(0.1)] * 4, "sampled 1 in 10"),
        ([traced(0.9, "probability")] * 4, "sampled, 90.0% kept, at random"),
        ([traced(None, "rate limit")] * 4, "sampled, nobody says how many, by a rate limit"),
        ([traced(0.1, "probability"), traced()], "50.0% sampled 1 in 10 at random"),
        ([traced(0.5, "probability"), traced(0.1)], "sampled 1 in 6"),
        ([traced(0.001)] * 2, "sampled 1 in 1,000"),
        ([traced(None, "tail errors"), traced(0.1, "tail")], "sampled 1 in 10, biased towards errors"),
        ([traced(1.0, "tail errors"), *[traced(0.1, "tail")] * 3], "75.0% sampled 1 in 10, biased towards errors"),
        ([traced(0.1, "tail slow requests")], "sampled 1 in 10, biased towards slow requests"),
        ([traced(0.1, "tail")], "sampled 1 in 10 by a tail sampler"),
        ([traced(0.9, "tail errors")], "sampled, 90.0% kept, biased towards errors"),
        ([traced(1 / 12_345)], "sampled 1 in 12,345"),
    ],
)
def test_the_mark_says_how_many_and_how_as_far_as_senders_do(requests: list[Request], said: str) -> None:
    assert mark(*requests) == said


def test_failures_that_are_all_kept_beside_a_tenth_of_the_rest_are_a_bias() -> None:
    """No sender says so: the shares of failed and other requests do."""
    fine, failed = [traced(0.1)] * 30, [traced(1.0, error=True)] * 5
    assert mark(*fine, *failed) == "85.7% sampled 1 in 10, biased towards errors"
    assert "biased" not in mark(*fine, *failed[:2]), "two failures say too little"
    assert "biased" not in mark(*fine, *[traced(0.1, error=True)] * 5), "kept like the others"


def test_alike_marks_are_told_once() -> None:
    assert together({"a": "x", "b": "x", "c": ""}) == "x"
    assert together({"a": "x", "b": "y", "c": ""}) == "a x; b y"
    assert together({}) == ""


REQUESTS = st.lists(
    st.builds(
        traced,
        st.none() | st.floats(0.01, 1),
        st.none() | st.sampled_from(["probability", "rate limit", "tail", "tail errors"]),
        error=st.booleans(),
    ),
    max_size=30,
)


@given(REQUESTS, st.integers(0, 30))
def test_how_requests_are_cut_into_windows_changes_nothing(requests: list[Request], cut: int) -> None:
    merged = Counter(sample_sums(requests[:cut]))
    merged.update(sample_sums(requests[cut:]))
    assert sampling_of(merged, len(requests)) == of(*requests)


@given(REQUESTS)
def test_there_is_a_mark_exactly_where_a_request_is_of_a_sample(requests: list[Request]) -> None:
    found = of(*requests)
    assert (found.sampled if found else 0) == sum(r.tracing.sampled for r in requests)
    assert bool(mark(*requests)) == any(r.tracing.sampled for r in requests)
    if found and found.kept is not None:
        assert 0 < found.kept <= 1


# --- on claims and findings ------------------------------------------------------------------------------------------


def judged(*requests: Request, **changes: Any) -> claims.Assessment:
    claim = a_claim(window={"last": "1h", "min_n": 5}, **changes)
    return claims.assess(claim, claims.tallies(claim, requests), {})


def test_a_claim_is_marked_by_the_requests_that_have_its_value_and_no_others() -> None:
    others = [traced(0.1, "probability")] * 10
    own = [traced(llm__grounded=True)] * 10
    assert judged(*own, *others).slices[0].sampled is None
    mixed = judged(*own, *[traced(0.1, "probability", llm__grounded=True)] * 10).slices[0].sampled
    assert mixed is not None
    assert (mixed.requests, mixed.sampled, mixed.by) == (20, 10, "probability")


def test_each_group_of_a_claim_is_marked_by_its_own_requests() -> None:
    young = [replace(r, values={**r.values, "segment.age": ["young"]}) for r in [traced(llm__grounded=True)] * 6]
    old = [replace(r, values={**r.values, "segment.age": ["old"]}) for r in [traced(0.5, llm__grounded=True)] * 6]
    found = {s.slice: s.sampled for s in judged(*young, *old, by=["age"]).slices}
    assert (found["age=young"], found["all"] is not None) == (None, True)
    assert found["age=old"] is not None


def test_too_few_requests_of_a_sample_are_marked_as_well() -> None:
    (status,) = judged(*[traced(0.1, llm__grounded=True)] * 2).slices
    assert (status.status, status.sampled is not None) == ("unknown", True)


def test_sums_of_a_window_keep_it_and_those_of_an_earlier_release_are_read() -> None:
    claim = a_claim()
    body = claims.body(claims.tallies(claim, [traced(0.1, llm__grounded=True)] * 3))
    assert read_tally(body["all"]).sample["sampled"] == 3
    plain = claims.body(claims.tallies(claim, [traced(llm__grounded=True)] * 3))
    assert "sample" not in plain["all"], "the sums of what nobody sampled are what they were"


def test_the_evidence_record_says_which_share_was_sampled_and_how() -> None:
    claim = a_claim(window={"last": "1h", "min_n": 5})
    system = plan().system.model_copy(update={"claims": (claim,)})
    slices = {claim.id: judged(*[traced(0.1, "probability", llm__grounded=True)] * 9).slices}
    drafts = claim_drafts(card_of(system), system, slices, window())
    (record,) = [d.body for d in drafts if isinstance(d.body, AddEvidence)]
    assert record.sampled == Sampling(requests=9, sampled=9, kept=0.1, by="probability")
    unsampled = {claim.id: judged(*[traced(llm__grounded=True)] * 9).slices}
    (plain,) = [
        d.body for d in claim_drafts(card_of(system), system, unsampled, window()) if isinstance(d.body, AddEvidence)
    ]
    assert "sampled" not in plain.model_dump(mode="json"), "its digest is what it was"


def test_a_finding_says_how_the_requests_of_its_window_were_sampled() -> None:
    watched = plan(signal(), references={"vlm.agrees": reference([1.0] * 30)})
    found = findings_of(card_of(), watched, Memory(), [traced(0.1, vlm__agrees=True)] * 8, window(), Asked())
    (agrees,) = [f for f in found if f.key == "vlm.agrees"]
    assert agrees.sampled is not None
    assert (agrees.sampled.requests, agrees.sampled.kept) == (8, 0.1)
