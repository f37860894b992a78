"""What a snapshot says beyond the card, and how it stands on paper: four pages, then the annex."""

from __future__ import annotations

import copy
import re
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.crosswalk_packs import packs
from syscard.crosswalks import LIMITS
from syscard.errors import MissingExtra
from syscard.faces import overview
from syscard.material import material_digest
from syscard.render import paper
from syscard.render.page import Occasion, PeriodSums, Report, Section, Table
from syscard.render.pdf import body_pages, fitted, pdf
from syscard.render.report import report, verdict_of
from syscard.render.snapshot import json_document, markdown
from syscard.serious import wants_assessment
from syscard.views import View
from tests.faces import sample

WEEK = timedelta(days=7)
SUMS = PeriodSums(sample.NOW - WEEK, sample.NOW, 1000, 12.5, 1000, 400, 250)


def occasion(**changes: Any) -> Occasion:
    seen = changes.pop("seen", SUMS)
    earlier = ({"number": 1, "verdict": "OK", "at": "2026-11-15T10:00:00Z"},)
    plain = Occasion(2, "scheduled", sample.NOW - WEEK, sample.NOW, seen, earlier=earlier, signed_by="ab" * 32)
    return replace(plain, **changes)


def section(view: View, name: str, made: Occasion | None = None) -> Section:
    return next(s for s in report(view, now=sample.NOW, occasion=made).sections if s.id == name)


def judged(view: View, says: str, **more: Any) -> View:
    """A view of which a human has said whether its open incident is serious."""
    changed = copy.deepcopy(view)
    incident = next(i for i in changed["card"]["incidents"].values() if i["state"] == "open")
    incident["serious"] = {"number": incident["number"], "serious": says, "regime": "eu_ai_act", **more}
    return changed


# --- what leaders are told -------------------------------------------------------------------------------------------


def test_a_period_without_a_request_is_unknown_although_every_claim_held(views: dict[str, View]) -> None:
    silent = occasion(seen=replace(SUMS, requests=0, cost=None, with_cost=0, answers=0, accepted=0))
    assert verdict_of(overview(views["calm"], sample.NOW)) == "OK"
    page = report(views["calm"], now=sample.NOW, occasion=silent)
    assert page.verdict == "UNKNOWN"
    assert "held when last looked at" in page.summary
    assert "No traffic was measured in this period" in page.summary
    assert "NO REQUEST CAME" in dict(page.facts)["Period"]
    assert json_document(views["calm"], sample.NOW, silent)["verdict"] == "UNKNOWN"


def test_requests_that_came_and_that_no_monitor_looked_at_are_not_told_as_none(views: dict[str, View]) -> None:
    page = report(views["idle"], now=sample.NOW, occasion=occasion())
    assert "1,000 requests" in dict(page.facts)["Period"]
    assert "The monitors have looked at no traffic, so nothing here is shown to hold." in page.summary
    assert "in this period" not in page.summary


def test_clocks_stand_beside_the_incidents(broken: View) -> None:
    none = section(broken, "incidents").tables[1]
    assert (none.rows, none.empty) == ((), "No clock for a report to an authority runs: nobody has called an incident "
                                           "serious.")  # fmt: skip
    said = judged(broken, "yes", category="health", aware=f"{sample.NOW - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}")
    (row,) = section(said, "incidents").tables[1].rows
    assert (*row[:2], *row[3:5]) == ("INC-12", "2026-12-04 14:33 UTC", "12 d", "health")
    assert row[2] == "15 days, eu_ai_act Art. 3(49)(a), Art. 73(2) (the duty had not begun then)"
    assert "Check the Regulation text" in section(said, "incidents").says[0]
    next(i for i in said["card"]["incidents"].values() if i.get("serious"))["state"] = "resolved"
    late = report(said, now=sample.NOW + timedelta(days=13), occasion=occasion())
    table = next(s for s in late.sections if s.id == "incidents").tables[1]
    assert (table.rows[0][3], table.detail) == ("LATE by 1 d", False), "one that is over is owed all the same"


def test_that_nobody_has_said_whether_an_incident_is_serious_is_told(broken: View) -> None:
    view = copy.deepcopy(broken)
    next(i for i in view["card"]["incidents"].values() if i["state"] == "open")["impact"] = {"requests": 7, "of": 9}
    view["card"]["identity"]["regimes"] = {"eu_ai_act": "unclear"}
    assert wants_assessment(view["card"], view["card"]["incidents"]["12"])
    asked = "INC-12: nobody has said whether it is serious: syscard incident serious INC-12 --as assess"
    assert section(view, "incidents").says == (asked,)
    assessed = section(judged(view, "assess"), "incidents").says
    assert assessed == ("INC-12: whether it is serious is being assessed (eu_ai_act).",)
    assert section(judged(view, "no"), "incidents").says == ()


