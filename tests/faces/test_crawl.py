"""Every figure on a face can be found again: in a record of evidence, in the edit that says it, live, or as declared.

What people read as data is crawled number by number; what they read as text, line by line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from syscard.faces import overview
from syscard.fold import fold
from syscard.render.cardtext import card_text, incident_text, part_text
from syscard.render.graph import graph_document, graph_text
from syscard.render.groups import groups_text
from syscard.render.html import html
from syscard.render.interaction import part_document
from syscard.render.risks import entry_document, risk_list_text, risk_text
from syscard.render.snapshot import json_document, markdown
from syscard.render.status import status_text
from syscard.render.why import why_text
from syscard.sources import sources
from syscard.stored import read
from syscard.view import build_view
from syscard.views import View
from tests.faces import sample
from tests.unit.build import GATE
from tests.unit.syscard.test_golden_cards import RELEASES, rows_of

Path = tuple[str | int, ...]
DECLARED: Final = {"identity", "traces", "monitors", "unknowns", "datasets", "declared"}
NAMES: Final = {
    "version",
    "number",
    "seq",
    "incident",
    "observed_in",
    "merged",
    "merged_into",
    "evidence_count",
    "edits",
}
"""Keys of numbers that name something: they are no figures."""
RESTS: Final = ("evidence", "attributed_by", "digest", "data_digest", "document_sha256", "input", "envelope")
"""Keys whose value is what the figures beside them rest on."""


def rich_view() -> View:
    """The card of the newest release that was kept, which has a bit of everything."""
    rows = rows_of(RELEASES[-1])
    edits = [read(row) for row in rows]
    card = fold(edits, start="shop")
    return build_view(card, None, gate=GATE, head=rows[-1].link, edits=len(rows), texts={},
                      written=card.observed, sources=sources(edits, card))  # fmt: skip


VIEWS: Final = {"rich": rich_view(), **{name: sample.variants()[name] for name in ("broken", "calm", "declared")}}


def figures(value: Any, path: Path = (), above: tuple[Any, ...] = ()) -> Iterator[tuple[Path, float, tuple[Any, ...]]]:
    """Every number of a JSON document, with where it stands and what it stands in."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value, above
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from figures(inner, (*path, key), (*above, value))


def rests_on(view: View, path: Path, above: tuple[Any, ...]) -> str | None:
    """What a number of a card rests on, or None."""
    words = [step for step in path if isinstance(step, str)]
    if words[0] in DECLARED or "declared" in words:
        return "declared"
    if "live" in words or "now" in words:
        return "live"
    if words[-1] in NAMES:
        return "name"
    for holder in reversed(above):
        named = (holder.get(key) for key in RESTS) if isinstance(holder, dict) else ()
        if any(isinstance(one, str) and re.match(r"^[0-9a-f]{64}$|^E-\d+$", one) for one in named):
            return "evidence"
    if any(isinstance(holder, dict) and None in (holder.get("evidence_class", ""), holder.get("assessed", ""))
           for holder in above):  # fmt: skip
        return "nothing was measured"
    said: str | None = view["sources"].get(_place(path, above))
    return said


def _place(path: Path, above: tuple[Any, ...]) -> str:
    table, ref, *rest = (str(step) for step in path)
    if table == "components":
        return f"components/{ref}/{above[-1]['what']}/{above[-1]['value']}"
    if table == "incidents":
        return f"incidents/{ref}/{rest[0]}"
    return f"reports/{above[-1]['start']}" if table == "reports" else f"{table}/{ref}"


@pytest.mark.parametrize("name", VIEWS)
def test_every_figure_of_a_card_is_found_in_the_evidence_in_an_edit_or_as_declared(name: str) -> None:
    view = VIEWS[name]
    document = json_document(view)
    assert document["sources"] == view["sources"]
    alone = [path for path, _, above in figures(document["card"]) if not rests_on(view, path, above)]
    assert alone == []
    assert len(list(figures(document["card"]))) > 10


def test_a_figure_that_names_nothing_would_be_found() -> None:
    view = json.loads(json.dumps(VIEWS["broken"]))
    view["card"]["claims"]["fast"]["slices"][0]["evidence"] = None
    view["sources"] = {}
    alone = {path[:2] for path, _, above in figures(view["card"]) if not rests_on(view, path, above)}
    assert {("claims", "fast"), ("interactions", "vlm->llm")} <= alone


