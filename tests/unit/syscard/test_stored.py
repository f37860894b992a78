"""Every byte of a stored edit is held by the chain, whichever column it is in; what reads it may be a newer release."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import settings as limits
from hypothesis import strategies as st

from syscard import edits as e
from syscard.digest import digest
from syscard.errors import ChainBroken
from syscard.records.store import Records
from syscard.records.verify import verify_system
from syscard.stored import Stored, read, verify, written
from syscard.upcast import Step, upcast
from syscard.views import read_view
from tests.unit.build import GATE, NOW, chained, component, draft, evidence, histories, opening

TEXTS = ("system", "cause", "draft", "recorded", "previous", "link")
NUMBERS = ("seq", "version")
AWKWARD = 'gr\u00f6\u00dfer \u6f22 \U0001f600 \\ " \n\x00 0.10'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Records]]:
    """Records with figures of many digits, and with texts that JSON escapes."""
    where = tmp_path_factory.mktemp("home") / "records.db"
    records = Records.open(where, GATE)
    figures = [evidence(value) for value in (1 / 3, 1e-7, 12345.678901234567, 1e300, 0.0)]
    hostile = component("vlm", {"owner": AWKWARD, "at": -0.1})
    bodies: list[e.Body] = [component(), *figures, opening(title=AWKWARD), hostile]
    for at, body in enumerate(bodies):
        with records.transaction() as transaction:
            transaction.append("shop", [draft(body, minute=at)], cause=f"gr\u00fcn {at}", recorded=NOW)
    yield where, records
    records.close()


def found(where: Path, records: Records) -> str:
    with pytest.raises(ChainBroken) as caught:
        verify_system(records, "shop", read_view(where, "shop"), GATE)
    return str(caught.value)


@limits(max_examples=80)
@given(data=st.data(), column=st.sampled_from((*TEXTS, *NUMBERS)), seq=st.integers(1, 8))
def test_any_flipped_byte_of_a_stored_edit_is_found_and_the_edit_is_named(
    data: st.DataObject, column: str, seq: int, home: tuple[Path, Records]
) -> None:
    where, records = home
    with closing(sqlite3.connect(where, isolation_level=None)) as rows:
        rows.execute("begin immediate")
        kept = rows.execute("select * from edit where seq = ?", (seq,)).fetchone()
        flipped = _flipped(rows, column, seq, data)
        try:
            rows.execute(f"update edit set {column} = {flipped[0]} where seq = ?", (flipped[1], seq))
        except sqlite3.IntegrityError:
            rows.execute("rollback")
            reject()  # the place is taken
        rows.execute("commit")
        try:
            says = found(where, records)
        finally:
            rows.execute("delete from edit where seq = ? or system <> 'shop'", (_now(column, flipped[1], seq),))
            rows.execute(f"insert into edit values ({', '.join('?' * len(kept))})", kept)
    moved = column in ("system", "seq")  # the edit is gone from its place: the next is named, or how many there are
    assert f"edit {seq} (" in says or moved


def _now(column: str, value: Any, seq: int) -> int:
    return value if column == "seq" else seq


def _flipped(rows: sqlite3.Connection, column: str, seq: int, data: st.DataObject) -> tuple[str, Any]:
    """SQL and value of the column with one bit of one byte turned."""
    if column in NUMBERS:
        (number,) = rows.execute(f"select {column} from edit where seq = ?", (seq,)).fetchone()
        return "?", number ^ (1 << data.draw(st.integers(0, 30)))
    (text,) = rows.execute(f"select cast({column} as blob) from edit where seq = ?", (seq,)).fetchone()
    at, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 7))
    return "cast(? as text)", bytes((*text[:at], text[at] ^ (1 << bit), *text[at + 1 :]))


@pytest.mark.parametrize(
    "changed",
    [
        lambda row: replace(row, draft=row.draft.replace(":", ": ", 1)),
        lambda row: replace(row, draft=row.draft.replace("\\u00fc", "\\u00FC")),
        lambda row: replace(row, draft=row.draft.replace('"n":40', '"n":4e1')),
        lambda row: replace(row, recorded=row.recorded.replace("T", " ")),
        lambda row: replace(row, recorded=row.recorded.replace("Z", "+00:00")),
    ],
)
def test_another_spelling_of_the_same_is_found_as_well(changed: Any) -> None:
    row = written(chained([[draft(evidence(about="gr\u00fcn", n=40))]])[0])
    assert verify([row]) == 1
    assert changed(row) != row
    with pytest.raises(ChainBroken, match=r"^edit 1 \(v1\): .*: restore a backup"):
        verify([changed(row)])


@limits(max_examples=30)
@given(histories())
def test_what_is_written_is_read_back_with_the_same_digests_and_written_the_same_again(
    batches: tuple[tuple[e.Draft, ...], ...],
) -> None:
    for edit in chained(batches):
        again = read(written(edit))
        assert (again.link, again.draft.digest) == (edit.link, edit.draft.digest)
        assert written(again) == written(edit)


def _renamed(body: dict[str, Any]) -> dict[str, Any] | None:
    """A shape that no release had: `reason` for what is `why`."""
    if "reason" not in body:
        return None
    return {key: value for key, value in body.items() if key != "reason"} | {"why": body["reason"]}


def _older() -> Stored:
    """An edit as a release before `_renamed` would have written it."""
    plain = written(chained([[draft(e.SetPart(ref="llm", state="broken", why="late"))]])[0])
    text = plain.draft.replace('"why":"late"', '"reason":"late"')
    stored = {"body": {"kind": "part", "ref": "llm", "state": "broken", "reason": "late", "incident": None}}
    content = {**draft(component()).content(), **stored, "author": {"kind": "monitor", "name": "watch"}}
    link = e.link_digest(plain.previous, digest(content), 1, 1, plain.cause, NOW)
    return replace(plain, draft=text, link=link)


def test_an_edit_of_an_older_shape_is_read_as_today_s_and_its_link_is_of_what_was_written() -> None:
    older, steps = _older(), (Step("part", "2.0", _renamed),)
    assert verify([older]) == 1
    body = read(older, steps).body
    assert isinstance(body, e.SetPart)
    assert body.why == "late"
    with pytest.raises(ChainBroken, match="upgrade syscard, or restore a backup"):
        read(older)


def test_the_digest_by_which_evidence_is_known_is_of_what_was_written() -> None:
    older = _older()
    edit = read(older, (Step("part", "2.0", _renamed),))
    assert e.link_digest(older.previous, edit.draft.digest, 1, 1, older.cause, NOW) == older.link
    assert edit.draft.model_copy().digest != edit.draft.digest, "a copy is a draft of today's"


def test_steps_follow_one_another_and_leave_other_kinds_and_newer_shapes_alone() -> None:
    steps = (
        Step("part", "2.0", lambda body: body | {"a": 1} if "a" not in body else None),
        Step("part", "3.0", lambda body: body | {"b": body["a"] + 1} if "b" not in body else None),
    )
    stored = {"body": {"kind": "part"}}
    assert upcast(stored, steps) == {"body": {"kind": "part", "a": 1, "b": 2}}
    assert stored == {"body": {"kind": "part"}}
    newest: dict[str, Any] = {"body": {"kind": "part", "a": 1, "b": 2}}
    other: dict[str, Any] = {"body": {"kind": "evidence"}}
    assert upcast(newest, steps) is newest
    assert upcast(other, steps) is other


def test_a_figure_says_the_same_before_and_after_it_was_stored() -> None:
    figure = evidence(0.1 + 0.2)
    back = read(written(chained([[draft(figure)]])[0])).body
    assert back != figure, "it has more digits than a digest knows"
    assert figure.same_as(back)
    assert not figure.same_as(evidence(0.3 + 1e-9))
    assert not figure.same_as(None)
    assert not figure.same_as(component())
