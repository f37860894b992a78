"""The runs of the monitors in the records: added, folded into the row before, and let go in time."""

from __future__ import annotations

import json

from sqlmodel import Session, col, delete, select

from syscard.digest import iso
from syscard.records.store import Records, Transaction
from syscard.records.tables import MonitorRunRow
from syscard.runs import KEPT_FOR, MOST_RUNS, MonitorRun, folded


def add_run(transaction: Transaction, system: str, run: MonitorRun) -> None:
    """Record a run, in the row of the one before where both saw nothing; rows too old or too many go."""
    session = transaction.session
    newest = select(MonitorRunRow).where(MonitorRunRow.system == system).order_by(col(MonitorRunRow.number).desc())
    last = session.exec(newest.limit(1)).first()
    together = folded(_run(last), run) if last else None
    if last is not None and together is not None:
        last.body = _body(together)
        session.add(last)
        return
    number = last.number + 1 if last else 1
    session.add(MonitorRunRow(system=system, number=number, started=iso(run.started), died=run.died, body=_body(run)))
    _let_go(session, system, number, run)


def runs(records: Records, system: str, most: int = MOST_RUNS, *, only_deaths: bool = False) -> list[MonitorRun]:
    """The newest runs of a system, newest first.

    Args:
        records: the home's records.
        system: reference of the system.
        most: rows at most.
        only_deaths: only those in which the process of the monitors died.
    """
    query = select(MonitorRunRow).where(MonitorRunRow.system == system)
    if only_deaths:
        query = query.where(col(MonitorRunRow.died))
    with records.reading() as transaction:
        rows = transaction.session.exec(query.order_by(col(MonitorRunRow.number).desc()).limit(most))
        return [_run(row) for row in rows]


def _let_go(session: Session, system: str, number: int, run: MonitorRun) -> None:
    old = col(MonitorRunRow.started) < iso(run.started - KEPT_FOR)
    beyond = col(MonitorRunRow.number) <= number - MOST_RUNS
    session.exec(delete(MonitorRunRow).where(col(MonitorRunRow.system) == system, old | beyond))


def _run(row: MonitorRunRow) -> MonitorRun:
    return MonitorRun.model_validate(json.loads(row.body))


def _body(run: MonitorRun) -> str:
    return json.dumps(run.model_dump(mode="json"), separators=(",", ":"))
