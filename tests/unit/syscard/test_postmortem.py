from __future__ import annotations

import json

from syscard import edits as e
from syscard.diff import Change
from syscard.fold import fold
from syscard.incident_edits import GroupReached, Impact
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


def test_nothing_from_outside_is_markup() -> None:
    text = drafted(title=HOSTILE, note=(HOSTILE,), unknowns=(HOSTILE,), do_first=HOSTILE)
    assert "<img" not in text
    assert "](http:" not in text
    assert all(line.count(" | ") == 2 for line in text.splitlines() if line.startswith("| 2026"))
