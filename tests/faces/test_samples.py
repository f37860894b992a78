"""Figures of sampled traces: marked beside every claim and every rate, on every face."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from syscard.faces import Overview, overview
from syscard.gates import decide
from syscard.render.cardtext import card_text, incident_text, part_text
from syscard.render.report import report
from syscard.render.snapshot import html, json_document, markdown
from syscard.render.status import status_text
from syscard.render.why import why_text
from syscard.views import View
from syscard_configs import read_text
from tests.faces.sample import NOW, SAMPLED, broken_view, sampled_view
from tests.unit.build import policy

MARK = "sampled 1 in 10, biased towards errors"


@pytest.fixture
def view() -> View:
    return sampled_view()


@pytest.fixture
def face(view: View) -> Overview:
    return overview(view, NOW)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_what_nobody_sampled_has_no_mark() -> None:
    view = broken_view()
    texts = [card_text(view), markdown(view, None, NOW), status_text(overview(view, NOW), NOW)]
    texts += [why_text(view, claim) for claim in view["card"]["claims"]]
    assert not any("sampled" in text for text in texts)
    assert "* " not in texts[2]


def test_status_marks_every_claim_that_it_shows_every_rate_and_the_traffic(face: Overview) -> None:
    text = flat(status_text(face, NOW, width=100))
    assert f"412 req/min ({MARK})" in text
    shown = [claim for claim in face.claims if claim.status != "holds"]
    assert text.count(f"({MARK})") >= len(shown) + 1
    assert f"{len(face.claims)} on sampled traces" in text, "those that hold are only counted"
    assert f"* {MARK}" in text


def test_every_rate_of_a_part_has_the_mark_that_the_line_below_explains(face: Overview) -> None:
    table = status_text(face, NOW, width=100).split("PART ")[1].split("CLAIMS")[0]
    rows = [line for line in table.splitlines()[1:] if line.strip() and not line.startswith("*")]
    for row in rows[: len(face.parts)]:
        assert re.search(r"\d\*", row), row
        assert not re.search(r"\d%(?!\*)|\d ms(?!\*)|\d s(?!\*)", row[40:70]), row


def test_the_card_marks_claims_and_evidence(view: View) -> None:
    claims, rest = card_text(view, 200).split("COMPONENTS")
    assert claims.count(MARK) == len(view["card"]["claims"])
    evidence = rest.split("EVIDENCE")[1]
    assert evidence.count(MARK) == evidence.count("  E-")


def test_why_marks_the_figure_and_names_the_record_that_says_so(view: View) -> None:
    text = why_text(view, "grounded", 200)
    assert f"BROKEN: 0.71 [0.66, 0.76] ({MARK}), n 310" in text
    assert f"sample        {MARK}; 1,204 requests looked at" in text
    assert all(MARK in line for line in text.splitlines() if line.strip().startswith("slice "))


def test_a_part_and_an_incident_mark_their_figures(view: View) -> None:
    assert f"agrees with the catalogue 0.91 -> 0.30 ({MARK})" in part_text(view, "vlm", 200)
    assert f"agrees with the catalogue 0.91 -> 0.30 ({MARK})" in flat(incident_text(view, 12, 200))


def test_the_page_marks_claims_groups_rates_and_evidence(view: View) -> None:
    page = report(view, None, NOW)
    tables = {table.caption.split(",")[0]: table for section in page.sections for table in section.tables}
    for caption in ("Claims over all traffic", "Claims by group"):
        assert all(any(MARK in cell for cell in row) for row in tables[caption].rows), caption
    components = tables["Components"]
    assert f"* {MARK}" in components.caption
    assert all(cell.endswith("*") for row in components.rows for cell in row[-3:])
    assert all("*" in row[-1] for row in tables["Interactions: what is declared and how spans show it"].rows)
    (evidence,) = (table for section in page.sections if section.id == "evidence" for table in section.tables)
    assert all(MARK in row[3] for row in evidence.rows)
    assert f"({len(view['card']['claims'])} on sampled traces)" in page.summary
    assert MARK in html(view, None, NOW)
    assert MARK in markdown(view, None, NOW)


def test_the_documents_carry_what_the_mark_is_made_of(view: View, face: Overview) -> None:
    document = json_document(view)
    assert all(s["sampled"] == SAMPLED for c in document["card"]["claims"].values() for s in c["slices"])
    assert all(e["figure"]["sampled"] == SAMPLED for e in document["card"]["evidence"].values())
    assert all(p["sampled"] == SAMPLED for p in document["live"]["parts"].values())
    said = asdict(face)
    assert {claim["sample"] for claim in said["claims"]} == {MARK}
    assert {part["sample"] for part in said["parts"] if part["per_minute"] is not None} == {MARK}


@pytest.mark.parametrize("metric", ["claims_broken", "claims_unknown", "claims_stale", "disparity_ratio", "requests"])
def test_the_gate_says_which_of_its_figures_rest_on_a_sample(view: View, metric: str) -> None:
    (check,) = decide(policy(metric), view["card"], view["live"], NOW).checks
    assert check.sample == MARK
    assert decide(policy(metric), broken_view()["card"], broken_view()["live"], NOW).checks[0].sample == ""


def test_a_gate_that_is_blocked_says_so_in_its_reasons_too(view: View) -> None:
    assert MARK in decide(policy("claims_broken"), view["card"], view["live"], NOW).reasons[0]
    assert MARK in view["gate"]["reasons"][0]
    assert "incidents_open" in read_text("gates", "promote.yaml")
    assert decide(policy("incidents_open"), view["card"], view["live"], NOW).checks[0].sample == ""


def test_only_some_claims_of_a_sample_are_named(view: View) -> None:
    view["card"]["claims"]["grounded"]["slices"] = [
        {k: v for k, v in s.items() if k != "sampled"} for s in view["card"]["claims"]["grounded"]["slices"]
    ]
    view["card"]["claims"]["fast"]["slices"][0]["sampled"] = {**SAMPLED, "kept": 0.5, "towards": None}
    (check,) = decide(policy("claims_broken"), view["card"], view["live"], NOW).checks
    assert "grounded" not in check.sample
    assert "fast sampled 1 in 2 by a tail sampler" in check.sample
