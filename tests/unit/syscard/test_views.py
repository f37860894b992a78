from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from syscard import stored
from syscard.errors import ChainBroken, NothingDeclared, RecordsError, UsageError
from syscard.records.store import Records
from syscard.views import choose, edit_rows, read_view, systems, version_stamp, versions
from tests.unit.build import GATE, HUMAN, NOW, component, draft

HEAVY = {
    "pydantic",
    "sqlmodel",
    "sqlalchemy",
    "polars",
    "pyarrow",
    "deltalake",
    "textual",
    "evidently",
    "pandas",
    "numpy",
}


@pytest.fixture
def holding(tmp_path: Path) -> Callable[..., Path]:
    """A records file with these systems."""

    def make(*refs: str) -> Path:
        file = tmp_path / "records.db"
        with closing(Records.open(file, GATE)) as records, records.transaction() as transaction:
            for ref in refs:
                transaction.append(ref, [draft(component())], cause="apply", recorded=NOW)
        return file

    return make


@pytest.mark.parametrize(
    "module", ["syscard", "syscard.views", "syscard.faces", "syscard.words", "syscard.render.status"]
)
def test_the_read_side_needs_only_the_standard_library(module: str) -> None:
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(found.stdout.split()) & HEAVY


@pytest.mark.parametrize("read", [systems, read_view, version_stamp, lambda f: choose(f, "shop")])
def test_without_records_nothing_is_declared_and_it_says_what_to_do(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    with pytest.raises(NothingDeclared, match=r"has no card yet: .* syscard apply system\.yaml"):
        read(tmp_path / "records.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read", [systems, read_view, version_stamp])
def test_while_the_file_is_being_made_nothing_is_declared_yet(read: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    with closing(sqlite3.connect(file)) as maker:
        maker.execute("pragma journal_mode=wal")
        with pytest.raises(NothingDeclared, match="has no card yet"):
            read(file)


@pytest.mark.parametrize("read", [systems, read_view, version_stamp])
def test_records_that_have_lost_a_table_are_an_error(
    read: Callable[[Path], object], holding: Callable[..., Path]
) -> None:
    file = holding("shop")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("drop table view")
    with pytest.raises(RecordsError, match="no such table: view: run: syscard doctor") as told:
        read(file)
    assert not isinstance(told.value, NothingDeclared)


def test_with_no_system_nothing_is_declared(holding: Callable[..., Path]) -> None:
    with pytest.raises(NothingDeclared):
        choose(holding(), None)


def test_one_system_need_not_be_named(holding: Callable[..., Path]) -> None:
    file = holding("shop")
    assert choose(file, None) == choose(file, "shop") == "shop"


def test_several_systems_must_be_named(holding: Callable[..., Path]) -> None:
    file = holding("shop", "bank")
    assert systems(file) == ["bank", "shop"]
    assert choose(file, "shop") == "shop"
    with pytest.raises(UsageError, match="name one with --system: bank, shop"):
        choose(file, None)
    assert read_view(file, "bank")["card"]["system"] == "bank"


def test_a_system_that_is_not_there_is_refused_with_those_that_are(holding: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="no system 'shpo' here; there is: shop"):
        read_view(holding("shop"), "shpo")


@pytest.mark.parametrize("read", [systems, read_view, version_stamp])
def test_a_file_that_is_no_records_is_an_error_in_one_line(read: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    file.write_bytes(b"no database " * 300)
    with pytest.raises(RecordsError, match="file is not a database: run: syscard doctor"):
        read(file)


def test_a_path_with_signs_that_mean_something_in_an_address_is_read(tmp_path: Path) -> None:
    file = tmp_path / "50% off? #1" / "records.db"
    file.parent.mkdir()
    with closing(Records.open(file, GATE)) as records, records.transaction() as transaction:
        transaction.append("shop", [draft(component())], cause="apply", recorded=NOW)
    assert systems(file) == ["shop"]


def test_reading_writes_nothing(holding: Callable[..., Path]) -> None:
    file = holding("shop")
    before = file.read_bytes()
    read_view(file)
    version_stamp(file)
    assert file.read_bytes() == before


@pytest.fixture
def with_a_past(tmp_path: Path) -> Path:
    """Five versions of one system, the third of two edits by a human; another system beside it."""
    file = tmp_path / "records.db"
    with closing(Records.open(file, GATE)) as records, records.transaction() as transaction:
        for number in range(1, 6):
            batch = [draft(component("llm", {"owner": f"o{number}"}), minute=number)]
            batch += [draft(component("cf"), minute=9, author=HUMAN)] if number == 3 else []
            transaction.append("shop", batch, cause=f"look {number}", recorded=NOW)
        transaction.append("bank", [draft(component())], cause="apply", recorded=NOW)
    return file


def test_versions_are_told_newest_first_with_who_made_them_and_of_how_many_edits(with_a_past: Path) -> None:
    told = versions(with_a_past, "shop")
    assert [one["version"] for one in told] == [5, 4, 3, 2, 1]
    third = told[2]
    link = [row["link"] for row in edit_rows(with_a_past, "shop") if row["version"] == 3][-1]
    assert third == {
        "version": 3, "cause": "look 3", "edits": 2, "observed": "2026-11-22T14:09:00Z", "author": "human:mara",
        "link": link,
    }  # fmt: skip
    assert [one["version"] for one in versions(with_a_past, "shop", before=4, most=2)] == [3, 2]
    assert versions(with_a_past, "zoo") == []


def test_stored_edits_read_without_a_database_library_are_those_of_the_records(with_a_past: Path) -> None:
    with closing(Records.open(with_a_past, GATE)) as records:
        kept = list(records.edits("shop"))
    assert [stored.read(stored.Stored(**row)) for row in edit_rows(with_a_past, "shop")] == kept
    assert [
        stored.read(stored.Stored(**row)) for row in edit_rows(with_a_past, "shop", after=1, until_version=2)
    ] == kept[1:2]


def test_an_edit_that_was_never_written_is_named(with_a_past: Path) -> None:
    with closing(sqlite3.connect(with_a_past)) as connection, connection:
        connection.execute("update edit set draft = '{}' where seq = 2 and system = 'shop'")
    with pytest.raises(ChainBroken, match=r"edit 2 \(v2\)"):
        [stored.read(stored.Stored(**row)) for row in edit_rows(with_a_past, "shop")]
    with pytest.raises(RecordsError, match="an edit of v2 cannot be read: run: syscard card verify"):
        versions(with_a_past, "shop")


@pytest.mark.parametrize("read", [lambda f: versions(f, "shop"), lambda f: list(edit_rows(f, "shop"))])
def test_without_records_there_is_no_past(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(NothingDeclared, match="has no card yet"):
        read(tmp_path / "records.db")
