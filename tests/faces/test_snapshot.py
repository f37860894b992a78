"""Snapshots: one HTML file, Markdown, JSON."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser

import pytest

from syscard.errors import MissingExtra
from syscard.render.charts import claims_chart, limit_of, sparkline, tolerated
from syscard.render.report import report
from syscard.render.snapshot import html, json_document, markdown
from syscard.views import View
from tests.faces import sample

NAMES = ("broken", "earlier", "calm", "declared", "silent", "idle", "hostile")
_VOID = frozenset(("meta", "br", "hr", "img", "input", "link"))
_LOADS = frozenset(("src", "srcset", "href", "xlink:href", "action", "data", "poster", "background", "style"))


class Page(HTMLParser):
    """What a page holds: balanced tags, attributes, texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def count(self, tag: str) -> int:
        return sum(1 for name, _ in self.seen if name == tag)


@pytest.fixture(scope="module", params=NAMES)
def page(request: pytest.FixtureRequest) -> Page:
    """Every view as a parsed page."""
    return Page(html(sample.variants()[request.param], sample.earlier_view()["card"]))


def test_every_tag_of_the_page_is_closed(page: Page) -> None:
    assert page.open == []


def test_the_page_can_ask_nobody_for_anything(page: Page) -> None:
    for tag, attributes in page.seen:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img", "base", "form")
        for name in _LOADS & set(attributes):
            assert (attributes[name] or "").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
        assert all(m.startswith("#") for v in attributes.values() if v for m in re.findall(r"url\(([^)]*)\)", v))
    sheet = "".join(text for tag, text in page.texts if tag == "style")
    assert "url(" not in sheet
    assert "@import" not in sheet


def test_the_policy_allows_only_the_style_sheet_of_the_page(page: Page) -> None:
    sheet = "".join(text for tag, text in page.texts if tag == "style")
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = next(a["content"] for tag, a in page.seen if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_every_table_has_a_caption_and_every_head_a_scope(page: Page) -> None:
    assert page.count("table") == page.count("caption") > 0
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.seen if tag == "th")


def test_every_drawing_says_in_words_what_it_shows(page: Page) -> None:
    drawings = sum(1 for tag, a in page.seen if tag == "svg" and a.get("role") == "img")
    assert drawings == page.count("desc") == page.count("title") - 1


def test_the_page_has_a_language_one_main_heading_and_a_way_past_the_contents(page: Page) -> None:
    assert ("html", {"lang": "en"}) in page.seen
    assert page.count("h1") == page.count("main") == 1
    assert ("a", {"class": "skip", "href": "#main"}) in page.seen


def test_every_link_leads_somewhere_and_no_two_things_share_a_name(page: Page) -> None:
    names = [a["id"] for _, a in page.seen if "id" in a]
    assert len(names) == len(set(names))
    assert {(a["href"] or "")[1:] for tag, a in page.seen if tag == "a"} <= set(names)


def test_hostile_text_stays_text(views: dict[str, View]) -> None:
    text = html(views["hostile"], sample.earlier_view()["card"])
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u200b\u202e\ud800-\udfff]", text)


def test_a_card_is_the_same_page_every_time(broken: View) -> None:
    assert html(broken) == html(copy.deepcopy(broken))


def test_leaders_read_in_this_order(broken: View) -> None:
    assert [s.id for s in report(broken).sections] == [
        "claims", "changed", "incidents", "risks", "waivers", "groups", "missing", "parts", "crosswalk", "signoffs",
        "cost", "declared", "evidence", "past", "tracing", "verify",
    ]  # fmt: skip


def test_an_incident_that_shows_on_many_signals_names_three_and_says_where_the_rest_are(broken: View) -> None:
    view = copy.deepcopy(broken)
    incident = next(i for i in view["card"]["incidents"].values() if i["state"] == "open")
    incident["findings"] = [{**incident["findings"][0], "label": f"sign {n}"} for n in range(9)]
    (row,) = [line for line in markdown(view).splitlines() if line.startswith("| INC-12 page")]
    assert [f"sign {n}" in row for n in range(9)] == [True] * 3 + [False] * 6
    assert f"6 more signals: syscard incident show INC-{incident['number']}" in row


