"""The tables. Values are validated before they become rows: table models do not validate.

No `from __future__ import annotations` here: it breaks relationships at run time.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel


class EditRow(SQLModel, table=True):
    """One edit of one system. Never updated, never deleted."""

    __tablename__ = "edit"

    system: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    version: int = Field(index=True)
    cause: str = Field(sa_column=Column(Text, nullable=False))
    draft: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: body, author, observed."""
    recorded: str
    previous: str
    link: str


class TextRow(SQLModel, table=True):
    """Free text under its digest: the only part of an edit that can be erased."""

    __tablename__ = "free_text"

    sha256: str = Field(primary_key=True)
    system: str = Field(index=True)
    body: str = Field(sa_column=Column(Text, nullable=False))


class ViewRow(SQLModel, table=True):
    """The newest view of one system: what every face reads."""

    __tablename__ = "view"

    system: str = Field(primary_key=True)
    stamp: int = Field(sa_column=Column(BigInteger, nullable=False))
    """Grows with every change."""
    body: str = Field(sa_column=Column(Text, nullable=False))


class WatchRow(SQLModel, table=True):
    """What the monitors of one system remember between two runs."""

    __tablename__ = "watch"

    system: str = Field(primary_key=True)
    body: str = Field(sa_column=Column(Text, nullable=False))


class TallyRow(SQLModel, table=True):
    """Mergeable sums of one promise over a stretch of time, which holds many windows: claims look back over these."""

    __tablename__ = "tally"

    system: str = Field(primary_key=True)
    promise: str = Field(primary_key=True)
    end_us: int = Field(sa_column=Column(BigInteger, primary_key=True))
    """Where the stretch ends; windows that end before, and after the one before, are in it."""
    body: str = Field(sa_column=Column(Text, nullable=False))


class GroupSumsRow(SQLModel, table=True):
    """Mergeable sums of one day, by metric, segment and group."""

    __tablename__ = "group_sums"

    system: str = Field(primary_key=True)
    day: int = Field(sa_column=Column(Integer, primary_key=True))
    """Days since 1970, UTC."""
    body: str = Field(sa_column=Column(Text, nullable=False))


class MonitorRunRow(SQLModel, table=True):
    """One run of the monitors of one system, or several alike."""

    __tablename__ = "monitor_run"

    system: str = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True))
    started: str
    """UTC, ISO 8601: but for parts of a second, its text sorts as the times do."""
    died: bool
    body: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: `syscard.runs.MonitorRun`."""


class NotificationRow(SQLModel, table=True):
    """One message to one target."""

    __tablename__ = "notification"

    key: str = Field(primary_key=True)
    target: str = Field(primary_key=True)
    """Its label: no address is stored."""
    system: str = Field(index=True)
    state: str = Field(index=True)
    made: str
    due: str
    """UTC, ISO 8601 with microseconds, as `made`: their texts sort as the times do."""
    body: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: `syscard.notification.Notification`."""


class NotifierRow(SQLModel, table=True):
    """What is remembered of what was told of one system."""

    __tablename__ = "notifier"

    system: str = Field(primary_key=True)
    body: str = Field(sa_column=Column(Text, nullable=False))


class BaselineRow(SQLModel, table=True):
    """The reference values of a baseline, by the digest that its edit names."""

    __tablename__ = "baseline"

    digest: str = Field(primary_key=True)
    system: str = Field(index=True)
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """JSON, deflated."""


class LeaseRow(SQLModel, table=True):
    """Who may do a job that only one process may do."""

    __tablename__ = "lease"

    job: str = Field(primary_key=True)
    owner: str
    fence: int = Field(sa_column=Column(BigInteger, nullable=False))
    """Grows with every new owner: an old one can be told apart."""
    heartbeat: str
