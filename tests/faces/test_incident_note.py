"""The note of an incident: the same answers in the same order on every face, each with what it rests on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from syscard.incident_faces import incident_faces
from syscard.render.cardtext import incident_text
from syscard.render.incident_note import Passage, by_id, passages
from syscard.render.markdown import markdown
from syscard.render.postmortem import postmortem
from syscard.views import View
from syscard.words import cells
from tests.faces.sample import HOSTILE, NOW

ORDER = ["what broke", "since when", "for whom", "how sure", "before it", "not known", "do first", "traces"]
REACHED = {"requests": 31, "of": 124, "groups": [{"segment": "age_band", "group": "45-54", "requests": 20}]}


def changed(view: View, **changes: Any) -> View:
    """The view with its incident changed."""
    card = view["card"]
    raw = {**card["incidents"]["12"], **changes}
    return {**view, "card": {**card, "incidents": {"12": raw}}}


def told(view: View) -> dict[str, Passage]:
    return by_id(passages(view, view["card"]["incidents"]["12"], incident_faces(view)[0]))


def flat(text: str) -> str:
    return " ".join(text.split())


def test_it_answers_eight_questions_in_one_order_and_none_is_left_out(broken: View) -> None:
    found = passages(broken, broken["card"]["incidents"]["12"], incident_faces(broken)[0])
    assert [one.asks for one in found] == ORDER
    assert all(one.says and all(one.says) for one in found)
    text = incident_text(broken, 12)
    places = [text.index(f"\n  {asks} ") for asks in ORDER]
    assert places == sorted(places)


def test_what_broke_names_the_evidence_that_it_rests_on(broken: View) -> None:
    assert told(broken)["broke"].says[-1] == "rests on E-5, E-7"
    bare = {**broken, "card": {**broken["card"], "evidence": {}}}
    assert told(bare)["broke"].says[-1] == "its evidence is not on the card"


def test_for_whom_is_by_segment_and_unknown_where_it_was_not_counted_or_none_is_declared(broken: View) -> None:
    reached, unknown = told(changed(broken, impact=REACHED))["whom"].says, told(broken)["whom"].says
    assert (reached[0], reached[-1]) == (
        "31 of 124 requests (25.0%) came while it fired",
        "of them by age_band: 45-54 20",
    )
    assert (unknown[0], unknown[-1]) == (
        "unknown: how many requests it reached was not counted",
        "by group: unknown: no group was counted",
    )
    without = {**broken, "card": {**broken["card"], "traces": {}}}
    assert told(without)["whom"].says[-1] == "by group: unknown: needs a declared segment (traces.segments)"


def test_how_sure_is_the_rarest_evidence_by_its_number_and_the_confidence_of_an_attribution(broken: View) -> None:
    sure = told(broken)["sure"].says
    assert sure[0] == (
        "that it changed: evidence 1 in 42 million (asked for 1 in 136,000), vlm agrees with the catalogue, E-5; "
        "1 of 2 signals tested"
    )
    assert sure[1].startswith("where it began: vlm (94 % of the rise of misses of grounded) changed itself")
    assert "confidence medium (agent has no signal" in sure[1]
    attribution = {**broken["card"]["incidents"]["12"]["attribution"], "tie": True}
    assert told(changed(broken, attribution=attribution))["sure"].says[-1] == "another part may come first as well"
    assert told(changed(broken, attribution={}))["sure"].says[1].endswith("(order, not tested)")
    bare = {**broken, "card": {**broken["card"], "evidence": {}}}
    assert "unknown: no signal of it has a tested figure" in told(bare)["sure"].says[0]


def test_nothing_known_is_said_and_no_passage_is_empty(broken: View) -> None:
    bare = changed(broken, note=[], unknowns=[], traces=[], findings=[], do_first="", changed=[], subject="cf")
    found = told(bare)
    assert found["broke"].says[0] == "image reading disagrees with the catalogue"
    assert found["before"].text == "nothing was seen to change before it"
    assert found["unknown"].text == "nothing was written down as not known"
    assert found["do"].text == "look at the example traces"
    assert found["traces"].text == "none kept"


def test_what_is_over_says_since_when_and_how_long_it_took(broken: View) -> None:
    over = told(changed(broken, state="resolved", resolved="2026-11-22T14:32:00+00:00"))["since"].text
    assert over.endswith("over since 2026-11-22 14:32 UTC, after 30 min")
    assert told(broken)["since"].text.endswith("it is not over")


@pytest.mark.parametrize("name", ["whom", "sure", "before", "unknown"])
def test_terminal_page_and_postmortem_use_the_same_words(broken: View, name: str) -> None:
    view = changed(broken, impact=REACHED)
    faces = (incident_text(view, 12), markdown(view, None, NOW), postmortem(view, 12))
    plain = [re.sub(r"\\(.)", r"\1", flat(text)) for text in faces]
    for said in told(view)[name].says:
        assert all(said in text for text in plain), said


@pytest.mark.parametrize("width", [60, 80])
def test_hostile_words_are_neither_markup_nor_control_characters_anywhere(broken: View, width: int) -> None:
    evil = {"segment": HOSTILE, "group": HOSTILE, "requests": 3}
    attribution = {**broken["card"]["incidents"]["12"]["attribution"], "confidence": HOSTILE, "lowered_by": [HOSTILE]}
    view = changed(broken, note=[HOSTILE], unknowns=[HOSTILE], do_first=HOSTILE, attribution=attribution,
                   impact={**REACHED, "groups": [evil]}, traces=[HOSTILE], unchanged=[HOSTILE])  # fmt: skip
    for line in incident_text(view, 12, width).splitlines():
        assert cells(line) <= width
        assert line.isprintable()
    for page in (markdown(view, None, NOW), postmortem(view, 12)):
        assert "<script" not in page
        assert "](http" not in page
        assert "\x1b" not in page