def with_traces(view: View, template: str, *traces: str) -> View:
    """A view whose open incident has these example traces, and where they can be looked at."""
    view = copy.deepcopy(view)
    view["card"]["traces"] = {**view["card"]["traces"], "trace_url": template}
    next(i for i in view["card"]["incidents"].values() if i["state"] == "open")["traces"] = list(traces)
    return view


def outward(view: View) -> list[str]:
    """Addresses of the page that lead out of it."""
    links = [a["href"] or "" for tag, a in Page(html(view)).seen if tag == "a"]
    return [link for link in links if not link.startswith("#")]


def test_example_traces_of_an_open_incident_lead_to_where_the_team_has_them(broken: View) -> None:
    view = with_traces(broken, "https://traces.example/t/{trace_id}?at={start_ms}&x=1", "ab12@1700000000000000", "?!")
    assert outward(view) == ["https://traces.example/t/ab12?at=1700000000000&x=1"]
    assert "&amp;x=1" in html(view)
    assert 'rel="noopener noreferrer"' in html(view)
    told = markdown(view)
    assert "- INC-12: ab12@1700000000000000: https://traces.example/t/ab12" in unescape(told)
    assert "https:" not in told


@pytest.mark.parametrize(
    "template",
    [
        "javascript:alert('{trace_id}')",
        "data:text/html,{trace_id}",
        "//traces.example/{trace_id}",
        'https://traces.example/{trace_id}"><script>',
        "https://traces.example/{trace_id.__class__}",
        "https://traces.example/{trace_id",
    ],
)
def test_a_card_that_was_changed_behind_our_back_makes_no_link(broken: View, template: str) -> None:
    view = with_traces(broken, template, "ab12@1700000000000000")
    assert outward(view) == []
    assert "script" not in html(view)


def test_without_a_template_no_link_leads_out_of_the_page(broken: View) -> None:
    assert outward(broken) == []


def test_the_verdict_stands_with_its_rule_its_date_and_its_digest(broken: View) -> None:
    page = report(broken)
    facts = dict(page.facts)
    assert page.summary.startswith("BROKEN since 2026-11-22 14:02 UTC. Claims: 2 hold, 2 broken, 2 unknown, 0 stale.")
    assert facts["How this word is decided"].startswith("BROKEN: a claim is broken.")
    assert (facts["Digest of the card"], facts["As of"]) == (broken["digest"], "2026-11-22 14:33 UTC")


def test_a_period_without_traffic_is_not_shown_as_if_all_held(views: dict[str, View]) -> None:
    assert "No traffic was measured in this period" in report(views["idle"]).summary
    assert report(views["idle"]).verdict == "UNKNOWN"


def test_a_long_table_of_details_is_opened_by_who_wants_it_and_says_how_long_it_is(broken: View) -> None:
    assert "<details>" not in html(broken, None, sample.NOW)
    view = copy.deepcopy(broken)
    seen = view["live"]["versions"]
    seen["vlm"] = [{**seen["vlm"][0], "value": f"lit-{n}"} for n in range(21)]
    page = html(view, None, sample.NOW)
    assert re.findall("<details><summary>(.*?)</summary>", page) == [
        "Version signals: what calls of each component carried (live): 21 rows"
    ]
    assert page.count("<details>") == page.count("</details>")


def test_a_page_made_long_after_the_last_look_says_so(views: dict[str, View]) -> None:
    late = report(views["calm"], now=sample.NOW + timedelta(hours=1))
    assert late.verdict == "UNKNOWN"
    assert "held when last looked at" in late.summary
    assert dict(late.facts)["Watcher"].startswith("WATCHER SILENT")


def test_every_measured_figure_in_a_table_stands_beside_its_evidence(broken: View) -> None:
    for table in next(s for s in report(broken).sections if s.id == "claims").tables:
        value, evidence = table.heads.index("Value and interval"), table.heads.index("Evidence")
        for row in table.rows:
            assert re.fullmatch(r"E-\d+", row[evidence]) or not re.match(r"\d", row[value])


