from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlmodel import SQLModel

import syscard.records
from syscard.records.store import HEAD, Records
from tests.unit.build import GATE


def migrations() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(syscard.records.__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def test_there_is_one_newest_revision_and_the_code_names_it() -> None:
    assert migrations().get_heads() == [HEAD]


def test_revisions_sort_as_they_follow_each_other() -> None:
    """What is newer than this release is told by comparing the names of revisions."""
    names = [r.revision for r in migrations().walk_revisions()]
    assert names == sorted(names, reverse=True)
    assert {len(name) for name in names} == {4}


def test_the_migrations_make_the_tables_that_the_models_describe(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    Records.open(file, GATE).close()
    engine = create_engine(f"sqlite:///{file}")
    with closing(engine.raw_connection()), engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
        made = set(inspect(connection).get_table_names()) - {"alembic_version"}
    engine.dispose()
    assert made == set(SQLModel.metadata.tables)


def test_records_of_the_first_revision_are_brought_up_and_lose_only_the_sums_of_claims(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    Records.open(file, GATE).close()
    config = Config()
    config.set_main_option("script_location", str(Path(syscard.records.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("INSERT INTO tally VALUES ('shop', 1, 100, '{}')")
        database.execute("INSERT INTO watch VALUES ('shop', '{\"windows\": 1}')")
    with closing(Records.open(file, GATE)) as records:
        assert records.tallies("shop") == []
        assert records.watch("shop") == {"windows": 1}