def test_what_changed_tells_what_was_called_serious_and_what_ran_out(broken: View) -> None:
    """As `card diff` does: a board must not miss a waiver whose end has come."""
    waiver: dict[str, Any] = {
        "id": "W-1", "rule": "fair", "scope": [], "revoked": None, "starts": "2026-11-01T00:00:00Z",
        "expires": "2026-11-22T14:00:00Z", "requested_by": "human:a", "approver": "human:b",
        "reason_sha256": "a" * 64, "control_sha256": "b" * 64,
    }  # fmt: skip
    view = judged(broken, "yes", category="health", aware="2026-11-22T14:10:00Z")
    before = copy.deepcopy(broken["card"])
    for card in (before, view["card"]):
        card["waivers"] = {"W-1": waiver}
    before["observed"] = "2026-11-20T00:00:00Z"
    items = next(s for s in report(view, before, sample.NOW, occasion()).sections if s.id == "changed").items
    assert items == (
        "SERIOUS INC-12 yes, health (eu_ai_act) (INC-12)",
        "EXPIRED W-1 fair at 2026-11-22 14:00 UTC: its rule counts again (W-1)",
    )


def test_what_is_broken_stays_broken_in_a_period_without_requests(broken: View) -> None:
    assert report(broken, now=sample.NOW, occasion=occasion(seen=replace(SUMS, requests=0))).verdict == "BROKEN"


def test_a_period_that_nobody_could_count_is_unknown_and_not_empty(views: dict[str, View]) -> None:
    page = report(views["calm"], now=sample.NOW, occasion=occasion(seen=None, why_not_seen="the lake is locked"))
    assert "unknown (the lake is locked)" in dict(page.facts)["Period"]
    assert page.verdict == "OK"


def test_the_trend_is_told_against_the_last_snapshot(broken: View) -> None:
    facts = dict(report(broken, sample.earlier_view()["card"], sample.NOW, occasion()).facts)
    trend = facts["Trend since the last snapshot"]
    assert trend.startswith("BROKEN, was OK on 2026-11-15 10:00 UTC (snapshot 1); incidents open 1, were 0;")
    assert trend.endswith("Verdicts, oldest first: OK -> BROKEN")
    assert facts["Snapshot"] == "2, taken 2026-11-22 14:33 UTC, scheduled"


def test_the_first_snapshot_has_no_trend(broken: View) -> None:
    facts = dict(report(broken, now=sample.NOW, occasion=occasion(earlier=())).facts)
    assert "first snapshot" in facts["Trend since the last snapshot"]


def waiver(ref: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "id": ref, "rule": "no-open-incident", "scope": ["vlm"], "reason_sha256": "a" * 64, "control_sha256": "b" * 64,
        "requested_by": "mara", "approver": "lead", "starts": "2026-11-01T00:00:00Z",
        "expires": "2026-12-01T00:00:00Z", "revoked": None,
    }  # fmt: skip
    return plain | changes


def test_only_waivers_that_are_in_force_let_something_pass_the_next_to_end_first(broken: View) -> None:
    view = copy.deepcopy(broken)
    view["card"]["waivers"] = {
        "W-1": waiver("W-1"),
        "W-2": waiver("W-2", expires="2026-11-23T00:00:00Z", scope=[]),
        "W-3": waiver("W-3", expires="2026-11-02T00:00:00Z"),
        "W-4": waiver("W-4", revoked={"at": "2026-11-02T00:00:00Z", "by": "lead"}),
        "W-5": waiver("W-5", starts="2026-11-25T00:00:00Z"),
    }
    told = section(view, "waivers")
    assert [row[0] for row in told.tables[0].rows] == ["W-2", "W-1"]
    assert told.tables[0].rows[0][2] == "where the rule names nothing"
    assert told.tables[0].rows[0][5] == "2026-11-23 00:00 UTC, in 9 h"
    assert "3 waivers over, revoked or not begun" in told.says[0]
    assert "No waiver is in force" in section(broken, "waivers").tables[0].empty