@pytest.mark.parametrize("name", NAMES)
def test_the_markdown_reads_as_accepted(
    views: dict[str, View], as_accepted: Callable[[str, str], None], name: str
) -> None:
    as_accepted(f"snapshot-{name}.md", markdown(views[name], sample.earlier_view()["card"]))


def test_hostile_text_is_no_markup_in_markdown(views: dict[str, View]) -> None:
    text = markdown(views["hostile"])
    assert not re.search(r"<[a-z/]|(?<!\\)\[|https?:", text, re.IGNORECASE)
    assert not re.search(r"(?<!\\)`", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(re.fullmatch(r"(\|([^|\\]|\\.)*)+\|", row) for row in rows)


def test_text_at_the_start_of_a_line_opens_no_list_or_heading(broken: View) -> None:
    view = copy.deepcopy(broken)
    view["card"]["baseline"] = None
    view["card"]["identity"]["name"] = "1. x"
    view["live"]["watcher"]["errors"] = ["# not a heading"]
    assert "\n- # " not in markdown(view)
    assert markdown(view).startswith("# System card: 1. x")


def test_the_document_is_json_with_the_digest_and_without_the_words_of_people(broken: View) -> None:
    document = json_document(broken)
    assert list(document) == [
        "schema", "system", "version", "written", "digest", "head", "edits", "card", "live", "gate",
        "blind_spots", "sources", "verdict", "snapshot",
    ]  # fmt: skip
    assert sample.NOTE not in json.dumps(document)


def test_without_jinja_the_error_names_the_extra(broken: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=r"snapshot needs the extra 'server': pip install 'syscard\[server\]'"):
        html(broken)


@pytest.mark.parametrize(
    ("expect", "limit"),
    [(">= 0.90", (">=", 0.9)), ("<= 3s", ("<=", 3.0)), ("== 0", ("==", 0.0)), (">= 90%", (">=", 0.9))],
)
def test_a_promise_is_drawn_where_it_stands(expect: str, limit: tuple[str, float]) -> None:
    found = limit_of(expect)
    assert found is not None
    assert found.op == limit[0]
    assert found.at == pytest.approx(limit[1])


def test_a_chart_that_is_cut_draws_a_group_under_the_claim_that_it_is_of(broken: View) -> None:
    def names(most: int, view: View = broken) -> list[str]:
        return re.findall(r'<text x="(?:4|20)"[^>]*>([^<]*)<', claims_chart(view, most=most))

    whole = names(99)
    assert whole[:4] == ["grounded", "age_band=45-54", "age_band=25-34", "age_band=unknown"]
    assert sum("age_band" in name for name in whole) == 3
    only_group_broken = copy.deepcopy(broken)
    only_group_broken["card"]["claims"]["grounded"]["slices"][0]["status"] = "holds"
    assert names(2, only_group_broken) == ["sees-the-picture", "grounded: age_band=45-54"]


def test_what_cannot_be_read_as_a_limit_is_not_drawn() -> None:
    assert limit_of("as good as before") is None


def test_tolerance_is_drawn_only_where_it_is_in_the_unit_of_the_signal() -> None:
    signal = {"value": 0.3, "reference": 0.9, "effect": 0.6, "tolerance": 0.05}
    assert tolerated(signal) == pytest.approx((0.85, 0.95))
    assert tolerated({**signal, "effect": 3.0, "tolerance": 1.5}) == pytest.approx((0.6, 1.35))
    assert tolerated({**signal, "effect": 0.44, "tolerance": 0.25}) is None
    assert tolerated({**signal, "reference": None}) is None


def test_a_window_without_a_value_interrupts_the_line(broken: View) -> None:
    drawn = sparkline(broken["live"]["signals"]["cf.latency"])
    assert len(re.findall(r"M[\d.]+ [\d.]+", drawn)) == 2
