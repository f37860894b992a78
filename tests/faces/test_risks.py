"""Risks of the catalogue on the card: the list, one of them, the section, the snapshot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syscard.errors import NotOnTheCard
from syscard.render.cardtext import card_text
from syscard.render.report import report
from syscard.render.risks import declared_as, documents, effect_text, entry_document, risk_list_text, risk_text
from syscard.risks import Assessment, AssessRisks, Calibration, catalogue, worst_of
from syscard.system import Risk
from syscard.views import View
from syscard.words import cells
from tests.faces import sample
from tests.faces.sample import LAUNCH, NOW

FOUND = (
    Assessment(risk="IR-01", about="vlm->llm", state="unknown", why="needs 5 expected joint events, has 0.4", needs=5),
    Assessment(
        risk="IR-05", about="vlm->llm", state="seen", n=500, value=0.37, reference=0.11, unit="share", effect=0.26,
        low=0.21, high=0.31, scale="share", threshold=0.03, p_value=1e-30, share=0.37, severity="page",
        says="37.0% of rationales claim something that no fact says, 11.0% in the baseline", traces=("a" * 32 + "@1",),
    ),
    Assessment(
        risk="IR-13", about="agent->cf", state="not seen", n=500, value=1.0, reference=1.0, unit="calls", effect=1.0,
        low=0.9, high=1.1, scale="factor", threshold=1.2, p_value=0.5, detectable="1.25 times would show",
        says="1.00 calls of cf a request, 1.00 in the baseline",
    ),
    Assessment(risk="IR-19", about="system", state="unknown", why="needs a declared segment"),
    Assessment(risk="IR-20", about="system", state="unknown", why="needs a declared segment"),
)  # fmt: skip


CALIBRATIONS = (
    Calibration(
        risk="IR-05", about="vlm->llm", windows=20, size=500, quantile=0.99, value=0.0433, default=0.03,
        threshold=0.0433, method="99th percentile of the effect over windows of the baseline's own requests",
    ),
    Calibration(
        risk="IR-13", about="agent->cf", windows=0, size=500, quantile=0.99, value=None, default=1.2, threshold=1.2,
        method="the catalogue's: 0 windows of the baseline say something, 20 are needed",
    ),
)  # fmt: skip


def told(*found: Assessment) -> AssessRisks:
    names = tuple(a.name for a in FOUND)
    calibrations = CALIBRATIONS if len(found) > 1 else ()
    return AssessRisks(baseline="b" * 64, requests=500, told=found, assessed=names, calibrations=calibrations)


@pytest.fixture(scope="module")
def assessed() -> View:
    calm = tuple(a.model_copy(update={"state": "not seen"}) if a.risk == "IR-05" else a for a in FOUND)
    body = [sample.draft(b, LAUNCH - timedelta(days=1), sample.HUMAN) for b in sample.declared()]
    first, then = sample.draft(told(*calm), LAUNCH), sample.draft(told(FOUND[1]), NOW)
    return sample.view_of(sample.chained(("apply", body), ("window", [first]), ("window", [then])), None)


def test_the_list_of_risks_reads_as_accepted(assessed: View, as_accepted: Callable[[str, str], None]) -> None:
    as_accepted("risk-list.txt", risk_list_text(assessed))


def test_one_risk_reads_as_accepted(assessed: View, as_accepted: Callable[[str, str], None]) -> None:
    as_accepted("risk-show.txt", "\n".join(risk_text(assessed, risk) for risk in ("IR-05", "IR-13", "IR-01", "IR-02")))


def test_the_card_tells_what_is_seen_and_what_cannot_be_told_and_for_want_of_what(assessed: View) -> None:
    text = card_text(assessed, 200)
    assert "of the catalogue: 1 seen, 3 unknown, 1 not seen (syscard risk list)" in text
    assert "! IR-05 vlm->llm  SEEN since" in text
    assert "? IR-19 system, IR-20 system: unknown: needs a declared segment" in text
    assert "IR-13" not in text


def test_a_declared_risk_says_how_the_risk_that_its_words_name_stands(assessed: View) -> None:
    card = assessed["card"]
    declared = {"says": "A reading becomes a reason that is wrong (IR-05)."}
    changed = {**assessed, "card": {**card, "risks": {"R-9": {"declared": declared, "observed_in": [], "says": []}}}}
    assert "assessed      IR-05 seen on vlm->llm" in card_text(changed, 200)
    assert [one["declared"] for one in documents(changed["card"]) if one["risk"] == "IR-05"] == [["R-9"]]
    assert declared_as({"says": "IR-05 and IR-12", "catalogue": "IR-01"}) == ("IR-01",)
    assert declared_as({"says": "IR-05, IR-12 and IR-05"}) == ("IR-05", "IR-12")


def test_the_page_for_the_board_lists_what_is_seen_and_unknown_beside_the_counts(assessed: View) -> None:
    section = next(s for s in report(assessed).sections if s.id == "risks")
    assert section.says == ("Interaction risks of the catalogue: 1 seen, 3 unknown, 1 not seen.",)
    table = section.tables[1]
    assert [row[0] for row in table.rows] == [
        "IR-05 Ungrounded rationale", "IR-01 Error propagation", "IR-19 Subgroup disparity amplification",
        "IR-20 Segment masking",
    ]  # fmt: skip
    assert [row[1] for row in table.rows] == ["vlm->llm", "vlm->llm", "system", "system"]


def test_a_card_of_earlier_releases_has_no_such_section(broken: View) -> None:
    assert "of the catalogue" not in card_text(broken)
    assert {one["why"] for one in documents(broken["card"])} == {"not assessed yet: run: syscard monitor --once"}


def test_the_state_keeps_its_beginning_and_the_figures_their_edit(assessed: View) -> None:
    kept, changed = (assessed["card"]["assessed"][name] for name in ("IR-13 agent->cf", "IR-05 vlm->llm"))
    assert kept["since"] < changed["since"]
    assert kept["evidence"] != changed["evidence"]


def test_every_risk_of_the_catalogue_is_on_the_list_even_where_nothing_assesses_it(assessed: View) -> None:
    found = documents(assessed["card"])
    assert list(dict.fromkeys(one["risk"] for one in found)) == list(catalogue())
    never = next(one for one in found if one["risk"] == "IR-02")
    assert (never["state"], never["why"]) == ("unknown", "this release has no monitor for it")
    assert never["threshold"] == catalogue()["IR-02"].threshold


def test_a_risk_that_is_not_in_the_catalogue_is_one_line(assessed: View) -> None:
    with pytest.raises(NotOnTheCard, match="no risk 'IR-99' in the catalogue; there is: IR-01 to IR-27"):
        entry_document(assessed["card"], "IR-99")


def test_effects_are_told_in_the_unit_of_their_threshold() -> None:
    shown = [effect_text({"effect": 0.061, "scale": scale}, "effect") for scale in ("share", "factor", "number")]
    assert shown == ["+6.1 points", "0.061 times", "0.061"]
    assert effect_text({"high": None, "scale": "share"}, "high") == "no bound"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked_or_holds_a_control_character(assessed: View, width: int) -> None:
    card: dict[str, Any] = assessed["card"]
    evil = {**card["assessed"]["IR-05 vlm->llm"]}
    evil["found"] = {**evil["found"], "says": "a\x1b[31m\u202e\nb" * 40, "traces": ["\x07" * 9]}
    hostile: View = {**assessed, "card": {**card, "assessed": {**card["assessed"], "IR-05 vlm->llm": evil}}}
    for text in (risk_list_text(hostile, width), risk_text(hostile, "IR-05", width), card_text(hostile, width)):
        for line in text.splitlines():
            assert cells(line) <= width
            assert line.isprintable()


def test_the_gravest_risk_of_an_incident_is_by_severity_then_by_order() -> None:
    assert worst_of(["IR-13", "IR-09", "IR-01"]) == "IR-09"
    assert worst_of(["IR-13", "IR-01"]) == "IR-01"
    assert worst_of([]) is None


def test_a_declared_risk_names_only_what_can_stand_in_the_catalogue() -> None:
    body = {"id": "R-1", "about": "system", "says": "It.", "owner": "x", "treatment": "mitigate"}
    assert Risk.model_validate({**body, "catalogue": "IR-05"}).catalogue == "IR-05"
    with pytest.raises(ValueError, match="catalogue"):
        Risk.model_validate({**body, "catalogue": "IR-5"})
