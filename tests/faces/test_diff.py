"""The material difference between two cards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard import edits as e
from syscard.diff import material_diff
from syscard.fold import fold
from syscard.render.cardtext import diff_text
from syscard.slices import claim_status
from syscard.views import View
from tests.faces import sample

_CLAIMS = ("a", "b", "c")
_slices = st.builds(
    e.SliceStatus,
    slice=st.sampled_from(["all", "age_band=45-54"]),
    status=st.sampled_from(["holds", "broken", "unknown", "stale"]),
    value=st.none() | st.floats(0, 1),
    n=st.integers(0, 5000),
    why=st.sampled_from(["", "needs n 200, has 40"]),
)
_some = st.lists(_slices, min_size=1, max_size=2, unique_by=lambda s: s.slice).map(tuple)
_bodies = st.one_of(
    st.builds(e.SetClaim, claim=st.sampled_from(_CLAIMS), slices=_some),
    st.builds(
        e.Declare,
        section=st.just("claim"),
        ref=st.sampled_from(_CLAIMS),
        body=st.none() | st.just({"expect": ">= 0.9", "about": "vlm", "says": "x", "metric": "share(a)"}),
    ),
    st.builds(e.SetPart, ref=st.just("vlm"), state=st.sampled_from(["ok", "broken", "inherited", "unknown"])),
    st.builds(
        e.Declare, section=st.just("component"), ref=st.just("vlm"), body=st.none() | st.just({"owner": "catalogue"})
    ),
)
_histories = st.lists(_bodies, max_size=25)


def _card(bodies: list[Any]) -> dict[str, Any]:
    drafts = [sample.draft(body, sample.NOW) for body in bodies]
    edits = e.chain(drafts, head=None, cause="test", recorded=sample.NOW)
    return fold(edits, start="shop").model_dump(mode="json")


@given(_histories)
def test_a_card_does_not_differ_from_itself(history: list[Any]) -> None:
    card = _card(history)
    assert material_diff(card, copy.deepcopy(card)) == ()


@given(_histories, _histories)
def test_every_claim_whose_status_differs_is_named(first: list[Any], more: list[Any]) -> None:
    before, after = _card(first), _card(first + more)
    named = {word for c in material_diff(before, after) if c.kind == "claim" for word in c.text.split()}
    for ref in {*before["claims"], *after["claims"]}:
        statuses = [claim_status(c["claims"][ref]) if ref in c["claims"] else None for c in (before, after)]
        assert statuses[0] == statuses[1] or ref in named


@given(_histories, _histories)
def test_what_broke_stands_before_what_holds_again(first: list[Any], more: list[Any]) -> None:
    words = [c.text.split()[0] for c in material_diff(_card(first), _card(first + more)) if c.kind == "claim"]
    assert "HOLDS" not in words or "BROKEN" not in words[words.index("HOLDS") :]


@pytest.mark.parametrize(
    ("before", "after"), [("earlier", "broken"), ("broken", "earlier"), ("declared", "broken"), ("earlier", "hostile")]
)
def test_the_difference_reads_as_accepted(
    views: dict[str, View], as_accepted: Callable[[str, str], None], before: str, after: str
) -> None:
    changes = material_diff(views[before]["card"], views[after]["card"])
    as_accepted(f"diff-{before}-{after}.txt", diff_text(changes))


def test_no_difference_is_said_to_be_none() -> None:
    assert diff_text(()) == "no material change\n"


def _changed(view: View, change: Callable[[dict[str, Any]], object]) -> list[tuple[str, str, str]]:
    after = copy.deepcopy(view["card"])
    change(after)
    return [(c.mark, c.text, c.ref) for c in material_diff(view["card"], after)]


def test_a_new_undeclared_edge_is_told(broken: View) -> None:
    edge = {**broken["card"]["interactions"]["cf->llm"], "ref": "cf->agent", "declared": None}
    changes = _changed(broken, lambda card: card["interactions"].update({"cf->agent": edge}))
    assert changes == [("+", "NEW       interaction cf->agent, not declared", "cf->agent")]


def test_declared_text_that_changed_is_shown_before_and_after(broken: View) -> None:
    changes = _changed(broken, lambda card: card["identity"].update({"oversight": "Nobody."}))
    before = "Merchandising can pin, hide or switch off reasons (runboo..."
    assert changes == [("-", f"DECLARED  identity oversight: {before} -> Nobody.", "identity")]


def test_an_unknown_that_was_answered_is_closed(broken: View) -> None:
    changes = _changed(broken, lambda card: card["unknowns"].pop("U-1"))
    assert changes == [("=", "CLOSED    unknown U-1: How reasons read to non-native speakers.", "U-1")]


def test_an_incident_that_became_a_page_is_told(broken: View) -> None:
    view = copy.deepcopy(broken)
    view["card"]["incidents"]["12"]["severity"] = "ticket"
    changes = _changed(view, lambda card: card["incidents"]["12"].update({"severity": "page"}))
    assert [c[1].split()[0] for c in changes] == ["RAISED"]
    assert changes[0][1].endswith("was ticket")


@pytest.mark.parametrize(("state", "word"), [("acknowledged", "ACKNOWLEDGED"), ("resolved", "RESOLVED")])
def test_an_incident_that_moved_says_where(broken: View, state: str, word: str) -> None:
    changes = _changed(broken, lambda card: card["incidents"]["12"].update({"state": state}))
    assert [c[1].split()[0] for c in changes] == [word]


def test_another_baseline_is_told_with_who_approved_it(broken: View) -> None:
    changes = _changed(broken, lambda card: card["baseline"].update({"name": "autumn"}))
    assert changes == [("+", "BASELINE  autumn, 200 requests, approved by discovery-lead", "baseline")]


def test_another_group_that_broke_inside_a_broken_claim_is_told(broken: View) -> None:
    def break_another(card: dict[str, Any]) -> None:
        card["claims"]["grounded"]["slices"][1] |= {"status": "broken", "value": 0.5}

    changes = _changed(broken, break_another)
    assert changes == [("+", "BROKEN    grounded  also in age_band=25-34: 0.50 (promised >= 0.90, n 1,204)", "INC-12")]
