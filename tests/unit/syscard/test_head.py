"""An old head of the chain, kept elsewhere, proves that nothing before it was rewritten, or shows that it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from syscard import edits as e
from syscard.errors import ChainBroken, UsageError
from syscard.fold import fold
from syscard.head import Head, anchored, head_of, read_head
from syscard.records.store import Records
from syscard.records.verify import verify_system
from syscard.stored import verify, written
from syscard.views import read_view
from tests.unit.build import GATE, NOW, chained, component, draft, evidence, histories

Batches = tuple[tuple[e.Draft, ...], ...]


def kept(edits: tuple[e.Edit, ...]) -> Head:
    return head_of([*map(written, edits)], fold(edits, start="shop"))


@limits(max_examples=30)
@given(batches=histories(least=2), data=st.data())
def test_every_older_head_is_in_the_chain_that_went_on(batches: Batches, data: st.DataObject) -> None:
    edits = chained(batches)
    at = data.draw(st.integers(1, len(edits)))
    head = kept(edits[:at])
    rows = [*map(written, edits)]
    assert anchored(rows, head).seq == anchored(rows, head.link).seq == head.seq == at


@limits(max_examples=30)
@given(batches=histories(least=2), data=st.data())
def test_a_chain_that_was_written_anew_verifies_and_does_not_have_the_old_head(
    batches: Batches, data: st.DataObject
) -> None:
    head = kept(chained(batches))
    forged = [list(batch) for batch in batches]
    which = data.draw(st.integers(0, len(forged) - 1))
    forged[which][0] = draft(evidence(0.123, about="nobody"))
    rows = [*map(written, chained(forged))]
    assert verify(rows) == len(rows)
    with pytest.raises(ChainBroken, match="is not in the chain: it was rewritten or cut short"):
        anchored(rows, head)


def test_a_head_whose_place_was_changed_is_told() -> None:
    edits = chained([(draft(component()),), (draft(evidence()),)])
    head = kept(edits).model_copy(update={"version": 9})
    with pytest.raises(ChainBroken, match=r"the chain has it as edit 2 \(v2\) of 2026"):
        anchored(map(written, edits), head)


@pytest.fixture
def records(tmp_path: Path) -> Any:
    found = Records.open(tmp_path / "records.db", GATE)
    bodies: list[e.Body] = [component(), evidence(), component("vlm")]
    for at, body in enumerate(bodies):
        with found.transaction() as transaction:
            transaction.append("shop", [draft(body, minute=at)], cause="test", recorded=NOW)
    yield found
    found.close()


def test_verify_says_where_an_older_head_stands_and_that_its_card_is_the_same(records: Records, tmp_path: Path) -> None:
    edits = tuple(records.edits("shop"))
    head = kept(edits[:2])
    view = read_view(tmp_path / "records.db", "shop")
    found = verify_system(records, "shop", view, GATE, head).anchor
    assert found is not None
    assert found.name == "edit 2 (v2)"
    with pytest.raises(ChainBroken, match="the card v2 is not the one that the head of 2026"):
        verify_system(records, "shop", view, GATE, head.model_copy(update={"digest": "0" * 64}))


def test_a_head_is_read_from_the_file_or_is_the_link_itself(tmp_path: Path) -> None:
    head = kept(chained([(draft(component()),)]))
    file = tmp_path / "head.json"
    file.write_text(json.dumps(head.model_dump(mode="json", by_alias=True)))
    assert read_head(str(file), "shop") == head
    assert read_head(head.link, "shop") == head.link
    assert json.loads(file.read_text())["schema"] == "syscard.head/1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "no head of a chain"),
        ("not json", "no head of a chain"),
        (json.dumps({"schema": "syscard.head/1", "system": "other", "seq": 1, "version": 1, "link": "a" * 64,
                     "digest": "b" * 64, "at": "2026-11-22T14:00:00Z"}), "the head of 'other', not of 'shop'"),
    ],
)  # fmt: skip
def test_what_is_no_head_of_this_system_is_refused_in_a_line(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "head.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_head(str(file), "shop")
    with pytest.raises(UsageError, match="no such file, and no link"):
        read_head(str(tmp_path / "nowhere"), "shop")
