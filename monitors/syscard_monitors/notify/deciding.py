"""What is told now: from the incidents of a card and what was told before, to messages. Pure; the clock is passed in.

In any stretch of time as long as the budget's `per` there are at most `at_most` messages, and one more that says that
the budget is used up. Digests come once in `digest`. Every incident that nobody silences is named by one or the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from syscard.card import SEVERITIES, Incident
from syscard.incident_states import CANDIDATE
from syscard.notification import Kind, Message
from syscard.system import Notify
from syscard_monitors.notify import words
from syscard_monitors.notify.state import JOINED, SILENCED, TOLD, Group, Known, NotifierState

_FOR_NEWS: Final = 3
"""One in so many messages of the budget is for what begins or gets worse: no repeat and no end takes it."""


class Decided(NamedTuple):
    """What is told, and what to remember of it."""

    state: NotifierState
    messages: tuple[Message, ...]


@dataclass
class _Desk:
    """One decision, while it is being made."""

    system: str
    policy: Notify
    now: datetime
    incidents: Mapping[int, Incident]
    known: dict[int, Known]
    spent: list[datetime]
    used_up: datetime | None
    ordinal: int
    links: tuple[str, ...] = ()
    messages: list[Message] = field(default_factory=list)
    over_budget: bool = False
    """Whether something new was held back."""

    def say(self, kind: Kind, numbers: Iterable[int], said: words.Said) -> None:
        """One message more."""
        self.ordinal += 1
        named = tuple(numbers)
        self.messages.append(
            Message(kind=kind, incidents=named, ordinal=self.ordinal, title=said.title, text=said.text)
        )

    def put(self, number: int, **changes: Any) -> None:
        """Remember something of an incident."""
        self.known[number] = self.known[number].model_copy(update=changes)

    def room(self, *, news: bool) -> bool:
        """Whether the budget has a message left: for what is new, or for what was told before."""
        most = self.policy.budget.at_most
        return len(self.spent) < (most if news else most - most // _FOR_NEWS)

    def of(self, numbers: Iterable[int]) -> list[Incident]:
        """Incidents by their numbers, worst and oldest first."""
        return sorted((self.incidents[n] for n in numbers), key=lambda i: (_rank(i.severity), i.number))

    def active(self, number: int) -> bool:
        """Whether it is going on, and told."""
        return self.incidents[number].state in TOLD and not self.known[number].silenced

    def over(self, number: int) -> bool:
        """Whether it has ended, one way or another."""
        return self.incidents[number].state not in (*TOLD, SILENCED, CANDIDATE)

    def at_once(self, number: int) -> bool:
        """Whether an incident as it is now is told at once."""
        return self.active(number) and self.policy.how_soon(self.incidents[number].severity) == "at_once"

    def fresh(self, number: int) -> bool:
        """To be told at once, and was not; whoever has acknowledged it knows of it."""
        return not self.known[number].told and self.at_once(number) and self.incidents[number].state == "open"

    def worse(self, number: int) -> bool:
        """Worse than it was when it was told, or when it was seen last."""
        before = self.known[number].told or self.known[number].level
        return self.at_once(number) and _rank(self.incidents[number].severity) < _rank(before)


def decide(
    system: str,
    incidents: Mapping[int, Incident],
    unsure: tuple[str, ...],
    state: NotifierState | None,
    policy: Notify,
    now: datetime,
    links: tuple[str, ...] = (),
) -> Decided:
    """What is to be told.

    Args:
        system: reference of the system.
        incidents: those on its card, by number.
        unsure: claims that are unknown or stale.
        state: what was remembered; None at the first decision, which tells nothing of what is over already.
        policy: when people want to be told.
        now: by the clock; one that was set back delays no message for longer than the budget's period.
        links: what may stand in a message as a link, since the team declared it.
    """
    known = _noticed(incidents, state)
    before = state or NotifierState(digested=now)
    spent = [at for at in (min(at, now) for at in before.spent) if now - at < policy.budget.per]
    desk = _Desk(system, policy, now, incidents, known, spent, before.used_up, before.ordinal, links)
    groups = _tell_groups(desk, before.groups)
    _tell_budget(desk)
    digested = min(before.digested, now)
    if now - digested >= policy.digest:
        _tell_digest(desk, unsure, before.unsure)
        digested, before = now, before.model_copy(update={"unsure": unsure})
    levels = {n: k.model_copy(update={"level": incidents[n].severity}) for n, k in desk.known.items()}
    update = {
        "digested": digested,
        "seen": max(incidents, default=before.seen),
        "known": levels,
        "groups": groups,
        "spent": tuple(desk.spent),
        "used_up": desk.used_up,
        "ordinal": desk.ordinal,
    }
    return Decided(before.model_copy(update=update), tuple(desk.messages))


def _rank(severity: str) -> int:
    """Worst first; a severity that is not known counts as the worst."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _noticed(incidents: Mapping[int, Incident], state: NotifierState | None) -> dict[int, Known]:
    """What is known of each incident of which something may still be told."""
    before = state.known if state else {}
    noticed: dict[int, Known] = {}
    for number, incident in incidents.items():
        known = before.get(number) or Known(level=incident.severity)
        if incident.state in (*TOLD, SILENCED):
            noticed[number] = known.model_copy(update={"silenced": incident.state == SILENCED})
        elif incident.state not in (CANDIDATE, JOINED):
            began_since = state is not None and number > state.seen
            if not known.silenced and (number in before or began_since):
                noticed[number] = known
    return noticed


