"""The graph as text: declared, seen, and where the two differ."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from syscard.render.cardtext import card_text
from syscard.render.graph import graph_document, graph_text
from syscard.views import View
from syscard.words import cells
from tests.faces import sample

AGREES: dict[str, tuple[str, ...]] = {"declared_not_seen": (), "seen_not_declared": (), "weak": ()}


def traffic(**changes: Any) -> dict[str, Any]:
    carried = {"what": "ids", "made_as": "cf.items", "taken_as": "llm.item.id", "requests": 18, "things": 36}
    return {
        "ref": "cf->llm",
        "requests": 20,
        "calls": 40,
        "p95_ms": 160.0,
        "error_share": 0.025,
        "evidence": {"value": 18, "order": 2},
        "carries": [carried],
    } | changes


@pytest.fixture
def view() -> View:
    """An edge that is seen, one that went silent, and a part that nobody declared."""
    found = copy.deepcopy(sample.calm_view())
    card, live = found["card"], found["live"]
    assert live is not None
    live["parts"]["cf->llm"] = traffic()
    silent = {"silent": "no longer seen", "last_shown": "2026-11-22T13:20:00+00:00", "evidence": {}, "carries": []}
    live["parts"]["vlm->llm"] = traffic(ref="vlm->llm", calls=0, p95_ms=None, error_share=None, **silent)
    card["components"]["cache"] = card["components"]["cf"] | {"ref": "cache", "declared": None, "observed": []}
    return found


def differing() -> dict[str, tuple[str, ...]]:
    return {"declared_not_seen": ("vlm->llm",), "seen_not_declared": ("cache",), "weak": ("llm->agent",)}


def test_the_graph_is_as_accepted(view: View, as_accepted: Callable[[str, str], None]) -> None:
    as_accepted("graph.txt", "\n".join(graph_text(view, differing(), 80)) + "\n")


def test_a_graph_that_is_seen_as_declared_says_so() -> None:
    assert list(graph_text(sample.calm_view(), AGREES, 80))[-1] == "  none: what is declared is what spans show"


def test_before_the_monitors_ran_nothing_is_said_to_be_seen() -> None:
    told = list(graph_text(sample.declared_view(), AGREES, 80))
    assert told[0] == "The monitors have not run: nothing was seen of it."
    assert graph_document(sample.declared_view(), AGREES)["edges"][0]["now"] is None


@pytest.mark.parametrize("name", ["broken", "hostile"])
def test_names_from_spans_stay_on_their_lines_in_80_columns(views: dict[str, View], name: str) -> None:
    lines = list(graph_text(views[name], {"weak": ("a\x1b[2J\n->b",)}, 80))
    assert all(cells(line) <= 80 and line.isprintable() for line in lines)


def test_the_card_tells_what_an_edge_carries_and_that_it_went_silent(view: View) -> None:
    told = card_text(view)
    assert "    carries cf.items -> llm.item.id: 36 ids in 18 requests\n" in told
    assert "    SILENT: no longer seen, last 2026-11-22 13:20 UTC\n" in told


def test_the_document_holds_every_part_and_what_differs(view: View) -> None:
    told = graph_document(view, differing())
    assert [p["ref"] for p in told["components"]] == list(view["card"]["components"])
    assert [e["ref"] for e in told["edges"]] == list(view["card"]["interactions"])
    assert told["differs"]["seen_not_declared"] == ["cache"]
    edge = next(e for e in told["edges"] if e["ref"] == "cf->llm")
    assert (edge["source"], edge["target"], edge["now"]["evidence"]["value"]) == ("cf", "llm", 18)