def test_a_sign_off_says_whether_it_still_counts(broken: View) -> None:
    view = copy.deepcopy(broken)
    plain = {"person": "lead", "decision": "approve", "version": 7, "at": "2026-11-20T00:00:00Z", "over": "d" * 64,
             "comment_sha256": None, "signature": None}  # fmt: skip
    same = {**plain, "role": "risk", "material": material_digest(view["card"])}
    view["card"]["approvals"] = [same, {**plain, "role": "owner", "material": "0" * 64, "at": "2026-11-21T00:00:00Z"}]
    newest, first = section(view, "signoffs").tables[0].rows
    assert newest[2] == "approved v7, NO LONGER COUNTS: the card has changed since"
    assert first[2:4] == ("approved v7", "v7, digest dddddddddddd")
    assert section(broken, "signoffs").tables[0].empty == "Nobody has signed this card off."


def test_every_framework_stands_with_what_traces_can_show_of_it_and_nothing_says_that_rules_are_met(
    broken: View,
) -> None:
    told = section(broken, "crosswalk")
    assert len(told.tables[0].rows) == len(packs())
    assert all(re.search(r"\d+ (in full|in part|not at all)", row[-1]) for row in told.tables[0].rows)
    assert told.says == (LIMITS,)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (SUMS, "0.05 for each of 250 accepted: 12.5 for 1,000 requests"),
        (replace(SUMS, with_cost=800), "Only 80.0% of requests say what they cost"),
        (replace(SUMS, cost=None, with_cost=0), "unknown: needs spans that say what a call costs"),
        (replace(SUMS, accepted=0), "unknown: needs feedback that something was accepted"),
        (replace(SUMS, accepted=0, answers=0), "no answer came"),
        (replace(SUMS, requests=0), "unknown: needs requests"),
        (None, "unknown: needs a period"),
    ],
)
def test_the_cost_of_an_accepted_recommendation_or_what_is_missing_for_it(
    broken: View, seen: PeriodSums | None, says: str
) -> None:
    assert says in section(broken, "cost", occasion(seen=seen)).says[0]


def test_reports_of_periods_are_named_by_their_digests(broken: View) -> None:
    view = copy.deepcopy(broken)
    plain = {"start": "2026-11-08T00:00:00Z", "end": "2026-11-15T00:00:00Z", "requests": 900, "engine": "evidently 1",
             "document_sha256": "d" * 64, "page_sha256": "e" * 64, "compared": 40, "drifted": 2, "why": ""}  # fmt: skip
    empty = {**plain, "requests": 0, "document_sha256": None, "why": "there was no complete request in that time"}
    view["card"]["reports"] = [plain, empty]
    newest, first = section(view, "evidence").tables[1].rows
    assert first[2:] == ("2 of 40 signals drifted", "evidently 1", "d" * 64)
    assert newest[2] == "there was no complete request in that time"


def test_the_document_says_what_came_in_the_period(broken: View) -> None:
    told = json_document(broken, sample.NOW, occasion())["snapshot"]
    assert (told["number"], told["reason"], told["seen"]["accepted"]) == (2, "scheduled", 250)
    assert json_document(broken)["snapshot"] is None


# --- on paper --------------------------------------------------------------------------------------------------------


