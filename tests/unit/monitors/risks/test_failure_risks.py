"""IR-19 to IR-25 and IR-27: for whom, when and how parts fail, repeat themselves, grow old or go missing."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syscard import edits as e
from syscard.card import Card, Compared
from syscard.system import System
from syscard_monitors.judge import NO_BASELINE
from syscard_monitors.memory import Memory
from syscard_monitors.risks.blind import BlindSpot
from syscard_monitors.risks.common_cause import CommonCause, pairs
from syscard_monitors.risks.confidence import Miscalibration
from syscard_monitors.risks.disparities import DisparityAmplification
from syscard_monitors.risks.freshness import FreshnessSkew
from syscard_monitors.risks.masking import ErrorMasking
from syscard_monitors.risks.repetition import Repetition
from syscard_monitors.risks.slices import SegmentMasking
from tests.unit.build import NOW, claim, declared, draft
from tests.unit.monitors.build import card_of, reference, signal, with_drafts
from tests.unit.monitors.risks.alone import alone
from tests.unit.monitors.risks.build import Making, look, made, planned, shop


def compared(**states_: Any) -> Card:
    told = {
        f"amplification of {name} by age_band": Compared(state=s, since=NOW, evidence="e" * 64)
        for name, s in states_.items()
    }
    return card_of().model_copy(update={"groups": told})


def test_a_pipeline_that_makes_the_lot_of_a_group_worse_is_seen_as_last_compared() -> None:
    found = alone(DisparityAmplification(), shop, shop, card=compared(quality="amplified", errors="not amplified"))
    assert found["system"].state == "seen"
    assert "amplification of quality by age_band" in found["system"].says


def test_a_disparity_that_no_stage_makes_worse_is_not_amplified() -> None:
    even = compared(quality="not amplified").groups | {"vlm.agrees by age_band": _uneven()}
    card = card_of().model_copy(update={"groups": even})
    assert alone(DisparityAmplification(), shop, shop, card=card)["system"].state == "not seen"


def _uneven() -> Compared:
    return Compared(state="uneven", since=NOW, evidence="e" * 64)


@pytest.mark.parametrize("card", [card_of(), compared(quality="unknown")], ids=["never compared", "too few"])
def test_groups_that_are_too_small_leave_amplification_unknown(card: Card) -> None:
    found = alone(DisparityAmplification(), shop, shop, card=card)["system"]
    assert (found.state, found.needs) == ("unknown", 100)
    without = System.model_validate(declared().body() | {"traces": {"select": {"service.name": "shop"}}})
    assert DisparityAmplification().places(without) == ()


def erring(**shares: float) -> Making:
    """Errors of the llm by age band; bands are as many."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        band = rng.choice(["old", "young"])
        return {**shop(rng, number), "segment.age_band": band, "llm.error": rng.random() < shares[band]}

    return making


def test_a_slice_that_does_badly_behind_a_calm_whole_is_seen() -> None:
    found = alone(SegmentMasking(), erring(old=0.1, young=0.1), erring(old=0.5, young=0.0))["system"]
    assert found.state == "not seen", "half of all is never twice as bad as all"

    def fifth(of_it: float, rest: float) -> Making:
        def making(rng: random.Random, number: int) -> dict[str, Any]:
            band = "old" if rng.random() < 0.25 else "young"
            failed = rng.random() < (of_it if band == "old" else rest)
            return {**shop(rng, number), "segment.age_band": band, "llm.error": failed}

        return making

    seen = alone(SegmentMasking(), fifth(0.1, 0.1), fifth(0.4, 0.01))["system"]
    assert seen.state == "seen"
    assert "segment.age_band=old" in seen.says
    assert seen.effect is not None
    assert 2.5 < seen.effect < 4.5
    hard = alone(SegmentMasking(), fifth(0.4, 0.01), fifth(0.4, 0.01))["system"]
    assert hard.state == "not seen", "a segment that always was hard was accepted with the baseline"


def test_a_whole_that_does_badly_masks_nothing() -> None:
    worse = alone(SegmentMasking(), erring(old=0.02, young=0.02), erring(old=0.3, young=0.3))["system"]
    assert worse.state == "not seen"


def test_without_a_segment_or_category_slices_are_unknown() -> None:
    def bare(rng: random.Random, number: int) -> dict[str, Any]:
        return {k: v for k, v in shop(rng, number).items() if not k.startswith("segment.")}

    found = alone(SegmentMasking(), bare, bare)["system"]
    assert (found.state, found.why) == ("unknown", "needs a segment or known_user or category")


def answering(error: float, fallback: float) -> Making:
    def making(rng: random.Random, number: int) -> dict[str, Any]:
        at = rng.random()
        return {**shop(rng, number), "llm.error": at < error, "llm.fallback": error <= at < error + fallback}

    return making


