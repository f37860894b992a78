"""IR-16, IR-17, IR-18 and IR-26: what is written, what is handed on with it, and who judges it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from syscard.system import System
from syscard_monitors.risks.injection import Injection
from syscard_monitors.risks.judges import JudgeCoupling
from syscard_monitors.risks.leaks import PersonalDataLeak
from syscard_monitors.risks.tokens import TokenBlowUp
from tests.unit.build import declared
from tests.unit.monitors.risks.alone import alone
from tests.unit.monitors.risks.build import Making, shop, states


def saying(share: float = 0.0, **fields: Any) -> Making:
    """Some requests say more than the shop's do; those that do not, say no."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        hit = rng.random() < share
        more = {name.replace("__", "."): value if hit else type(value)() for name, value in fields.items()}
        return {**shop(rng, number), **more}

    return making


def test_offers_in_answers_behind_a_part_that_reads_pictures_are_seen() -> None:
    usual, now = saying(llm__rationale__offer=True), saying(0.1, llm__rationale__offer=True)
    seen = alone(Injection(), usual, now)["vlm->llm"]
    assert (seen.state, seen.severity) == ("seen", "page")


def test_answers_that_always_made_offers_are_no_injection() -> None:
    offers = saying(0.1, llm__rationale__offer=True)
    assert alone(Injection(), offers, offers)["vlm->llm"].state == "not seen"


def test_one_canary_is_enough() -> None:
    def now(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "llm.canary": number == 1_600}

    seen = alone(Injection(), saying(llm__canary=True), now)["vlm->llm"]
    assert seen.state == "seen"
    assert "a canary was seen in 1 answers" in seen.says


def shingles(rng: random.Random, count: int) -> list[str]:
    return [f"{rng.randrange(2**64):016x}" for _ in range(count)]


@pytest.mark.parametrize(("shared", "state"), [(6, "seen"), (5, "not seen")])
def test_eight_words_running_of_a_picture_in_an_answer_are_carried_over(shared: int, state: str) -> None:
    def text(some: float) -> Making:
        def making(rng: random.Random, number: int) -> dict[str, Any]:
            read, wrote = shingles(rng, 12), shingles(rng, 20)
            wrote = [*read[:shared], *wrote] if rng.random() < some else wrote
            return {**shop(rng, number), "vlm.ocr_text.shingles": [read], "llm.answer.shingles": [wrote]}

        return making

    assert alone(Injection(), text(0.0), text(0.2))["vlm->llm"].state == state


def test_a_suspicious_text_that_steers_answers_is_told_with_its_lift() -> None:
    def now(rng: random.Random, number: int) -> dict[str, Any]:
        suspicious = rng.random() < 0.2
        offer = rng.random() < (0.5 if suspicious else 0.05)
        return {**shop(rng, number), "vlm.suspicious": suspicious, "llm.rationale.offer": offer}

    assert (
        "times as often where a text is suspicious"
        in alone(Injection(), saying(llm__rationale__offer=True), now)["vlm->llm"].says
    )


def test_without_fingerprints_or_counters_injection_is_unknown_and_says_what_to_keep() -> None:
    found = alone(Injection(), shop, shop)["vlm->llm"]
    assert (found.state, found.why[:31]) == ("unknown", "needs keep: fingerprints on bot")


def allowing(*data: str) -> System:
    body = declared().body()
    body["interactions"]["vlm->llm"]["allowed_data"] = list(data)
    return System.model_validate(body)


def test_personal_data_that_an_edge_does_not_allow_are_seen_at_once() -> None:
    def now(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "vlm.gen_ai.output.messages.pii": int(number == 1_777)}

    found = alone(PersonalDataLeak(), saying(), now, system=allowing("product"))["vlm->llm"]
    assert (found.state, found.severity, len(found.traces)) == ("seen", "ticket", 1)
    assert "vlm wrote personal data in 1 of 500 requests; vlm->llm allows product" in found.says