def test_what_a_figure_rests_on_is_on_the_card_or_in_the_chain() -> None:
    """Digests beside figures resolve: to a record of the card, or to an edit."""
    rows = rows_of(RELEASES[-1])
    digests = {read(row).draft.digest for row in rows}
    view = VIEWS["rich"]
    claims = [s["evidence"] for c in view["card"]["claims"].values() for s in c["slices"] if s["evidence"]]
    assert claims
    assert set(claims) <= view["card"]["evidence"].keys() <= digests
    told = [one["evidence"] for table in ("groups", "assessed") for one in view["card"][table].values()]
    assert {*told, *view["sources"].values()} <= digests
    assert {"interactions/llm->vlm", "components/llm/model/m-2", "claims/grounded", "incidents/1/impact"} <= set(
        view["sources"]
    )


@pytest.mark.parametrize("name", VIEWS)
def test_every_figure_of_a_part_s_page_and_of_the_graph_as_data_rests_on_something(name: str) -> None:
    view = VIEWS[name]
    for edge in graph_document(view, {})["edges"]:
        assert edge["said_in"] or edge["traces"] == 0
    for ref in view["card"]["interactions"]:
        for risk in part_document(view, ref)["risks"]:
            assert risk["evidence"] or risk["state"] == "unknown"


MARKS: Final = re.compile(
    r"E-\d+|(edit|evidence|head) [0-9a-f]{12}|\w@\d|INC-\d+|W-\d+|declared|DECLARED|live|LIVE|newest window"
    r"|never assessed|nothing has been measured yet|(monitor|human):\w"
)
"""What stands beside a figure: a record, an edit, a trace, an incident, or the word that says what figure it is."""
FIGURE: Final = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?: ?%| ms| s)?(?![\w.-])")
NO_FIGURE: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?Z?)?|\b\d\d:\d\d(?: UTC)?|\bv\d+|\b[A-Z]{1,3}-\d+|[0-9a-f]{12,}\S*|95 %"
)
"""Times, versions, names and digests."""


def blocks(text: str) -> Iterator[str]:
    """A text in its sections."""
    yield from text.split("\n\n")


def entries(text: str) -> Iterator[str]:
    """Each line of a text with those that are indented deeper, under the title of its section."""
    for block in blocks(text):
        title, *lines = block.splitlines() or [""]
        found: list[str] = []
        for line in lines:
            if re.match(r"^ {1,4}\S", line) or not found:
                found.append(line)
            else:
                found[-1] += f"\n{line}"
        yield from (f"{title}\n{entry}" for entry in found or [""])


def pages(view: View) -> Iterator[str]:
    """Texts whose every entry says what its figures rest on, and those whose every section does."""
    for ref in view["card"]["interactions"]:
        yield from entries(part_text(view, ref))
    yield "\n".join(graph_text(view, {}, 80))
    yield from blocks("\n".join(why_text(view, claim) for claim in view["card"]["claims"]))
    for one in view["card"]["incidents"].values():
        if one["findings"][0]["evidence"] == "0" * 64:
            continue  # a test's stand-in, which is nowhere
        yield from blocks(incident_text(view, one["number"]))
    yield from (item for item in blocks(card_text(view)) if item.startswith(TOLD))


TOLD: Final = ("CLAIMS", "INTERACTIONS", "GROUPS", "RISKS", "EVIDENCE")


@pytest.mark.parametrize("name", VIEWS)
def test_no_text_has_figures_and_nothing_beside_them(name: str) -> None:
    found = [page for page in pages(VIEWS[name]) if FIGURE.search(NO_FIGURE.sub("", page))]
    assert [page for page in found if not MARKS.search(page)] == []
    assert found


@pytest.mark.parametrize("name", VIEWS)
def test_no_section_of_a_snapshot_has_figures_and_nothing_beside_them(name: str) -> None:
    sections = markdown(VIEWS[name]).split("\n## ")[1:]
    found = [section for section in sections if FIGURE.search(NO_FIGURE.sub("", section))]
    assert found
    assert [section for section in found if not MARKS.search(section)] == []


@pytest.mark.parametrize("name", VIEWS)
def test_a_claim_on_the_first_screen_names_its_record_beside_its_figure(name: str) -> None:
    view = VIEWS[name]
    screen = status_text(overview(view, sample.NOW), sample.NOW)
    lines = re.findall(r"^\S \S+ .*(?:\n {4,}.*)*", screen, re.MULTILINE)
    told = [line for line in lines if line.split()[1] in view["card"]["claims"] and "[" in line]
    assert [line for line in told if not re.search(r"E-\d+", line)] == []
    assert told or name != "broken"


def test_groups_name_the_edit_that_holds_their_figures() -> None:
    found = [block for block in blocks("\n".join(groups_text(VIEWS["broken"], 80))) if FIGURE.search(block)]
    assert found
    assert [block for block in found if not re.search(r"[0-9a-f]{12}|declared|not compared", block)] == []


