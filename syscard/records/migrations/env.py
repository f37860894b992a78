"""Alembic's environment: the connection is handed in by `syscard.records.store`, or made for `make migration`."""

from alembic import context
from sqlmodel import SQLModel

from syscard.records import tables  # noqa: F401  (registers the tables)

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
