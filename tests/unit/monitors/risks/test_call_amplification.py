from __future__ import annotations

import random
from typing import Any

from tests.unit.build import declared
from tests.unit.monitors.risks.build import assessed, shop, states


def retried(share: float, calls: int = 3) -> Any:
    def making(rng: random.Random, number: int) -> dict[str, Any]:
        again = rng.random() < share
        return {**shop(rng, number), "cf.call": [1] * (calls if again else 1)}

    return making


def test_a_part_that_is_called_again_and_again_is_seen_on_the_edge_from_who_calls_it() -> None:
    found = assessed("IR-13", shop, retried(0.4))
    seen = found["agent->cf"]
    assert seen.state == "seen"
    assert seen.effect is not None
    assert 1.5 < seen.effect < 2.2
    assert seen.severity == "page"  # four times what matters, in four requests of ten
    assert seen.share is not None
    assert 0.3 < seen.share < 0.5
    assert "1.00 in the baseline" in seen.says
    assert len(seen.traces) == 3
    assert states({k: v for k, v in found.items() if k != "agent->cf"}) == {"not seen"}


def test_more_traffic_is_no_amplification() -> None:
    found = assessed("IR-13", retried(0.2), retried(0.2), count=600)
    assert states(found) == {"not seen"}
    assert "times would show" in found["agent->cf"].detectable


def test_a_new_mix_of_customers_of_whom_some_always_took_more_calls_is_no_amplification() -> None:
    def mix(many: float, light: int = 1) -> Any:
        def making(rng: random.Random, number: int) -> dict[str, Any]:
            heavy = rng.random() < many
            band = "65+" if heavy else "25-34"
            return {**shop(rng, number), "segment.age_band": band, "cf.call": [1] * (4 if heavy else light)}

        return making

    assert assessed("IR-13", mix(0.2), mix(0.7))["agent->cf"].state == "not seen"
    heavier = assessed("IR-13", mix(0.2), mix(0.7, light=5))["agent->cf"]
    assert heavier.state == "seen"


def test_a_part_that_no_request_reaches_is_unknown_with_what_is_needed() -> None:
    def without(rng: random.Random, number: int) -> dict[str, Any]:
        return {k: v for k, v in shop(rng, number).items() if not k.startswith("vlm.")}

    found = assessed("IR-13", without, without)["agent->vlm"]
    assert (found.state, found.why) == ("unknown", "needs vlm.call in the baseline")


def test_without_an_agent_the_part_itself_is_the_subject() -> None:
    parts = {"rank": {"kind": "ranking", "owner": "x", "select": {"syscard.component": "rank"}}}
    system = declared(components=parts, interactions={}, claims=(), risks=())

    def one(rng: random.Random, number: int) -> dict[str, Any]:
        return {"rank.call": 1}

    def three(rng: random.Random, number: int) -> dict[str, Any]:
        return {"rank.call": [1, 1, 1]}

    assert assessed("IR-13", one, three, system=system)["rank"].state == "seen"
