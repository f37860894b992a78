"""`card verify` and `doctor` recompute everything that the records say of a system, by one function."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syscard import edits as e
from syscard.declare import declaring
from syscard.digest import canonical
from syscard.errors import ChainBroken, RecordsError
from syscard.live import Live, WatcherNow
from syscard.records.store import Records
from syscard.records.verify import Verified, verify_system
from syscard.views import read_view
from tests.unit import build
from tests.unit.build import GATE, NOW, draft

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def records(where: Path) -> Iterator[Records]:
    """A declared system with a baseline, an open incident and live values."""
    found = Records.open(where, GATE)
    with found.transaction() as transaction:
        drafts = declaring(transaction.newest("shop")[0], build.declared(), build.HUMAN, NOW)
        transaction.append("shop", drafts, cause="apply", recorded=NOW)
        key = transaction.add_baseline("shop", canonical({"llm.grounded": [0.9, 0.8]}))
        body = e.SetBaseline(name="launch", start=NOW, end=NOW, requests=2, data_digest=key, approved_by="lead",
                             agreement_p=None, watched=(), too_constant=())  # fmt: skip
        live = Live(as_of=NOW, watcher=WatcherNow(requests=2))
        transaction.append("shop", [draft(body), draft(build.opening())], cause="baseline", recorded=NOW, live=live)
    yield found
    found.close()


def verified(records: Records, where: Path) -> Verified:
    return verify_system(records, "shop", read_view(where, "shop"), GATE)


def tamper(where: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(where)) as connection, connection:
        assert connection.execute(statement, values).rowcount > 0


def rewrite(where: Path, change: Change) -> None:
    view = read_view(where, "shop")
    change(view)
    tamper(where, "update view set body = ?", json.dumps(view))


def test_sound_records_are_verified(records: Records, where: Path) -> None:
    found = verified(records, where)
    assert (found.edits, found.card.version, found.erased) == (read_view(where, "shop")["edits"], 2, 0)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("update baseline set body = x'00'", "shop: the baseline's values do not match their digest"),
        ("delete from baseline", "shop: the baseline's values are gone"),
    ],
)
def test_changed_values_of_the_baseline_are_seen(records: Records, where: Path, statement: str, says: str) -> None:
    tamper(where, statement)
    with pytest.raises(ChainBroken, match=says):
        verified(records, where)


@pytest.mark.parametrize(
    "change",
    [
        lambda view: view["gate"].update(blocked=False, reasons=[]),
        lambda view: view["gate"].update(reasons=["incidents open: 9"]),
        lambda view: view["gate"].update(stage="other"),
    ],
)
def test_a_gate_that_the_card_does_not_give_is_seen(records: Records, where: Path, change: Change) -> None:
    rewrite(where, change)
    with pytest.raises(ChainBroken, match="the gate's verdict that the faces show is not the one"):
        verified(records, where)


def test_live_values_that_would_change_the_gate_are_seen(tmp_path: Path, where: Path, records: Records) -> None:
    policy = build.policy("requests", ">=", 2)
    rewrite(where, lambda view: view.update(gate={"stage": "promote", "blocked": False, "reasons": []}))
    assert verify_system(records, "shop", read_view(where, "shop"), policy).edits
    rewrite(where, lambda view: view["live"]["watcher"].update(requests=1))
    with pytest.raises(ChainBroken, match="its live values give"):
        verify_system(records, "shop", read_view(where, "shop"), policy)


def test_a_card_or_note_that_was_changed_is_seen(records: Records, where: Path) -> None:
    rewrite(where, lambda view: view["texts"].update({"0" * 64: "it was the vendor"}))
    with pytest.raises(ChainBroken, match="the note stored under 0000"):
        verified(records, where)
    rewrite(where, lambda view: view["card"].update(evidence_count=7))
    with pytest.raises(ChainBroken, match="the card that the faces show"):
        verified(records, where)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda view: view.update(head="0" * 64), r"the head of the chain that the faces show is not the link of edit"),
        (lambda view: view.update(digest="0" * 64), "the digest that the faces show is not that of the card"),
        (lambda view: view.update(edits=3), r"the view says 3 edits, the chain has \d+, the newest edit \d+ \(v2\)"),
        (lambda view: view["live"].update(groups=5), "the groups that the faces show cannot be read"),
    ],
)
def test_what_the_faces_say_of_the_chain_is_held_against_it(
    records: Records, where: Path, change: Change, says: str
) -> None:
    rewrite(where, change)
    with pytest.raises(ChainBroken, match=says):
        verified(records, where)


@pytest.mark.parametrize("body", ["{}", "[]", "7", '{"card": {}}', "{"])
def test_a_view_that_is_none_is_told_in_a_line(records: Records, where: Path, body: str) -> None:
    tamper(where, "update view set body = ?", body)
    with pytest.raises(RecordsError, match=r"the view of shop is .*: run: syscard doctor$"):
        verified(records, where)


def test_a_card_from_before_evidence_was_counted_is_folded_anew(records: Records, where: Path) -> None:
    rewrite(where, lambda view: view["card"].pop("evidence_count"))
    with records.transaction() as transaction:
        figure = draft(build.evidence(), minute=3)
        card = transaction.append("shop", [figure], cause="window", recorded=NOW)
    assert card.evidence_id(figure.digest) == "E-1"
    assert verified(records, where).card.digest == card.digest
