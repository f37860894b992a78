"""What was written cannot be changed unseen: an edit, the order of edits, a note, or what the faces are drawn from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.functional.helpers import one_line, sound, syscard

Tamper = Callable[[sqlite3.Connection], None]


def tampered(home: Path, change: Tamper) -> None:
    with closing(sqlite3.connect(home / "records.db")) as records, records:
        change(records)


def an_edit(where: str, old: str, new: str) -> Tamper:
    """One byte of one draft is another one."""
    assert len(old) == len(new)

    def change(records: sqlite3.Connection) -> None:
        found = records.execute(f"select seq from edit where {where} and instr(draft, ?) limit 1", (old,)).fetchone()
        records.execute("update edit set draft = replace(draft, ?, ?) where seq = ?", (old, new, found[0]))
        assert records.execute("select changes()").fetchone() == (1,)

    return change


def sql(statement: str) -> Tamper:
    def change(records: sqlite3.Connection) -> None:
        assert records.execute(statement).rowcount > 0

    return change


@pytest.mark.endurance
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (an_edit("seq = 3", '"section":"', '"sektion":"'), "edit 3 (v1"),
        (an_edit("seq > 20", '"n":', '"m":'), "edit "),
        (an_edit('draft like \'%"status":"broken"%\'', "broken", "holds "), "edit "),
        (an_edit("seq = 30", '"observed":"2', '"observed":"3'), "edit 30 "),
        (an_edit("seq = 40", "}", "]"), "edit 40 "),
        (an_edit("seq = 21", '"kind":"', '"kine":"'), "edit 21 "),
        (sql("delete from edit where seq = 50"), "edit 51 (v"),
        (sql("delete from edit where seq = 1"), "edit 2 (v"),
        (sql("update edit set cause = cause || '.' where seq = 9"), "edit 9 (v"),
        (sql("update edit set recorded = '2026-01-01T00:00:00Z' where seq = 9"), "edit 9 (v"),
        (sql("update edit set recorded = 'yesterday' where seq = 9"), "edit 9 "),
        (sql("update edit set seq = 100000 where seq = 9"), "edit 10 (v"),
        (sql("delete from edit where seq = (select max(seq) from edit)"), ""),
        (sql('update view set body = replace(body, \'"status":"broken"\', \'"status":"holds"\')'), ""),
        (sql("update view set body = replace(body, '\"requests\":1000', '\"requests\":1001')"), ""),
    ],
)
def test_the_chain_names_what_was_changed(change: Tamper, named: str, demo_home: Path) -> None:
    sound(demo_home)
    tampered(demo_home, change)
    one_line(syscard("--home", demo_home, "card", "verify"), named, code=1)


def test_the_doctor_sees_a_broken_chain_as_well(demo_home: Path) -> None:
    tampered(demo_home, sql("delete from edit where seq = 50"))
    ran = syscard("--home", demo_home, "doctor")
    assert ran.code == 1
    assert "WRONG edit 51" in ran.out
    assert ran.err == ""


def test_a_note_may_be_erased_but_not_rewritten(demo_home: Path) -> None:
    assert syscard("--home", demo_home, "incident", "note", "5", "it was the prompt").code == 0
    tampered(demo_home, sql("update free_text set body = 'it was the vendor'"))
    tampered(demo_home, sql("update view set body = replace(body, 'it was the prompt', 'it was the vendor')"))
    one_line(syscard("--home", demo_home, "card", "verify"), "note", code=1)
    tampered(demo_home, sql("delete from free_text"))
    tampered(demo_home, sql("update view set body = json_set(body, '$.texts', json('{}'))"))
    ran = syscard("--home", demo_home, "card", "verify")
    assert ran.code == 0, ran
    assert "erased" in ran.out