def test_a_second_hit_of_personal_data_wakes_somebody() -> None:
    def now(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "vlm.gen_ai.output.messages.pii": int(number in (1_777, 1_800))}

    found = alone(PersonalDataLeak(), saying(), now, system=allowing("product"))["vlm->llm"]
    assert (found.state, found.severity) == ("seen", "page")


def test_personal_data_that_a_part_was_only_given_are_no_leak_of_its_own() -> None:
    def now(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "vlm.gen_ai.input.messages.pii": 1, "vlm.gen_ai.output.messages.pii": 0}

    found = alone(PersonalDataLeak(), saying(), now, system=allowing("product"))["vlm->llm"]
    assert found.state == "not seen"
    assert "0.60%" in found.detectable


def test_where_personal_data_are_allowed_or_nothing_is_said_there_is_no_verdict() -> None:
    def now(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "vlm.gen_ai.output.messages.pii": 1}

    allowed = alone(PersonalDataLeak(), now, now, system=allowing("product", "personal data"))
    assert (allowed["vlm->llm"].state, allowed["cf->vlm"].why) == ("unknown", "needs allowed_data on cf->vlm")
    untold = alone(PersonalDataLeak(), shop, shop, system=allowing("product"))["vlm->llm"]
    assert (untold.state, untold.why) == ("unknown", "needs texts that vlm writes")


def tokens(tags: int, each: int = 30, heavy: float = 0.0) -> Making:
    """The llm's tokens follow what the vlm hands on; heavy customers ask for three times as many."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        is_heavy, count = rng.random() < heavy, tags + rng.randrange(-2, 3)
        spent = (300 + each * count + rng.randrange(40)) * (3 if is_heavy else 1)
        band = "heavy" if is_heavy else "light"
        return {**shop(rng, number), "segment.age_band": band, "vlm.n_tags": count, "llm.input_tokens": spent}

    return making


def test_tokens_that_grow_with_what_is_handed_on_are_seen_with_the_field_that_grew() -> None:
    seen = alone(TokenBlowUp(), tokens(5), tokens(20))["llm"]
    assert seen.state == "seen"
    assert seen.effect is not None
    assert 1.8 < seen.effect < 2.3
    assert "with each of vlm.n_tags they grow by" in seen.says


def test_more_heavy_customers_are_no_blow_up() -> None:
    assert alone(TokenBlowUp(), tokens(5, heavy=0.2), tokens(5, heavy=0.7))["llm"].state == "not seen"


def test_without_tokens_a_blow_up_is_unknown() -> None:
    found = alone(TokenBlowUp(), shop, shop)["llm"]
    assert (found.state, found.why) == ("unknown", "needs llm.input_tokens or llm.output_tokens")


def judged(agreeing: float) -> Making:
    def making(rng: random.Random, number: int) -> dict[str, Any]:
        good = rng.random() < 0.6
        says = good if rng.random() < agreeing else not good
        verdict = {"llm.evaluation.quality": 0.9 if says else 0.1, "llm.rationale.grounded": 0.8 if good else 0.2}
        return {**shop(rng, number), **verdict}

    return making


def test_a_judge_that_no_longer_agrees_with_what_is_counted_is_seen() -> None:
    seen = alone(JudgeCoupling(), judged(0.95), judged(0.55))["llm"]
    assert seen.state == "seen"
    assert "llm.evaluation.quality agrees with what was counted to a kappa of 0.1" in seen.says


def test_worse_answers_that_the_judge_finds_worse_are_no_coupling() -> None:
    def worse(rng: random.Random, number: int) -> dict[str, Any]:
        return {**judged(0.95)(rng, number), **({"llm.error": True} if rng.random() < 0.5 else {})}

    assert alone(JudgeCoupling(), judged(0.95), worse)["llm"].state == "not seen"


def test_without_a_judge_its_coupling_is_unknown() -> None:
    found = alone(JudgeCoupling(), shop, shop)
    assert states(found) == {"unknown"}
    assert found["llm"].why == "needs evaluation events of a judge on spans of llm, and llm.rationale.grounded"