def test_errors_that_turn_into_fallbacks_are_seen() -> None:
    seen = alone(ErrorMasking(), answering(0.1, 0.02), answering(0.0, 0.12))["llm"]
    assert seen.state == "seen"
    assert "while errors went from" in seen.says


@pytest.mark.parametrize(
    ("error", "fallback"), [(0.0, 0.02), (0.1, 0.12)], ids=["only fewer errors", "only more fallbacks"]
)
def test_one_of_both_alone_masks_nothing(error: float, fallback: float) -> None:
    assert alone(ErrorMasking(), answering(0.1, 0.02), answering(error, fallback))["llm"].state == "not seen"


def test_a_part_that_is_never_called_can_mask_nothing() -> None:
    def without(rng: random.Random, number: int) -> dict[str, Any]:
        return {k: v for k, v in shop(rng, number).items() if not k.startswith("vlm.")}

    found = alone(ErrorMasking(), without, without)["vlm"]
    assert (found.state, found.why) == ("unknown", "needs vlm.call")


def failing(together: float, alone_: float, run: int = 20) -> Making:
    """cf and llm fail in the same stretch of requests, or each by itself; no edge ties them."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        outage = number // run % max(1, round(1 / together)) == 0 if together else False
        failed = {part: rng.random() < (0.5 if outage else alone_) for part in ("cf", "llm")}
        return {**shop(rng, number), **{f"{part}.error": f for part, f in failed.items()}}

    return making


def test_parts_that_fail_at_the_same_moments_are_seen_as_a_pair() -> None:
    assert ("cf", "llm") in pairs(declared())
    seen = alone(CommonCause(), failing(0.0, 0.01), failing(0.2, 0.005))["system"]
    assert seen.state == "seen"
    assert "cf and llm fail in the same moments" in seen.says


def test_parts_that_both_fail_often_and_independently_have_no_common_cause() -> None:
    assert alone(CommonCause(), failing(0.0, 0.01), failing(0.0, 0.15))["system"].state == "not seen"


def test_parts_with_an_edge_between_them_and_few_failures_are_no_pair() -> None:
    assert not {("cf", "vlm"), ("vlm", "llm")} & {*pairs(declared())}
    found = alone(CommonCause(), shop, shop)["system"]
    assert (found.state, found.why) == ("unknown", "needs 20 requests in which each of two parts failed")


def aged(cf_days: float, vlm_days: float) -> Making:
    def making(rng: random.Random, number: int) -> dict[str, Any]:
        at = NOW + timedelta(seconds=3 * number)
        asof = (at - timedelta(days=cf_days)).isoformat()
        return {**shop(rng, number), "cf.data.asof": asof, "vlm.data.age_days": vlm_days}

    return making


def test_data_of_two_parts_that_grow_apart_are_seen_in_days() -> None:
    seen = alone(FreshnessSkew(), aged(1, 1), aged(9, 1))["cf->vlm"]
    assert (seen.state, seen.unit) == ("seen", "days")
    assert "8.0 days apart, 0.0 in the baseline" in seen.says


def test_data_that_grow_old_together_are_no_skew() -> None:
    assert alone(FreshnessSkew(), aged(1, 1), aged(9, 9))["cf->vlm"].state == "not seen"


def test_without_the_age_of_both_freshness_is_unknown() -> None:
    def broken(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "cf.data.asof": "yesterday", "vlm.data.age_days": 1}

    found = alone(FreshnessSkew(), broken, broken)["cf->vlm"]
    assert found.state == "unknown"
    assert "needs cf.data.asof or cf.data.age_days" in found.why


def calling(share: float, times: int) -> Making:
    def making(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "cf.call": [1] * (times if rng.random() < share else 1)}

    return making


def test_requests_that_call_a_part_again_and_again_are_seen_on_the_agent() -> None:
    seen = alone(Repetition(), shop, calling(0.1, 7))
    assert {about: a.state for about, a in seen.items()} == {"agent": "seen"}


@pytest.mark.parametrize(
    ("usual", "now"),
    [(calling(0.1, 7), calling(0.1, 7)), (shop, calling(0.5, 2))],
    ids=["it always did", "one call more"],
)
def test_calls_that_are_usual_or_hardly_more_are_no_repetition(usual: Making, now: Making) -> None:
    assert alone(Repetition(), usual, now)["agent"].state == "not seen"


def test_without_calls_repetition_is_unknown() -> None:
    def silent(rng: random.Random, number: int) -> dict[str, Any]:
        return {k: v for k, v in shop(rng, number).items() if not k.endswith(".call")}

    assert alone(Repetition(), silent, silent)["agent"].why == "needs spans of single calls"


def reading(surer: float = 0.0, harder: float = 0.0) -> Making:
    """The vlm is right as often as it says, or less by `surer`; harder pictures make it less sure."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        sure = [max(0.05, rng.uniform(0.5, 0.95) - harder) for _ in range(2)]
        right = [rng.random() < c - surer for c in sure]
        return {**shop(rng, number), "vlm.confidence": sure, "vlm.agrees": right}

    return making


