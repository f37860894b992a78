"""Whether anybody watches: a dead monitor must not look like peace, also to those who are not looking. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from syscard.health import QUIET_AFTER, RESTARTED_LATELY, SILENT_AFTER
from syscard.notification import Message
from syscard.system import Notify
from syscard.words import moment, plural, span_of
from syscard_monitors.notify import words
from syscard_monitors.notify.state import NotifierState, Outage

DEAD_AFTER: Final = 2 * SILENT_AFTER
"""Without a look for so long the monitors are said to be dead: one that hangs is started again before that."""
_LOOKS_MISSED: Final = 3
"""Where looks are that rare, so many of them must be missing."""
OFTEN: Final = 3
"""So many restarts within `RESTARTED_LATELY`, and nobody can say that they work."""
EXPECTED: Final = 100
"""Requests that should have come meanwhile, at the rate of the newest window."""
WELL_FOR: Final = timedelta(minutes=5)
"""An outage is over once all has been well for so long: one that comes and goes is one outage."""


class Trouble(NamedTuple):
    """Why nobody could say that all is well."""

    kind: Literal["monitors", "spans"]
    what: str


class Watch(NamedTuple):
    """What is known of who looks, beside what they say themselves."""

    started: datetime
    """When whoever asks began to: what was before is not the monitors' fault."""
    every: timedelta = timedelta(0)
    """From one look to the next."""

    @property
    def dead_after(self) -> timedelta:
        """How long no look may have been made."""
        return max(DEAD_AFTER, _LOOKS_MISSED * self.every)


def trouble(watcher: dict[str, Any], policy: Notify, watch: Watch, now: datetime) -> Trouble | None:
    """What is wrong with the watch.

    Args:
        watcher: what the monitors say of themselves, as a view has it.
        policy: when people want to be told.
        watch: since when, and how often, there should have been looks.
        now: by the clock.
    """
    looked = max(moment(watcher.get("last_run")) or watch.started, watch.started)
    if now - looked > watch.dead_after:
        return Trouble("monitors", f"the monitors have not looked for {span_of(now - looked)}{_why(watcher)}")
    again = [one for one in watcher.get("restarts", ()) if now - datetime.fromisoformat(one["at"]) < RESTARTED_LATELY]
    if len(again) >= OFTEN:
        return Trouble(
            "monitors", f"the monitors were restarted {plural(len(again), 'time')} in an hour{_why(watcher)}"
        )
    return _no_spans(watcher, policy, watch.started, now)


def _why(watcher: dict[str, Any]) -> str:
    restarts = watcher.get("restarts", ())
    return f" (the last time: {restarts[-1]['why']})" if restarts else ""


def _no_spans(watcher: dict[str, Any], policy: Notify, started: datetime, now: datetime) -> Trouble | None:
    last = moment(watcher.get("last_span"))
    if last is None:
        return None
    silent = now - max(last, started)
    expected = (watcher.get("per_minute") or 0) * (silent / timedelta(minutes=1))
    limit = policy.quiet or QUIET_AFTER
    if silent > limit and (policy.quiet is not None or expected >= EXPECTED):
        return Trouble("spans", f"no span has come for {span_of(now - last)}")
    return None


def tell_outage(
    system: str, found: Trouble | None, state: NotifierState, now: datetime
) -> tuple[NotifierState, tuple[Message, ...]]:
    """One message when an outage begins, and one when it is over; they count against no budget."""
    known = state.outage
    if found is not None and known is None:
        said = words.of_outage(system, found.what)
        return _said(state, "silent", said, Outage(kind=found.kind, since=now))
    if known is None:
        return state, ()
    if found is not None:
        going_on = known.model_copy(update={"well_since": None})
        return state.model_copy(update={"outage": going_on}), ()
    well = known.well_since or now
    if now - well < WELL_FOR:
        return state.model_copy(update={"outage": known.model_copy(update={"well_since": well})}), ()
    back = "the monitors look again" if known.kind == "monitors" else "spans come again"
    return _said(state, "back", words.of_return(system, back, well - known.since), None)


def _said(
    state: NotifierState, kind: Literal["silent", "back"], said: words.Said, outage: Outage | None
) -> tuple[NotifierState, tuple[Message, ...]]:
    ordinal = state.ordinal + 1
    message = Message(kind=kind, ordinal=ordinal, title=said.title, text=said.text)
    return state.model_copy(update={"ordinal": ordinal, "outage": outage}), (message,)