def pages(found: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", found))


def large(view: View) -> View:
    """Fifty parts, sixty edges, sixty claims, many of everything else, with long names."""
    view = copy.deepcopy(view)
    card, words = view["card"], "a long name of something " * 6
    for table, count in (("components", 50), ("interactions", 60), ("claims", 60), ("risks", 20), ("unknowns", 20)):
        (_, one), *_ = card[table].items()
        card[table] |= {f"{table}-{n}-{words}": {**one, "ref": f"{table}-{n}-{words}"} for n in range(count)}
    (_, incident), *_ = [i for i in card["incidents"].items() if i[1]["state"] == "open"]
    card["incidents"] |= {str(n): {**incident, "number": n} for n in range(100, 120)}
    card["waivers"] = {f"W-{n}": waiver(f"W-{n}", rule=words) for n in range(40)}
    return view


@pytest.mark.parametrize("name", ["broken", "calm", "declared", "hostile", "silent"])
def test_what_leaders_read_is_at_most_four_pages(views: dict[str, View], name: str) -> None:
    page = report(views[name], sample.earlier_view()["card"], sample.NOW, occasion())
    assert body_pages(fitted(page, views[name], "x")) <= paper.MOST_PAGES


def test_a_large_card_is_cut_to_four_pages_and_says_what_is_in_the_annex(broken: View) -> None:
    view = large(broken)
    page = report(view, sample.earlier_view()["card"], sample.NOW, occasion())
    data = fitted(page, view, "x")
    assert body_pages(data) <= paper.MOST_PAGES
    components = next(s for s in data["body"] if s["title"] == "Components and interactions")["tables"][0]
    assert re.fullmatch(r"and \d+ more: annex", components["more"])
    annex = next(s for s in data["annex"] if s["title"] == "Components and interactions")["tables"][0]
    assert len(components["rows"]) < 9
    assert len(annex["rows"]) > 50


def test_the_paper_is_an_archive_pdf_and_the_same_every_time(broken: View) -> None:
    found = pdf(broken, sample.earlier_view()["card"], sample.NOW, occasion())
    assert found.startswith(b"%PDF-1.7")
    assert b"<pdfaid:part>2</pdfaid:part>" in found
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in found
    assert found == pdf(broken, sample.earlier_view()["card"], sample.NOW, occasion())
    assert pages(found) > 2
    assert b"/URI" not in found
    assert b"/JavaScript" not in found


def test_hostile_text_is_no_markup_on_paper(views: dict[str, View]) -> None:
    view = copy.deepcopy(views["hostile"])
    view["card"]["identity"]["name"] = '#read("/etc/passwd") *bold* $x$ = heading `raw` https://evil.example #panic()'
    assert pdf(view, sample.earlier_view()["card"], sample.NOW, occasion()).startswith(b"%PDF")
    data = paper.document(report(view, now=sample.NOW), view, paper.ROOMS[0], "x")
    assert '#read("/etc/passwd")' in data["title"].replace("\u200b", "")


@settings(max_examples=25)
@given(st.text(max_size=60))
def test_every_text_can_be_printed_by_the_fonts_that_are_embedded(text: str) -> None:
    assert all(c == "\u200b" or paper._prints(c) for c in paper.printable(text))


def test_a_letter_that_no_font_has_stands_as_its_number() -> None:
    assert paper.printable("Zürich → Ωμέγα Ж") == "Zürich → Ωμέγα Ж"
    assert paper.printable("漢\u200d😀 \U000e0041") == "[U+6F22][U+1F600]"


def test_the_loudest_rows_stand_before_the_annex() -> None:
    rows = (("a", "ok"), ("b", "UNKNOWN: n"), ("c", "BROKEN since"), ("d", "ok"))
    table = Table("t", ("Part", "State"), rows, "none")
    page = Report("t", "OK", "s", (), (Section("x", "X", tables=(table,)),))
    room = paper.Room(rows=2, cell=40, charts=0)
    data = paper.document(page, {"card": {"claims": {}}}, room, "f")
    assert [row[0] for row in data["body"][0]["tables"][0]["rows"]] == ["c", "b"]
    assert data["body"][0]["tables"][0]["more"] == "and 2 more: annex"
    assert [row[0] for row in data["annex"][0]["tables"][0]["rows"]] == ["a", "b", "c", "d"]


def test_digests_can_be_copied_from_the_paper(broken: View) -> None:
    """No mark that nobody sees stands in them, so that `--key` and `verify` know them again."""
    data = paper.document(report(broken, now=sample.NOW, occasion=occasion()), broken, paper.ROOMS[0], "f")
    facts = dict(data["facts"])
    assert (facts["Digest of the card"], facts["Head of the chain"]) == (broken["digest"], broken["head"])
    verify = next(s for s in data["annex"] if s["title"] == "How to verify")
    assert f"{'ab' * 32}." in verify["says"][0]
    assert "\u200b" in paper.printable("x" * 64, wide=True)
    assert "\u200b" in paper.printable("ab" * 32), "in a narrow cell it may be broken"


def test_what_was_shown_whole_is_not_in_the_annex_again() -> None:
    table = Table("t", ("Part", "State"), (("a", "ok"),), "none")
    page = Report("t", "OK", "s", (), (Section("x", "X", tables=(table,)),))
    assert paper.document(page, {"card": {"claims": {}}}, paper.ROOMS[0], "f")["annex"] == []


def test_the_page_tells_how_to_verify_it_and_by_which_key(broken: View) -> None:
    text = markdown(broken, None, sample.NOW, occasion())
    assert f"syscard card verify v{broken['card']['version']}.dsse.json" in text.replace("\\", "")
    assert f"signed with {'ab' * 32}." in text
    assert "given by another way." in text, "the paper's own word for its key is no other way"


def test_without_typst_the_error_names_the_extra(broken: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingExtra, match=r"syscard\[server\]"):
        pdf(broken)