def test_a_confidence_that_no_longer_says_how_often_it_is_right_is_seen() -> None:
    seen = alone(Miscalibration(), reading(), reading(surer=0.3))["vlm"]
    assert seen.state == "seen"
    assert "surer than it is right" in seen.says
    assert seen.n == 1_000


def test_harder_pictures_of_which_it_is_rightly_less_sure_are_no_miscalibration() -> None:
    assert alone(Miscalibration(), reading(), reading(harder=0.2))["vlm"].state == "not seen"


def test_without_confidence_calibration_is_unknown() -> None:
    found = alone(Miscalibration(), shop, shop)["vlm"]
    assert (found.state, found.why) == (
        "unknown",
        "needs vlm.confidence and vlm.agrees, or feedback that says what was accepted",
    )


def missing(share: float) -> Making:
    def making(rng: random.Random, number: int) -> dict[str, Any]:
        gone = rng.random() < share
        return {k: v for k, v in shop(rng, number).items() if not (gone and k.startswith("vlm."))}

    return making


def test_spans_that_go_missing_are_a_blind_spot_and_those_that_always_did_are_none() -> None:
    seen = alone(BlindSpot(), missing(0.01), missing(0.2))
    assert {about for about, a in seen.items() if a.state == "seen"} == {"vlm"}
    usual = alone(BlindSpot(), missing(0.2), missing(0.2))
    assert {a.state for about, a in usual.items() if about != "system"} == {"not seen"}


def test_a_part_that_nothing_watches_is_a_blind_spot_whatever_comes() -> None:
    unwatched = e.SetPart(ref="cf", state="unknown", why="nothing watches it")
    card = with_drafts(card_of(), [draft(unwatched)])
    found = alone(BlindSpot(), shop, shop, card=card)
    assert (found["cf"].state, found["llm"].state) == ("seen", "not seen")
    assert found["cf"].says == "no signal and no claim speaks of cf"


@pytest.mark.parametrize(("status", "state"), [("stale", "seen"), ("unknown", "not seen"), ("holds", "not seen")])
def test_a_promise_whose_evidence_has_expired_is_a_blind_spot_of_the_part_that_it_is_about(
    status: Any, state: str
) -> None:
    about = e.SetClaim(claim="grounded", slices=(e.SliceStatus(status=status, n=50),))
    card = with_drafts(card_of(declared(claims=[claim()])), [draft(about)])
    found = alone(BlindSpot(), shop, shop, card=card)
    assert (found["llm"].state, found["cf"].state) == (state, "not seen")
    assert ("what was measured for grounded has expired" in found["llm"].says) is (status == "stale")


@pytest.mark.parametrize(
    ("claims", "state", "says"),
    [
        ([claim()], "seen", "no signal and no claim looks at cost or safety of any part"),
        ([claim(), claim("never", expect="== 0", metric="count(llm.pii)")], "seen", "looks at cost of any part"),
        ([claim("never", topic="safety"), claim("cheap", topic="cost")], "not seen", "every topic is looked at"),
    ],
)
def test_a_topic_that_nobody_looks_at_in_any_part_is_a_blind_spot_of_the_system(
    claims: list[dict[str, Any]], state: str, says: str
) -> None:
    system = declared(claims=claims)
    requests = made(shop, 500)
    card, bare = planned(requests, system)
    signals = tuple(signal(name=topic, topic=topic) for topic in ("quality", "drift", "latency", "fairness"))
    kept = {s.key: reference([1.0]) for s in signals}
    plan = replace(bare, signals=(*signals, signal(name="absent", topic="cost")), references=kept)
    memory, later = Memory(), made(shop, 200, first=500)
    told = [look(card, plan, memory, later[: 100 * i], i) for i in (1, 2)][-1]
    found = next(a for a in told.assessments if a.name == "IR-27 system")
    assert found.state == state
    assert says in found.says
    assert not found.detectable


def test_without_a_baseline_or_with_few_requests_blind_spots_are_unknown_and_say_what_they_need() -> None:
    requests = made(shop, 990)
    card, plan = planned(requests)
    bare = replace(plan, references=None, risks={}, baseline="")
    none = look(card_of(), bare, Memory(), made(shop, 100), 1).assessments
    assert {(a.state, a.why) for a in none if a.risk == "IR-27"} == {("unknown", NO_BASELINE)}
    few = look(card, plan, Memory(), made(shop, 12, first=990), 1).assessments
    assert {(a.about, a.state, a.why, a.needs) for a in few if a.risk == "IR-27" and a.about == "vlm"} == {
        ("vlm", "unknown", "needs n 20, has 12", 20)
    }
