"""Beside a card stands which edit says a figure that has no evidence of its own; it follows from the chain alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.errors import ChainBroken
from syscard.fold import fold
from syscard.records.store import Records
from syscard.records.verify import verify_system
from syscard.sources import sources
from syscard.views import read_view
from tests.unit.build import GATE, NOW, chained, component, draft, histories, opening


@limits(max_examples=30)
@given(batches=histories(most=15), cut=st.integers(0, 15))
def test_they_are_the_same_however_the_chain_was_cut_and_each_is_an_edit_of_it(batches: Any, cut: int) -> None:
    edits = chained(batches)
    whole = fold(edits, start="shop")
    before = sources(edits[:cut], fold(edits[:cut], start="shop"))
    assert sources(edits[cut:], whole, before) == sources(edits, whole)
    assert set(sources(edits, whole).values()) <= {edit.draft.digest for edit in edits}


def test_the_newest_edit_counts_and_what_is_off_the_card_is_let_go() -> None:
    def seen(traces: int) -> e.Observe:
        return e.Observe.model_validate(
            {
                "what": "edge",
                "ref": "cf->vlm",
                "value": "",
                "evidence_class": "link",
                "traces": traces,
                "declared": True,
            }
        )

    reach = ie.ImpactIncident(number=1, impact=ie.Impact(requests=3, of=9))
    bodies: list[e.Body] = [seen(5), opening(), reach, seen(50)]
    drafts = [draft(body, minute=at) for at, body in enumerate(bodies)]
    edits = chained([[one] for one in drafts])
    assert sources(edits, fold(edits, start="shop")) == {
        "interactions/cf->vlm": drafts[3].digest, "incidents/1/impact": drafts[2].digest,
    }  # fmt: skip
    gone = chained([[one] for one in (*drafts, draft(e.Declare(section="interaction", ref="cf->vlm", body=None)))])
    assert sources(gone, fold(gone, start="shop")).keys() == {"incidents/1/impact"}


def test_the_view_has_them_also_after_a_view_of_before_they_were_known_and_verify_holds_them(tmp_path: Path) -> None:
    where = tmp_path / "records.db"
    records = Records.open(where, GATE)
    seen = e.Observe(what="model", ref="llm", value="m-1", evidence_class="span", traces=9, declared=True)

    def put(body: e.Body) -> None:
        with records.transaction() as transaction:
            transaction.append("shop", [draft(body)], cause="look", recorded=NOW)

    def rewrite(**changes: Any) -> None:
        view = {key: value for key, value in read_view(where, "shop").items() if key not in changes}
        known = {key: value for key, value in changes.items() if value is not None}
        with closing(sqlite3.connect(where)) as connection, connection:
            connection.execute("update view set body = ?", (json.dumps({**view, **known}),))

    put(seen)
    first = read_view(where, "shop")["sources"]
    assert first == {"components/llm/model/m-1": draft(seen).digest}
    rewrite(sources=None)
    assert verify_system(records, "shop", read_view(where, "shop"), GATE).edits == 1
    put(component("vlm"))
    assert read_view(where, "shop")["sources"] == first
    rewrite(sources={"components/llm/model/m-1": "0" * 64})
    with pytest.raises(ChainBroken, match="the edits that the faces name beside figures are not those that say them"):
        verify_system(records, "shop", read_view(where, "shop"), GATE)
    records.close()
