"""`retain`, `hold`, `erase`, `backup` and `doctor --repair` as a platform engineer types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syscard.home import Home
from syscard_tui.wiring import House
from tests.functional.helpers import REF, one_line, recorded, sound, syscard


def rows(home: Path) -> list[dict[str, Any]]:
    return House(Home(home)).scan(None).collect().to_dicts()


@pytest.fixture
def stored(declared: Path, tmp_path: Path) -> Path:
    """A home that holds 40 requests."""
    file = tmp_path / "before.jsonl"
    file.write_bytes(b"\n".join(recorded("normal")[:40]))
    assert syscard("--home", declared, "ingest", file).code == 0
    return declared


def bytes_of(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_person_is_erased_and_the_card_still_verifies_and_says_so(stored: Path) -> None:
    before = rows(stored)
    key = next(row["user_key"] for row in before if row["user_key"])
    hers = {row["trace_id"] for row in before if row["user_key"] == key}
    note = f"seen with user {key}"
    trace = sorted(hers)[0]
    assert syscard("--home", stored, "hold", "add", trace, "--reason", note).code == 0
    one_line(syscard("--home", stored, "erase", "--user-key", key, "--yes"), "held", "--despite-hold")
    one_line(syscard("--home", stored, "erase", "--user-key", key, "--despite-hold"), "--yes")
    assert len(rows(stored)) == len(before)
    dry = syscard("--home", stored, "erase", "--user-key", key, "--dry-run", "--json").document
    assert (dry["done"], dry["traces"]) == (False, len(hers))
    ran = syscard("--home", stored, "erase", "--user-key", key, "--yes", "--despite-hold")
    assert ran.code == 0, ran
    assert f"erased: {dry['spans']} spans" in ran.out
    assert [r for r in before if r["trace_id"] not in hers] == rows(stored)
    assert key.encode() not in bytes_of(stored)
    assert note.encode() not in bytes_of(stored)
    verified = syscard("--home", stored, "card", "verify")
    assert verified.code == 0
    assert "1 notes have been erased" in verified.out
    assert "1 times a person was erased" in verified.out
    assert "a person was erased" in syscard("--home", stored, "card", "history").out
    again = syscard("--home", stored, "erase", "--user-key", key, "--yes")
    assert "found: 0 spans" in again.out
    sound(stored)


def test_retention_is_set_shown_and_applied_and_a_hold_outlives_it(stored: Path) -> None:
    shown = syscard("--home", stored, "retain").out
    assert "30 d (traces.retain of system.yaml)" in shown
    trace = rows(stored)[0]["trace_id"]
    assert syscard("--home", stored, "hold", "add", trace, "--reason", "an auditor asked").code == 0
    assert trace in syscard("--home", stored, "hold", "list").out
    assert syscard("--home", stored, "retain", "--days", "1", "--max-gb", "0.5").code == 0
    document = syscard("--home", stored, "retain", "--json").document
    assert (document["days"], document["max_bytes"], document["held"]) == (1, 500_000_000, [trace])
    ran = syscard("--home", stored, "retain", "--now")
    assert ran.code == 0
    left = {row["trace_id"] for row in rows(stored)}
    assert trace in left
    assert (len(left) == 1) == ("dropped:" in ran.out), "the recording may be of today"
    assert syscard("--home", stored, "hold", "remove", trace).code == 0
    one_line(syscard("--home", stored, "hold", "remove", trace), "not held by hand")
    one_line(syscard("--home", stored, "hold", "add", "abc", "--reason", "x"), "no trace")
    one_line(syscard("--home", stored, "retain", "--max-gb", "-1"), "--max-gb")
    one_line(syscard("--home", stored, "retain", "--forever", "--days", "3"), "--forever")
    assert "oldest day kept" in syscard("--home", stored, "doctor").out or not left
    sound(stored)


def test_a_backup_is_verified_and_is_a_home(stored: Path, tmp_path: Path) -> None:
    ran = syscard("--home", stored, "backup", tmp_path / "copy")
    assert ran.code == 0, ran
    assert "200 spans in the lake" in ran.out
    assert "verified" in ran.out
    sound(tmp_path / "copy")
    assert len(rows(tmp_path / "copy")) == 200
    one_line(syscard("--home", stored, "backup", tmp_path / "copy"), "is there already")


def test_the_view_is_made_anew_from_the_edits(stored: Path) -> None:
    import sqlite3
    from contextlib import closing

    for damage in ("delete from view", "update view set body = '{'"):
        with closing(sqlite3.connect(stored / "records.db")) as connection, connection:
            connection.execute(damage)
        ran = syscard("--home", stored, "doctor", "--repair")
        assert ran.code == 0, ran
        assert f"mended {REF}: what the faces read was made anew" in ran.err
        assert syscard("--home", stored, "card", "verify").code == 0
    one_line(syscard("--home", stored, "doctor", "--forget-missing"), "--repair")
