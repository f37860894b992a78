"""What is kept of a home's spans: the setting in force, and what claims, incidents and people hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from syscard.holds import Held
    from syscard.records.store import Records
    from syscard_tracing.retention import Keeping, Setting
    from syscard_tui.wiring import House

_DAY: Final = timedelta(days=1)


def keeping_now(house: House) -> Keeping:
    """The home's own setting; where it says no days, the longest `traces.retain`, if every system declares one.

    Raises:
        UsageError: the setting cannot be read.
        RecordsError: the records cannot be.
    """
    from syscard_tracing.retention import Keeping, read_setting, trace_ids

    setting = read_setting(house.home)
    if not house.home.records.is_file():
        return Keeping(setting.days, setting.max_bytes, by=_by(setting, None))
    with house.records() as records:
        declared = _declared_days(house, records)
        days = setting.days or declared
        held = trace_ids([h.trace for h in held_now(house, records, days)])
    return Keeping(days, setting.max_bytes, held, _by(setting, declared))


def held_now(house: House, records: Records, days: int | None) -> tuple[Held, ...]:
    """Every trace that some system of the home holds, and why."""
    return tuple(_held(house, records, days))


def _held(house: House, records: Records, days: int | None) -> Iterator[Held]:
    from syscard.holds import held

    retain = days * _DAY if days else timedelta(days=30)
    for ref in records.systems():
        yield from held(records.card(ref), records.edits(ref), house.clock(), retain)


def _declared_days(house: House, records: Records) -> int | None:
    """Spans of all systems lie in the same days: one that declares nothing keeps them."""
    systems = house.systems(records)
    declared = [s.traces.retain for s in systems if s.traces.retain is not None]
    if not systems or len(declared) < len(systems):
        return None
    return -(-max(declared) // _DAY)


def _by(setting: Setting, declared: int | None) -> str:
    if setting.days or setting.max_bytes:
        return "set by: syscard retain"
    return "traces.retain of system.yaml" if declared else ""
