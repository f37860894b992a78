from __future__ import annotations

import json

from syscard import edits as e
from syscard.attribution import Attribution, PartVerdict
from syscard.diff import Change
from syscard.fold import fold
from syscard.incident_edits import AttributeIncident, GroupReached, Impact
from syscard.render.postmortem import postmortem
from tests.unit.build import HUMAN, chained, draft, opening

HOSTILE = "<img src=x> [click](http://evil) | `x`"
REACHED = Impact(requests=30, of=60, groups=(GroupReached(segment="age_band", group="18-24", requests=9),))


def drafted(*bodies: e.Body, **changes: object) -> str:
    batch = [draft(body, author=HUMAN) for body in (opening(**changes), *bodies)]  # type: ignore[arg-type]
    card = json.loads(fold(chained([batch]), start="shop").model_dump_json())
    return postmortem({"card": card, "texts": {}}, 1, [Change("part", "-", "BROKEN llm", "INC-1")])


def test_it_has_what_the_card_knows_and_leaves_open_what_only_people_know() -> None:
    text = drafted(e.MoveIncident(number=1, state="resolved", resolution="fixed"), impact=REACHED, do_first="look")
    assert "# Postmortem of INC-1: llm" in text
    assert "30 of 60 requests (50.0%) came while it fired" in text
    assert "of them by age\\_band: 18-24 9" in text
    assert "human:mara" in text
    assert "BROKEN llm (INC-1)" in text
    for title in ("What went well", "What went badly", "Where we were lucky"):
        assert f"## {title}\n\n- (to be written)" in text


def test_what_was_not_counted_is_unknown_and_what_is_open_is_not_over() -> None:
    text = drafted()
    assert "unknown: how many requests it reached was not counted" in text
    assert "it is not over" in text


def test_contributing_factors_have_what_was_tested_and_claim_no_proof() -> None:
    parts = (
        PartVerdict(part="llm", verdict="changed itself", share=0.9, low=0.7, high=1.0, n=900),
        PartVerdict(part=HOSTILE, verdict="inherited", n=900),
    )
    found = Attribution(
        target="grounded", damage=0.1, parts=parts, first="llm", causes=("llm",), confidence="medium",
        lowered_by=("few requests",), n_before=600, n_now=300, method="conditional test, Shapley",
    )  # fmt: skip
    text = drafted(AttributeIncident(number=1, attribution=found))
    factors = text.partition("## Contributing factors")[2].partition("\n## ")[0]
    assert "llm: changed itself, 90 % (70 to 100 %) of the rise of misses of grounded" in factors
    assert "confidence medium, lowered by: few requests" in factors
    assert "no proof of cause" in factors
    assert "(to be written)" in factors
    assert "<img" not in text
    assert "proof" not in drafted()


def test_nothing_from_outside_is_markup() -> None:
    text = drafted(title=HOSTILE, note=(HOSTILE,), unknowns=(HOSTILE,), do_first=HOSTILE)
    assert "<img" not in text
    assert "](http:" not in text
    assert all(line.count(" | ") == 2 for line in text.splitlines() if line.startswith("| 2026"))