def _tell_groups(desk: _Desk, before: Mapping[str, Group]) -> dict[str, Group]:
    """Messages about groups that are due; what is remembered of each."""
    members: dict[str, list[int]] = {}
    for number in desk.known:
        members.setdefault(desk.incidents[number].group, []).append(number)
    groups = {
        name: _tell_group(desk, name, sorted(members[name]), before.get(name, Group())) for name in sorted(members)
    }
    lately = {
        name: group
        for name, group in before.items()
        if name not in groups and group.last and desk.now - group.last < desk.policy.group_interval
    }
    return {name: group for name, group in (*groups.items(), *lately.items()) if group != Group()}


def _tell_group(desk: _Desk, name: str, numbers: list[int], group: Group) -> Group:
    worse = [n for n in numbers if desk.worse(n)]
    news = [n for n in numbers if n in worse or desk.fresh(n)]
    ended = [n for n in numbers if desk.over(n) and desk.known[n].by_message]
    if not (news or ended):
        return _tell_again(desk, name, numbers, group)
    since = min(group.since or desk.now, desk.now)
    last = min(group.last, desk.now) if group.last else None
    due = max(since + desk.policy.group_wait, last + desk.policy.group_interval if last else since)
    if not worse and desk.now < due:
        return Group(since=since, last=last)
    if news:
        _tell_news(desk, name, news, worse, ended)
    else:
        _tell_ended(desk, name, ended)
    return Group(last=desk.now)


def _tell_news(desk: _Desk, name: str, news: list[int], worse: list[int], ended: list[int]) -> None:
    room = desk.room(news=True)
    for number in news:
        severity = desk.incidents[number].severity
        desk.put(number, told=severity, by_message=room, held=not room)
    if room:
        desk.spent.append(desk.now)
        said = words.of_news(desk.system, name, desk.of(news), frozenset(worse), desk.of(ended), desk.links)
        desk.say("worse" if set(news) == set(worse) else "opened", (*news, *ended), said)
        _forget(desk, ended)
        return
    desk.over_budget = True
    _leave_to_digest(desk, ended)


def _tell_budget(desk: _Desk) -> None:
    """That it is used up, once in its period."""
    lately = desk.used_up is not None and desk.now - min(desk.used_up, desk.now) < desk.policy.budget.per
    if desk.over_budget and not lately:
        desk.used_up = desk.now
        held = sum(known.held for known in desk.known.values())
        desk.say("budget", (), words.of_budget(desk.system, desk.policy.budget, held))


def _tell_ended(desk: _Desk, name: str, ended: list[int]) -> None:
    if not desk.room(news=False):
        _leave_to_digest(desk, ended)
        return
    desk.spent.append(desk.now)
    desk.say("resolved", ended, words.of_end(desk.system, name, desk.of(ended)))
    _forget(desk, ended)


def _tell_again(desk: _Desk, name: str, numbers: list[int], group: Group) -> Group:
    """A page that nobody has acknowledged is told again and again, as long as the budget allows."""
    pages = [n for n in numbers if desk.at_once(n) and desk.known[n].told and _nobody_is_on(desk.incidents[n])]
    if not pages or group.last is None or desk.now - min(group.last, desk.now) < desk.policy.repeat:
        return Group(last=group.last)
    if desk.room(news=False):
        desk.spent.append(desk.now)
        desk.say("repeat", pages, words.of_repeat(desk.system, name, desk.of(pages), desk.now, desk.links))
        for number in pages:
            desk.put(number, by_message=True, held=False)
    return Group(last=desk.now)


def _nobody_is_on(incident: Incident) -> bool:
    return incident.state == "open" and _rank(incident.severity) == 0


def _tell_digest(desk: _Desk, unsure: tuple[str, ...], unsure_before: tuple[str, ...]) -> None:
    """All that no message told; nothing where there is nothing."""
    ours = [n for n in sorted(desk.known) if not desk.known[n].silenced and not desk.fresh(n)]
    held = [n for n in ours if desk.known[n].held]
    new = [n for n in ours if not desk.known[n].told]
    ended = [n for n in ours if desk.over(n) and desk.known[n].told and n not in held and not desk.known[n].by_message]
    if not (held or new or ended or set(unsure) - set(unsure_before)):
        return
    going_on = [n for n in ours if desk.active(n) and n not in (*held, *new) and _rank(desk.incidents[n].severity) == 0]
    parts = words.Digest(desk.of(held), desk.of(new), desk.of(ended), desk.of(going_on), unsure)
    desk.say("digest", (*held, *new, *ended), words.of_digest(desk.system, parts))
    for number in (*held, *new):
        desk.put(number, told=desk.incidents[number].severity, held=False)
    _forget(desk, [n for n in (*held, *new, *ended) if desk.over(n)])


def _leave_to_digest(desk: _Desk, ended: Iterable[int]) -> None:
    for number in ended:
        desk.put(number, by_message=False)


def _forget(desk: _Desk, numbers: Iterable[int]) -> None:
    for number in numbers:
        del desk.known[number]
