"""The outbox: messages are put in with the decision to tell, taken out one by one, and marked.

One is marked `sending` before it is sent. Whoever finds it so later does not know whether it arrived, and lets it be:
nothing is sent twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, delete, func, select

from syscard.notification import (
    GIVEN_UP_AFTER,
    KEPT_FOR,
    LOST_AFTER,
    MOST_KEPT,
    Message,
    Notification,
    Outcome,
    after,
    key_of,
)
from syscard.records.store import Records, Transaction
from syscard.records.tables import NotificationRow, NotifierRow


def put(transaction: Transaction, system: str, message: Message, targets: Sequence[str], now: datetime) -> None:
    """A message to each target; one that is in the outbox already stays as it is."""
    key = key_of(system, message)
    for target in targets:
        if transaction.session.get(NotificationRow, (key, target)) is None:
            _write(transaction, Notification(
                key=key, target=target, system=system, message=message, made=now, changed=now, due=now
            ))  # fmt: skip
    _let_go(transaction, system, now)


def take(transaction: Transaction, targets: Collection[str], now: datetime) -> Notification | None:
    """The oldest message that is due, marked as being sent: whoever takes it must send it, and nobody else will."""
    query = select(NotificationRow).where(
        NotificationRow.state == "waiting", NotificationRow.due <= _text(now), col(NotificationRow.target).in_(targets)
    )
    row = transaction.session.exec(query.order_by(col(NotificationRow.due), col(NotificationRow.key)).limit(1)).first()
    if row is None:
        return None
    known = _read(row)
    taken = known.model_copy(update={"state": "sending", "tries": known.tries + 1, "changed": now, "due": now})
    _write(transaction, taken)
    return taken


def mark(transaction: Transaction, taken: Notification, outcome: Outcome, now: datetime) -> Notification:
    """What came of sending it; returns how it stands now."""
    tried = after(taken, outcome, now)
    _write(transaction, tried)
    return tried


def settle(transaction: Transaction, now: datetime) -> list[Notification]:
    """What nobody sends any more: it was being sent when a process died, or nobody had its address for a day."""
    lost = select(NotificationRow).where(
        NotificationRow.state == "sending", NotificationRow.due <= _text(now - LOST_AFTER)
    )
    gone = select(NotificationRow).where(
        NotificationRow.state == "waiting", NotificationRow.made <= _text(now - GIVEN_UP_AFTER)
    )
    cut_off = {"state": "perhaps", "why": "the process that sent it ended meanwhile", "changed": now}
    nobody = {"state": "failed", "why": "nobody could send it for a day", "changed": now}
    found = [(_read(row), cut_off) for row in transaction.session.exec(lost)]
    found += [(_read(row), nobody) for row in transaction.session.exec(gone)]
    settled = [known.model_copy(update=update) for known, update in found]
    for one in settled:
        _write(transaction, one)
    return settled


def notifications(records: Records, system: str, most: int = MOST_KEPT) -> list[Notification]:
    """The newest notifications of a system, newest first."""
    query = select(NotificationRow).where(NotificationRow.system == system)
    order = (col(NotificationRow.made).desc(), col(NotificationRow.key), col(NotificationRow.target))
    with records.reading() as transaction:
        return [_read(row) for row in transaction.session.exec(query.order_by(*order).limit(most))]


def has_work(transaction: Transaction, targets: Collection[str], now: datetime) -> bool:
    """Whether something is due, or was left behind: cheaper than to take the records' lock to find out."""
    ours = col(NotificationRow.target).in_(targets)
    query = select(NotificationRow.key).where(
        ((col(NotificationRow.state) == "waiting") & (col(NotificationRow.due) <= _text(now)) & ours)
        | ((col(NotificationRow.state) == "waiting") & (col(NotificationRow.made) <= _text(now - GIVEN_UP_AFTER)))
        | ((col(NotificationRow.state) == "sending") & (col(NotificationRow.due) <= _text(now - LOST_AFTER)))
    )
    return transaction.session.exec(query.limit(1)).first() is not None


def undelivered(transaction: Transaction, system: str, since: datetime) -> list[Notification]:
    """What was made since then and has not arrived, or perhaps not, newest first: not what was never tried."""
    query = select(NotificationRow).where(
        NotificationRow.system == system,
        NotificationRow.made >= _text(since),
        col(NotificationRow.state).in_(("waiting", "failed", "perhaps")),
    )
    found = (_read(row) for row in transaction.session.exec(query.order_by(col(NotificationRow.made).desc())))
    return [one for one in found if one.tries or one.state != "waiting"]


def remembered(transaction: Transaction, system: str) -> dict[str, Any] | None:
    """What the notifier remembers of a system; None before it has looked once."""
    row = transaction.session.get(NotifierRow, system)
    return dict(json.loads(row.body)) if row else None


def remember(transaction: Transaction, system: str, state: dict[str, Any]) -> None:
    """Replace it."""
    transaction.session.merge(NotifierRow(system=system, body=json.dumps(state, separators=(",", ":"))))


def _let_go(transaction: Transaction, system: str, now: datetime) -> None:
    """Of one system so many are kept, and so long; what still waits goes last."""
    session = transaction.session
    session.flush()
    old = col(NotificationRow.made) < _text(now - KEPT_FOR)
    session.exec(delete(NotificationRow).where(col(NotificationRow.system) == system, old))
    count = session.exec(select(func.count()).where(NotificationRow.system == system)).one()
    if count <= MOST_KEPT:
        return
    waits = (col(NotificationRow.state) == "waiting").desc()
    query = select(NotificationRow).where(NotificationRow.system == system)
    for row in session.exec(query.order_by(waits, col(NotificationRow.made).desc()).offset(MOST_KEPT)):
        session.delete(row)


def _write(transaction: Transaction, one: Notification) -> None:
    transaction.session.merge(
        NotificationRow(
            key=one.key,
            target=one.target,
            system=one.system,
            state=one.state,
            made=_text(one.made),
            due=_text(one.due),
            body=json.dumps(one.model_dump(mode="json"), separators=(",", ":")),
        )
    )
    transaction.session.flush()


def _read(row: NotificationRow) -> Notification:
    return Notification.model_validate(json.loads(row.body))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
