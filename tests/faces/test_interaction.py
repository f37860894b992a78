"""The card of one interaction: contract, risks with likelihood and impact, incidents; and its section of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.render.cardtext import part_text
from syscard.render.interaction import (
    declared_here,
    impact_text,
    likelihood_text,
    part_document,
    review,
    risks_of,
)
from syscard.render.report import report
from syscard.risks import Assessment, AssessRisks, RiskCount
from syscard.views import View
from syscard.words import cells
from tests.faces import sample
from tests.faces.sample import HOSTILE, LAUNCH, NOW
from tests.faces.test_risks import FOUND

FIGURE = re.compile(r"\d")


def viewed(*found: Assessment, counts: tuple[tuple[str, int, int], ...] = ()) -> View:
    """A launched system with what was assessed of its risks."""
    body = [sample.draft(b, LAUNCH - timedelta(days=1), sample.HUMAN) for b in sample.declared()]
    told = AssessRisks(
        baseline="b" * 64, requests=500, told=found, assessed=tuple(a.name for a in found),
        counts=tuple(RiskCount(name=name, seen=seen, looks=looks) for name, seen, looks in counts), overlap=5,
    )  # fmt: skip
    return sample.view_of(sample.chained(("apply", body), ("window", [sample.draft(told, NOW)])), sample.live())


@pytest.fixture(scope="module")
def assessed() -> View:
    return viewed(*FOUND, counts=(("IR-05 vlm->llm", 3, 12), ("IR-13 agent->cf", 0, 12)))


def risk(view: View, name: str) -> dict[str, Any]:
    return next(one for one in risks_of(view["card"], "vlm->llm") if one["risk"] == name)


def test_the_card_of_an_interaction_reads_as_accepted(assessed: View, as_accepted: Callable[[str, str], None]) -> None:
    as_accepted("interaction.txt", "\n".join(part_text(assessed, ref) for ref in ("vlm->llm", "cf->llm")))


def test_how_likely_a_risk_is_comes_with_n_and_an_interval_that_knows_of_shared_requests(assessed: View) -> None:
    seen = risk(assessed, "IR-05")
    edit = assessed["card"]["assessed"]["IR-05 vlm->llm"]["evidence"][:12]
    assert likelihood_text(seen) == f"3 of 12 assessments, 25.0% (3.1% to 77.7%)  edit {edit}"
    assert impact_text(seen) == f"37.0% of 500 requests  edit {edit}"


def test_what_cannot_be_told_is_unknown_and_says_what_it_needs(assessed: View) -> None:
    unknown = risk(assessed, "IR-01")
    assert likelihood_text(unknown) == impact_text(unknown) == "unknown: needs 5 expected joint events, has 0.4"
    earlier = {**risk(assessed, "IR-05"), "frequency": None, "share": None}
    assert likelihood_text(earlier) == "unknown: it is counted from the next assessment on"
    assert impact_text(earlier) == "unknown: its statistic counts no requests"


def test_a_declared_risk_is_linked_where_it_is_declared_and_gives_the_date_of_the_review(assessed: View) -> None:
    card = assessed["card"]
    assert declared_here(card, "vlm->llm") == ["R-1"]
    assert declared_here(card, "llm->agent") == []
    assert review(card, ["R-2"]) == "2027-02-01 (declared, until of R-2)"
    assert review(card, []) == "2027-02-01 (declared, of the system)"
    assert review({**card, "identity": {}}, []) == "not declared"


def test_a_system_wide_risk_is_linked_where_the_risk_that_it_names_is_looked_for(assessed: View) -> None:
    wide = {"id": "R-9", "declared": {"about": "system", "says": "Wrong (IR-05)."}, "observed_in": [], "says": []}
    card = {**assessed["card"], "risks": {"R-9": wide}}
    assert declared_here(card, "vlm->llm") == ["R-9"]
    assert declared_here(card, "cf->llm") == []


def test_an_interaction_names_the_incidents_that_it_is_in_with_their_evidence(broken: View) -> None:
    (one,) = part_document(broken, "vlm->llm")["incidents"]
    assert (one["number"], one["state"], one["evidence"]) == (12, "open", ["E-5", "E-7"])
    assert part_document(broken, "cf->llm")["incidents"] == []


@given(
    state=st.sampled_from(["seen", "not seen", "unknown"]),
    looks=st.integers(1, 5_000),
    data=st.data(),
    share=st.none() | st.floats(0, 1),
)
def test_every_figure_of_a_risk_stands_beside_the_edit_that_holds_it(
    state: Any, looks: int, data: st.DataObject, share: float | None
) -> None:
    seen = data.draw(st.integers(0, looks))
    found = FOUND[1].model_copy(update={"state": state, "share": share, "why": "needs more"})
    view = viewed(found, counts=((found.name, seen, looks),))
    (one,) = risks_of(view["card"], "vlm->llm")
    edits = {view["card"]["assessed"][found.name]["evidence"][:12]}
    for text in (likelihood_text(one), impact_text(one)):
        named = re.findall(r"edit ([0-9a-f]{12})$", text)
        assert set(named) <= edits
        assert bool(named) == bool(FIGURE.search(text.removeprefix("unknown: needs more")))
        assert named or text.startswith("unknown: ")
    assert 0 <= one["frequency"]["low"] <= seen / looks + 1e-6
    assert seen / looks - 1e-6 <= one["frequency"]["high"] <= 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_a_span_or_a_file_says_is_no_markup_and_breaks_no_line(assessed: View, width: int) -> None:
    view: View = sample.hostile(assessed)
    evil = {**assessed["card"]["assessed"]["IR-05 vlm->llm"]}
    evil["found"] = {**evil["found"], "says": HOSTILE, "why": HOSTILE}
    view = {**view, "card": {**view["card"], "assessed": {"IR-05 vlm->llm": evil}}}
    for ref in view["card"]["interactions"]:
        for line in part_text(view, ref, width).splitlines():
            assert cells(line) <= width
            assert line.isprintable()


def test_the_page_has_a_row_for_every_interaction_with_what_is_seen_and_how_much_is_unknown(assessed: View) -> None:
    section = next(s for s in report(assessed).sections if s.id == "parts")
    table = next(t for t in section.tables if t.caption.startswith("Interactions: what may go wrong"))
    assert [row[0] for row in table.rows] == ["vlm->llm", "cf->llm", "llm->agent"]
    row = table.rows[0]
    assert row[2].startswith("IR-05 Ungrounded rationale: seen since")
    assert "1 unknown" in row[2]
    assert row[3].startswith("IR-05: 3 of 12 assessments")
    assert row[4].startswith("IR-05: 37.0% of 500 requests")
    assert row[5:] == ("discovery, #discovery-oncall", "2027-02-01 (declared, of the system)")
    assert table.rows[1][2] == "not assessed; declared R-2"


def test_the_document_of_a_part_is_described(broken: View) -> None:
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text("utf-8")
    said = text.split("With a part (`card show")[1].split("\n## ")[0]
    new = part_document(broken, "vlm->llm").keys() - broken["card"]["interactions"]["vlm->llm"].keys()
    assert new
    assert [key for key in new if f"`{key}`" not in said] == []