class Shown(HTMLParser):
    """What a reader sees of a page: rows of tables with caption and heads, and texts with the heading over them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._said, self._over, self._caption = "", "", ""
        self._heads: list[str] = []
        self._cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        if tag == "table":
            self._heads.clear()
        if tag == "tr":
            self._cells.clear()
        if tag in _BLOCKS:
            self._said = ""

    def handle_data(self, data: str) -> None:
        self._said += "" if self._open and self._open[-1] in ("style", "title") else f"{data} "

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass  # what has no end of its own
        said = " ".join(self._said.split())
        if tag in ("h2", "h3", "dt"):
            self._over = said
        elif tag == "caption":
            self._caption = said
        elif tag in ("th", "td"):
            (self._heads if "thead" in self._open else self._cells).append(said)
        elif tag == "tr" and self._cells:
            self.rows.append((self._caption, tuple(self._heads), tuple(self._cells)))
        elif tag in _BLOCKS:
            self.texts.append((self._over, said))


_BLOCKS: Final = ("h2", "h3", "caption", "th", "td", "dt", "dd", "li", "p", "figcaption", "desc")
COUNTS: Final = re.compile(
    r"\b\d+ (hold|held|broken|unknown|stale|even|incidents? open|seen|not seen|claims?)\b|^\d+ metrics? uneven"
    r"|\b(claims that hold|claims broken|incidents open)\b|at most 1\.25|reference windows|windows, oldest first"
)
"""Sentences that count what stands on the same page, say the rule, or describe a drawing of live values."""
RESTED: Final = re.compile(
    MARKS.pattern
    + r"|counted in the spans|spans that say|digest [0-9a-f]{64}|edits in the chain|monitors [0-9]+/[0-9]+ ran"
)
AGE: Final = re.compile(r"\bfor \d+ (?:s|min|h|d)\b")
MAPPED: Final = "Item by item: syscard crosswalk"


def alone_on(page: Shown) -> list[str]:
    """Figures of a page that have no record, edit, or word beside them, in their row, over them or in the caption."""
    found, held = [], dict[tuple[str, ...], str]()
    for caption, heads, cells in page.rows:
        # An empty cell says what stands over it: the evidence of a metric is in the first row of its groups.
        key = (caption, *cells[:2])
        held[key] = row = f"{held.get(key, '')} {' '.join(cells)}"
        for head, cell in zip(heads, cells, strict=True):
            beside = f"{row} {head} {caption}"
            if has_figure(cell) and not RESTED.search(beside) and caption != MAPPED and head != "Group":
                found.append(f"{caption}: {cells}")
    for over, text in page.texts:
        if has_figure(text) and not RESTED.search(f"{over} {text}") and not COUNTS.search(text):
            found.append(f"{over}: {text}")
    return found


def has_figure(text: str) -> bool:
    return FIGURE.search(AGE.sub("", NO_FIGURE.sub("", text))) is not None


def page_of(view: View) -> Shown:
    page = Shown()
    page.feed(html(view))
    return page


@pytest.mark.parametrize("name", VIEWS)
def test_no_figure_of_the_page_stands_alone(name: str) -> None:
    page = page_of(VIEWS[name])
    assert alone_on(page) == []
    assert sum(has_figure(cell) for _, _, cells in page.rows for cell in cells) > 10


def test_a_figure_of_the_page_that_names_nothing_would_be_found() -> None:
    view = json.loads(json.dumps(VIEWS["broken"]))
    view["card"]["claims"]["fast"]["slices"][0]["evidence"] = None
    view["card"]["claims"]["fast"]["declared"]["expect"] = "quick"
    view["sources"] = {}
    assert any("'fast'" in one for one in alone_on(page_of(view)))


@pytest.mark.parametrize("name", VIEWS)
def test_what_was_found_of_a_risk_names_the_edit_that_holds_it(name: str) -> None:
    """What the catalogue says of a risk is no figure of the system: only what was found, place by place, is crawled."""
    view = VIEWS[name]
    listed = [block for block in re.split(r"\n(?=[!? ] IR-)", risk_list_text(view)) if "edit" in block]
    known = view["card"].get("assessed", {})
    assert len(listed) == len(known)
    assert {edit for block in listed for edit in re.findall(r"edit\s+([0-9a-f]{12})", block)} == {
        one["evidence"][:12] for one in known.values()
    }
    for risk in {one["found"]["risk"] for one in known.values()}:
        assert all(place["evidence"] for place in entry_document(view["card"], risk)["places"])
        for place in list(blocks(risk_text(view, risk)))[1:]:
            assert not has_figure(place) or MARKS.search(place)
