"""Sums by group: which metrics, in what order, and that no way of cutting requests into windows changes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syscard_monitors import groups
from syscard_monitors.assemble import Request
from syscard_monitors.groups import GroupMetric, Sums, least_for, metrics_of, named_groups, over_days, with_requests
from syscard_monitors.packs import load_packs, signals_for
from tests.unit.build import claim, declared
from tests.unit.monitors.build import request, signal

AGREES = GroupMetric("vlm.agrees", "vlm", "agrees", "vlm.agrees", "share")
SLOW = GroupMetric("vlm.latency", "vlm", "p95", "vlm.latency_ms", "p95", "ms")
FAILED = GroupMetric("vlm.error", "vlm", "errors", "vlm.error", "rate")
A_DAY = 86_400 // 3
"""Requests of `build.request` that fill a day."""


def of(label: Any, number: int = 0, **values: Any) -> Request:
    return request(number, {"segment.age_band": label, **{f"vlm.{k}": v for k, v in values.items()}})


def summed(requests: Sequence[Request], *metrics: GroupMetric, size: int = 1000, **more: Any) -> dict[int, Sums]:
    """The sums of requests that come in windows of a size, stored and read again between them."""
    known: dict[int, Sums] = {}
    for start in range(0, len(requests), size):
        known = with_requests(known, metrics or (AGREES,), ["age_band"], requests[start : start + size], **more)
        known = {day: groups.read_sums(groups.body(sums)) for day, sums in known.items()}
    return known


_CALLS = st.fixed_dictionaries(
    {"agrees": st.floats(0, 1), "latency_ms": st.floats(0.1, 1e5), "error": st.lists(st.booleans(), min_size=1)}
)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["young", "old", None, "*", "="]), st.integers(0, 2 * A_DAY), _CALLS), max_size=30
    ),
    st.integers(1, 7),
)
def test_windows_that_are_merged_are_all_requests_at_once(
    found: list[tuple[Any, int, dict[str, Any]]], size: int
) -> None:
    requests = [of(label, number, **calls) for label, number, calls in found]
    metrics = (AGREES, SLOW, FAILED)
    in_windows = summed(requests, *metrics, size=size)
    at_once = with_requests({}, metrics, ["age_band"], requests)
    assert {day: groups.body(s) for day, s in in_windows.items()} == {day: groups.body(s) for day, s in at_once.items()}
    whole = over_days(in_windows.values())
    assert sum(t.n for t in whole.get(AGREES.id, {}).get("age_band", {}).values()) == len(requests)


def test_a_request_counts_for_the_day_on_which_it_ended() -> None:
    found = summed([of("young", n * A_DAY, agrees=1.0) for n in range(3)])
    assert len(found) == 3
    assert {t.n for sums in found.values() for t in sums[AGREES.id]["age_band"].values()} == {1}


def test_requests_without_a_segment_are_no_group_and_are_counted() -> None:
    (sums,) = summed([of("young", agrees=1.0), of(None, 1, agrees=0.0)]).values()
    found = sums[AGREES.id]["age_band"]
    assert list(named_groups(found, 20)) == ["young"]
    assert found[groups.WITHOUT].n == 1


def test_of_very_many_labels_the_first_of_the_day_keep_their_names_however_windows_are_cut() -> None:
    requests = [of(f"g{n % 250}", n, agrees=1.0) for n in range(500)]
    (cut,), (whole,) = (list(summed(requests, size=size).values()) for size in (20, 1000))
    assert groups.body(cut) == groups.body(whole)
    found = whole[AGREES.id]["age_band"]
    assert set(named_groups(found, 1000)) == {f"g{n}" for n in range(groups.MOST_A_DAY)}
    assert found[groups.OTHER].n == 300


def test_a_rate_counts_requests_with_an_event_however_many_calls_had_one() -> None:
    (sums,) = summed([of("young", error=[True, False]), of("young", 1, error=[False])], FAILED).values()
    found = sums[FAILED.id]["age_band"]["=young"]
    assert (found.hits, found.mean) == (1, 0.5)


def test_a_call_that_says_nothing_of_a_fallback_had_none() -> None:
    fallback = GroupMetric("vlm.fallback", "vlm", "fallback", "vlm.fallback", "rate")
    requests = [of("young", call=True, fallback=True), of("young", 1, call=True), of("young", 2)]
    (sums,) = summed(requests, fallback).values()
    found = sums[fallback.id]["age_band"]["=young"]
    assert (found.n, found.hits) == (2, 1)


def test_what_is_no_number_or_no_share_has_no_sums() -> None:
    assert summed([of("young", agrees="yes")]) == {}
    assert summed([of("young", agrees=1.5)]) == {}


def test_what_requests_cannot_answer_is_asked_of_feedback() -> None:
    taken = GroupMetric("taken", "system", "taken", "accepted", "share")
    feedback = [request(1, {"segment.age_band": "old", "accepted": True})]
    (sums,) = with_requests({}, [taken], ["age_band"], [of("young", agrees=1.0)], feedback).values()
    assert sums[taken.id]["age_band"]["=old"].mean == 1.0


def test_another_expression_is_another_metric() -> None:
    other = GroupMetric("vlm.agrees", "vlm", "agrees", "vlm.agrees > 0.5", "share")
    assert other.id != AGREES.id


def test_metrics_come_in_the_order_of_the_pipeline_and_the_system_last() -> None:
    system = declared()
    found = metrics_of(system, signals_for(system, load_packs(system.monitors.packs)))
    stages = list(dict.fromkeys(m.about for m in found))
    components = [ref for ref in stages if "->" not in ref and ref != "system"]
    depths = {ref: len([u for u, d in system.edges if d == ref]) for ref in components}
    assert components[0] == min(depths, key=lambda ref: depths[ref])
    for edge in (ref for ref in stages if "->" in ref):
        assert stages.index(edge) > stages.index(edge.split("->")[1])
    assert "system" not in stages[:-1]


def test_shares_rates_and_latencies_are_compared_and_what_only_drifts_is_not() -> None:
    kinds = ("share", "rate", "latency", "number", "category", "ratio", "volume")
    signals = [signal(kind, name=kind, expr=f"vlm.{kind}") for kind in kinds]
    of_signals = metrics_of(declared(claims=[]), signals)
    assert {m.expression for m in of_signals} == {"vlm.share", "vlm.rate", "vlm.latency"}


def test_a_claim_about_what_a_signal_watches_is_the_same_metric_and_says_how_many_requests_it_needs() -> None:
    promised = claim(metric="disparity(vlm.agrees)", by=["age_band"], window={"last": "1d", "min_n": 400})
    (found,) = metrics_of(declared(claims=[promised]), [signal(expr="vlm.agrees")])
    assert (found.key, found.min_n) == ("vlm.agrees", 400)


def test_a_quantile_needs_as_many_requests_as_its_interval_reaches_over() -> None:
    assert least_for(0.5) < 10 < least_for(0.95) < least_for(0.99)
    (found,) = metrics_of(declared(claims=[]), [signal("latency", expr="vlm.latency_ms")])
    assert found.min_n == least_for(0.95) > groups.LEAST
