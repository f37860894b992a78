"""The pages: what they show, where they lead, what they are sent with, and what they say where something is wrong."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from syscard.clock import ReplayClock
from syscard.edits import MoveIncident
from syscard.errors import ChainBroken
from syscard.render.html import content_policy
from syscard_web.asking import Answer, Asked
from syscard_web.pages import CHANGES_SHOWN
from syscard_web.reading import PAGE, Reader
from syscard_web.site import PAGES, SYSTEMS_SHOWN, Site
from tests.faces import sample
from tests.faces.test_crawl import Shown, alone_on
from tests.unit.build import component, draft, opening
from tests.web.conftest import TOKEN, write

NAMED = {"number": "12", "version": "4"}
ADDRESSES = {path: path.format(**NAMED) for path in PAGES}


class Page(HTMLParser):
    """What a reader with a keyboard meets: links, headings, tables; and whatever could load or run something."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.active: list[tuple[str, str | None]] = []
        self.here: list[str] = []
        self.text = ""
        self._style = False
        self.style = ""
        self.feed(answer.body.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._style = tag == "style"
        named = dict(attrs)
        self.active += [(k, v) for k, v in attrs if k.startswith("on") or k in ("src", "srcset", "action", "style")]
        if tag == "a":
            self.links.append(named["href"] or "")
            self.here += [named["href"] or ""] if "aria-current" in named else []

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.style += data
        else:
            self.text += data


def ask(site: Site, path: str, **more: str) -> Answer:
    named = {k: v for k, v in more.items() if k in NAMED}
    query = {k: v for k, v in more.items() if k not in NAMED}
    return site.page(path, Asked(path.format(**{**NAMED, **named}), "localhost", "", query, {**NAMED, **named}))


COUNTED = re.compile(
    r"Incidents \(\d+ open\)|more changes: see the versions|stand on a page|^Edits: \d+$|Version \d+ of|system in"
)
"""What counts the rows of a page, or leads to the others."""


@pytest.mark.parametrize("path", sorted({*PAGES} - {"/crosswalk"}))
def test_no_figure_of_a_page_stands_alone(site: Site, path: str) -> None:
    """The crosswalk counts what stands on the card, item by item: its rows name the places."""
    page = Shown()
    page.feed(ask(site, path).body.decode())
    assert [one for one in alone_on(page) if not COUNTED.search(one)] == []


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_without_a_script_and_leads_to_the_others(site: Site, path: str) -> None:
    answer = ask(site, path)
    page = Page(answer)
    assert (answer.status, answer.media_type) == (200, "text/html; charset=utf-8")
    assert not {"script", "img", "iframe", "form", "link", "object", "embed", "video"} & {*page.tags}
    assert [a for a in page.active if a[0] != "src"] == []
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert page.links[0] == "#main"
    assert {"/", "/history", "/incidents", "/crosswalk", "/api/v1/openapi.json"} <= {*page.links}
    assert page.here == ([ADDRESSES[path]] if path in ("/", "/history", "/incidents", "/crosswalk") else [])


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(site: Site, path: str) -> None:
    answer = ask(site, path)
    ids = set(re.findall(r'id="([^"]+)"', answer.body.decode()))
    for href in Page(answer).links:
        if href.startswith("#"):
            assert href[1:] in ids
        elif href.startswith("/api/"):
            assert href.split("?")[0].startswith("/api/v1/")
        elif href.startswith("/"):
            route = next(p for p in PAGES if re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", p), href.split("?")[0]))
            number = href.split("?")[0].rsplit("/", 1)[-1]
            assert ask(site, route, number=number, version=number).status == 200
        else:
            assert href.startswith("https://")


@pytest.mark.parametrize("path", PAGES)
def test_headers_let_nothing_be_loaded_run_framed_or_kept(site: Site, path: str) -> None:
    answer = ask(site, path)
    policy = answer.headers["content-security-policy"]
    assert policy == f"{content_policy(Page(answer).style)}; frame-ancestors 'none'"
    assert "script" not in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert {"base-uri 'none'", "form-action 'none'"} <= {*policy.split("; ")}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
def test_what_spans_hold_is_never_markup(hostile: Path, site_of: Callable[..., Site], path: str) -> None:
    answer = ask(site_of(hostile), path)
    page = Page(answer)
    assert answer.status == 200
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert b"<script" not in answer.body
    assert b"\x1b" not in answer.body
    assert [href for href in page.links if not re.match(r"[#/]|https://", href)] == []


def test_the_card_shows_the_verdict_its_rule_and_what_changed_with_links_to_incidents(site: Site) -> None:
    page = Page(ask(site, "/"))
    assert "System card: Shop recommender 2026.11.2" in page.text
    assert "How this word is decided" in page.text
    assert "BROKEN sees-the-picture 0.91 -> 0.30" in " ".join(page.text.split())
    assert "/incidents/12" in page.links
    assert "svg" in page.tags
    assert "watcher alive" in page.text


def test_a_silent_watcher_is_told_by_the_clock_of_the_reader(records: Path) -> None:
    later = Site(records, None, ReplayClock(sample.NOW + timedelta(hours=3)))
    assert "WATCHER SILENT" in Page(ask(later, "/")).text


def test_history_lists_versions_newest_first_with_what_materially_changed(site: Site) -> None:
    page = Page(ask(site, "/history"))
    assert [href for href in page.links if href.startswith("/history/")] == [f"/history/{n}" for n in (4, 3, 2, 1)]
    assert "OPENED INC-12 page: vlm" in " ".join(page.text.split())
    assert "nothing material" in page.text
    assert [href for href in Page(ask(site, "/history", before="3")).links if href.startswith("/history/")] == [
        "/history/2", "/history/1"]  # fmt: skip


def test_more_versions_than_a_page_holds_are_behind_a_link(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    batches = [(f"look {n}", [draft(component("llm", {"owner": f"o{n}"}), minute=n)]) for n in range(PAGE + 3)]
    site = site_of(write(tmp_path / "records.db", "shop", batches))
    first = Page(ask(site, "/history"))
    assert "/history?before=4" in first.links
    assert "/history/28" in first.links
    assert "/history/3" not in first.links
    rest = Page(ask(site, "/history", before="4"))
    assert [href for href in rest.links if href.startswith("/history")] == ["/history", "/history/3", "/history/2",
                                                                           "/history/1"]  # fmt: skip


def test_a_version_shows_all_its_changes_its_edits_and_its_neighbours(site: Site) -> None:
    page = Page(ask(site, "/history/{version}", version="2"))
    changes = Reader(site.reader.records).version("shop-recommender", 2).changes
    assert len(changes) > CHANGES_SHOWN
    text = " ".join(page.text.split())
    assert all(" ".join(c.text.split()) in text for c in changes)
    assert {"/history/1", "/history/3"} <= {*page.links}
    assert "baseline" in page.text


def test_an_incident_is_told_in_the_order_in_which_people_ask(site: Site) -> None:
    text = " ".join(Page(ask(site, "/incidents/{number}", number="INC-12")).text.split())
    places = [text.index(word) for word in ("In words", "Signals", "Who changed", "Evidence", "Traces", "Timeline")]
    assert places == sorted(places)
    assert "changed itself, given what reaches it" in text
    assert sample.NOTE in text
    assert "E-5" in text
    assert "roll back lit-0.4" in text


def test_incidents_that_are_over_are_listed_newest_first_whatever_their_severity(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    bodies = [opening(1, severity="page"), opening(2, subject="cf", severity="ticket"), opening(3, severity="page")]
    batches = [
        ("monitor", [draft(body, minute=n * 60), draft(MoveIncident(number=n, state="resolved"), minute=n * 60 + 1)])
        for n, body in enumerate(bodies, start=1)
    ]
    page = Page(ask(site_of(write(tmp_path / "records.db", "shop", batches)), "/incidents"))
    assert [href for href in page.links if href.startswith("/incidents/")] == [f"/incidents/{n}" for n in (3, 2, 1)]


def test_the_same_numbers_stand_on_the_page_of_an_incident_and_in_the_terminal(site: Site) -> None:
    from syscard.render.cardtext import incident_text
    from syscard.views import read_view

    view = read_view(site.reader.records)
    page = " ".join(Page(ask(site, "/incidents/{number}")).text.split())
    for figure in re.findall(r"\d+\.\d+ -> \d+\.\d+", incident_text(view, 12)):
        before, now = figure.split(" -> ")
        assert before in page
        assert now in page


def test_several_systems_are_listed_and_each_link_keeps_to_its_own(two: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(two)
    listed = Page(ask(site, "/"))
    assert {"/?system=bank", "/?system=shop-recommender"} <= {*listed.links}
    bank = Page(ask(site, "/", system="bank"))
    assert {"/history?system=bank", "/incidents?system=bank", "/systems?system=bank"} & {*bank.links}
    assert "/api/v1/card?system=bank" in bank.links
    assert "v1" in bank.text
    assert ask(site, "/history").status == 400


def test_where_there_are_several_systems_no_link_leads_to_a_page_that_asks_which(
    two: Path, site_of: Callable[..., Site]
) -> None:
    site = site_of(two)
    answers = [ask(site, "/"), ask(site, "/systems"), ask(site, "/history"), ask(site, "/", system="zoo")]
    for answer in (*answers, site.missing(Asked("/weather", "localhost"))):
        page = Page(answer)
        assert {href.split("?")[0] for href in page.links if not href.startswith(("#", "/api/"))} <= {"/", "/systems"}
        assert "/systems" in page.links
        assert all("?system=" in href for href in page.links if href.split("?")[0] == "/")
    assert Page(answers[0]).here == ["/systems"]
    assert "Name one with ?system=: bank, shop-recommender." in Page(answers[2]).text
    assert "There is: bank, shop-recommender." in Page(answers[3]).text


def test_of_many_systems_the_first_are_listed_and_the_others_counted(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    file = write(tmp_path / "records.db", "s00", sample.past()[:1])
    with closing(sqlite3.connect(file)) as connection, connection:
        columns = ", ".join(row[1] for row in connection.execute("pragma table_info(view)") if row[1] != "system")
        copy = f"insert into view (system, {columns}) select ?, {columns} from view where system = 's00'"
        connection.executemany(copy, [(f"s{n:02}",) for n in range(1, SYSTEMS_SHOWN + 3)])
    site = site_of(file)
    page = Page(ask(site, "/"))
    assert f"{SYSTEMS_SHOWN + 3} systems in this home" in page.text
    assert "3 more systems" in page.text
    assert "/?system=s49" in page.links
    assert "/?system=s50" not in page.links
    assert ask(site, "/", system="s52").status == 200
    assert "s00, s01" in Page(ask(site, "/history")).text
    assert f"s19 and {SYSTEMS_SHOWN + 3 - 20} more" in Page(ask(site, "/history")).text


@pytest.mark.parametrize(
    ("path", "more", "status", "says"),
    [
        ("/incidents/{number}", {"number": "7"}, 404, "No incident INC-7 on this card"),
        ("/incidents/{number}", {"number": "x"}, 400, "'x' is no incident"),
        ("/incidents/{number}", {"number": "9" * 5000}, 400, "is no incident"),
        ("/incidents/{number}", {"number": "\u0661\u0662"}, 400, "is no incident"),
        ("/history/{version}", {"version": "99"}, 404, "has no card v99"),
        ("/history/{version}", {"version": "0"}, 400, "'0' is no version"),
        ("/history", {"before": "soon"}, 400, "'soon' is no version"),
        ("/", {"system": "zoo"}, 404, "No system 'zoo' here"),
        ("/", {"system": "z" * 300}, 400, "System is longer than 200"),
    ],
)
def test_what_is_asked_wrongly_is_a_page_that_says_so(
    site: Site, path: str, more: dict[str, str], status: int, says: str
) -> None:
    answer = ask(site, path, **more)
    assert answer.status == status
    assert says in Page(answer).text
    assert "What to do" in Page(answer).text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_home_without_a_card_says_what_to_type(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    answer = ask(site_of(tmp_path / "records.db"), "/")
    assert answer.status == 404
    assert "syscard apply system.yaml" in Page(answer).text
    assert site_of(tmp_path / "records.db").health().status == 200
    assert list(tmp_path.iterdir()) == []


def test_records_that_cannot_be_read_are_said_and_not_drawn(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    file = tmp_path / "records.db"
    file.write_bytes(b"no database " * 400)
    site = site_of(file)
    answer = ask(site, "/")
    assert answer.status == 503
    assert "syscard doctor" in Page(answer).text
    assert site.health().status == 503


def test_an_edit_that_was_tampered_with_breaks_the_history_and_not_the_card(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    file = write(tmp_path / "records.db", "shop-recommender", sample.past(), sample.live())
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("update edit set draft = replace(draft, '\"body\"', '\"bode\"') where version = 2")
    site = site_of(file)
    assert ask(site, "/history").status == 503
    card = ask(site, "/")
    assert card.status == 200
    assert "it is no edit that was ever written" in Page(card).text
    with pytest.raises(ChainBroken):
        site.reader.history("shop-recommender")


def test_what_nobody_foresaw_is_a_page_and_a_line_of_the_log_without_its_words(
    records: Path, site_of: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(records)
    site.clock = lambda: 1 / 0  # type: ignore[assignment, return-value]
    answer = site.document("/status", Asked("/api/v1/status", "localhost"))
    assert answer.status == 500
    assert b"internal error: see the log" in answer.body
    assert "ZeroDivisionError at test_pages.py" in caplog.text


def test_what_is_not_here_is_a_page_for_people_and_a_document_for_programs(site: Site) -> None:
    page = site.missing(Asked("/weather", "localhost"))
    assert (page.status, page.media_type) == (404, "text/html; charset=utf-8")
    assert "/api/v1/openapi.json" in Page(page).text
    document = site.missing(Asked("/api/v2/card", "localhost"))
    assert (document.status, document.media_type) == (404, "application/json")


def test_an_answer_stands_for_ten_seconds_and_not_longer_than_the_records(tmp_path: Path) -> None:
    file = write(tmp_path / "records.db", "shop-recommender", sample.past(), sample.live())
    clock = ReplayClock(sample.NOW)
    site = Site(file, None, clock)

    def rename(before: str, after: str, *, told: int) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            command = "update view set body = replace(body, ?, ?), stamp = stamp + ?"
            connection.execute(command, (before, after, told))

    first = ask(site, "/incidents")
    rename("Shop recommender", "Another", told=0)
    assert ask(site, "/incidents") is first
    assert b"Another" in ask(site, "/incidents", system="shop-recommender").body
    assert b"Another" in site.document("/status", Asked("/api/v1/status", "localhost")).body
    clock.advance(timedelta(seconds=10))
    assert b"Another" in ask(site, "/incidents").body
    rename("Another", "A third", told=1)
    assert b"A third" in ask(site, "/incidents").body


def test_what_was_answered_one_reader_is_not_told_to_another(records: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(records, TOKEN)
    known = Asked("/", "localhost", f"Bearer {TOKEN}")
    assert site.page("/", known).status == 200
    assert site.page("/", known) is site.page("/", known)
    assert site.page("/", Asked("/", "localhost")).status == 401


def test_few_answers_are_kept(site_of: Callable[..., Site], records: Path) -> None:
    site = site_of(records)  # of its own: what others asked before is kept, too
    oldest = ask(site, "/history", before="4")
    assert ask(site, "/history", before="4") is oldest
    for before in ("3", "2", "1000", "1001"):
        ask(site, "/history", before=before)
    assert ask(site, "/history", before="4") is not oldest
