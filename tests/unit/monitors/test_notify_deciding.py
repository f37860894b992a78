"""What is told, when, and how often: one message a group, within a budget, and nothing is left untold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.card import Incident
from syscard.notification import Message
from syscard.system import MessageBudget, Notify
from syscard_monitors.notify.deciding import decide
from syscard_monitors.notify.state import NotifierState
from tests.unit.build import NOW

WAIT, INTERVAL, REPEAT, DAY = (timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=4), timedelta(days=1))
SECOND = timedelta(seconds=1)


def incident(number: int = 1, severity: str = "page", state: str = "open", group: str = "shop/llm") -> Incident:
    made = Incident(
        number=number,
        fingerprint="f" * 16,
        group=group,
        subject=group.partition("/")[2],
        state="open",
        severity=severity,
        title="llm: grounded 0.90 -> 0.30",
        since=NOW,
        opened=NOW,
        findings=(),
        inherited_by=(),
        unchanged=(),
        traces=(),
        note=("llm broke.", "It began at noon."),
        unknowns=(),
        do_first="roll llm back",
        events=(),
    )
    return made.model_copy(update={"state": state})


class Story:
    """A card that changes, and who tells of it."""

    def __init__(self, policy: Notify | None = None) -> None:
        self.policy = policy or Notify()
        self.state: NotifierState | None = None
        self.now = NOW
        self.incidents: dict[int, Incident] = {}
        self.told: list[tuple[datetime, Message]] = []
        self.look()

    def look(self, *changed: Incident, after: timedelta = timedelta(0), unsure: tuple[str, ...] = ()) -> list[Message]:
        self.now += after
        self.incidents |= {i.number: i for i in changed}
        self.state, messages = decide("shop", self.incidents, unsure, self.state, self.policy, self.now)
        self.told += [(self.now, m) for m in messages]
        return list(messages)

    def kinds(self) -> list[str]:
        return [message.kind for _, message in self.told]


def kinds(messages: Sequence[Message]) -> list[str]:
    return [m.kind for m in messages]


# ------------------------------------------------------------------------------------------------------------- grouping


def test_a_page_is_told_once_its_group_has_waited() -> None:
    story = Story()
    assert story.look(incident()) == []
    assert story.look(after=WAIT - SECOND) == []
    (message,) = story.look(after=SECOND)
    assert (message.kind, message.incidents) == ("opened", (1,))
    assert story.look(after=timedelta(hours=1)) == []


def test_incidents_of_one_group_that_begin_together_are_one_message_and_of_two_groups_are_two() -> None:
    story = Story()
    story.look(incident(1))
    story.look(incident(2), incident(3, group="shop/cf"), after=10 * SECOND)
    first = story.look(after=20 * SECOND)
    second = story.look(after=10 * SECOND)
    assert [m.incidents for m in (*first, *second)] == [(1, 2), (3,)]


def test_what_joins_a_group_that_was_told_waits_for_the_interval_of_the_group() -> None:
    story = Story()
    story.look(incident(1))
    story.look(after=WAIT)
    assert story.look(incident(2), after=SECOND) == []
    assert story.look(after=INTERVAL - 2 * SECOND) == []
    (message,) = story.look(after=SECOND)
    assert (message.kind, message.incidents) == ("opened", (2,))


def test_a_page_is_told_again_every_four_hours_until_somebody_acknowledges_it() -> None:
    story = Story()
    story.look(incident())
    story.look(after=WAIT)
    assert story.look(after=REPEAT - SECOND) == []
    assert kinds(story.look(after=SECOND)) == ["repeat"]
    assert kinds(story.look(after=REPEAT)) == ["repeat"]
    assert story.look(incident(state="acknowledged"), after=REPEAT) == []
    assert story.look(after=REPEAT) == []


def test_that_an_incident_is_over_is_told_once_and_only_where_its_beginning_was_told() -> None:
    story = Story()
    story.look(incident(1))
    story.look(after=WAIT)
    story.look(incident(1, state="resolved"), after=INTERVAL)
    (message,) = story.look(after=WAIT)
    assert (message.kind, message.incidents) == ("resolved", (1,))
    assert story.look(after=DAY) == []
    assert story.state is not None
    assert story.state.known == {}


def test_one_that_is_over_before_it_was_told_is_in_the_digest() -> None:
    story = Story()
    story.look(incident(1))
    assert story.look(incident(1, state="resolved"), after=10 * SECOND) == []
    assert story.look(after=WAIT) == []
    (digest,) = story.look(after=DAY)
    assert (digest.kind, digest.incidents) == ("digest", (1,))


def test_one_that_began_and_ended_between_two_looks_is_in_the_digest() -> None:
    story = Story()
    story.look(incident(7, state="resolved"))
    (digest,) = story.look(after=DAY)
    assert digest.incidents == (7,)


def test_what_was_over_before_anybody_was_told_anything_is_not_told() -> None:
    story = Story.__new__(Story)
    story.policy, story.state, story.now, story.told = Notify(), None, NOW, []
    story.incidents = {1: incident(1, state="resolved"), 2: incident(2)}
    story.look()
    assert [m.incidents for m in story.look(after=WAIT)] == [(2,)]
    assert story.look(incident(2, state="acknowledged"), after=DAY) == []


@pytest.mark.parametrize("state", ["suppressed", "candidate"])
def test_what_is_silenced_or_has_not_begun_is_not_told_and_is_once_it_is_neither(state: str) -> None:
    story = Story()
    assert story.look(incident(state=state)) == []
    assert story.look(after=2 * DAY) == []
    story.look(incident(state="open"))
    assert kinds(story.look(after=WAIT)) == ["opened"]


def test_what_ends_while_it_is_silenced_and_what_another_incident_takes_in_is_not_told() -> None:
    story = Story()
    story.look(incident(1, state="suppressed"), incident(2))
    story.look(incident(1, state="resolved"), incident(2, state="merged"))
    assert story.look(after=2 * DAY) == []


def test_a_page_that_was_told_is_not_told_again_while_it_is_silenced() -> None:
    story = Story()
    story.look(incident())
    story.look(after=WAIT)
    assert story.look(incident(state="suppressed"), after=REPEAT) == []
    assert story.look(after=2 * DAY) == []


def test_who_acknowledges_within_the_wait_is_not_paged_and_the_digest_has_it() -> None:
    story = Story()
    story.look(incident())
    story.look(incident(state="acknowledged"), after=SECOND)
    assert story.look(after=INTERVAL) == []
    assert [m.incidents for m in story.look(after=DAY)] == [(1,)]


def test_a_ticket_that_becomes_a_page_is_told_at_once() -> None:
    story = Story()
    assert story.look(incident(severity="ticket"), after=WAIT) == []
    assert kinds(story.look(incident(severity="page"), after=SECOND)) == ["worse"]
    assert story.look(after=INTERVAL) == []


def test_that_it_got_worse_is_told_to_whoever_has_acknowledged_it() -> None:
    story = Story(Notify(ticket="at_once"))
    story.look(incident(severity="ticket"))
    story.look(after=WAIT)
    story.look(incident(severity="ticket", state="acknowledged"), after=SECOND)
    assert kinds(story.look(incident(severity="page", state="acknowledged"), after=SECOND)) == ["worse"]


# --------------------------------------------------------------------------------------------------- budget and digest


def test_beyond_the_budget_one_message_says_so_and_the_digest_has_the_rest() -> None:
    story = Story(Notify(budget=MessageBudget(at_most=2, per=DAY), repeat=7 * DAY))
    story.look(*(incident(n, group=f"shop/c{n}") for n in range(1, 6)))
    said = story.look(after=WAIT)
    assert kinds(said) == ["opened", "opened", "budget"]
    assert "3 more: see syscard incident list" in said[-1].text
    assert story.state is not None
    assert story.state.held == 3
    assert story.look(after=timedelta(hours=1)) == []
    (digest,) = story.look(after=DAY - timedelta(hours=1))
    assert digest.incidents == (3, 4, 5)
    assert "held back by the message budget (3): INC-3 to INC-5" in digest.text
    assert story.state.held == 0


def test_repeats_and_ends_leave_a_third_of_the_budget_to_what_is_new() -> None:
    story = Story(Notify(budget=MessageBudget(at_most=3, per=DAY), repeat=timedelta(hours=1), digest=7 * DAY))
    story.look(incident())
    story.look(after=WAIT)
    for _ in range(5):
        story.look(after=timedelta(hours=1))
    assert story.kinds() == ["opened", "repeat"]
    story.look(incident(2, group="shop/cf"))
    assert kinds(story.look(after=WAIT)) == ["opened"]


def test_the_budget_comes_back_as_its_period_moves_on() -> None:
    story = Story(Notify(budget=MessageBudget(at_most=1, per=timedelta(hours=1)), digest=7 * DAY))
    for number in range(1, 5):
        story.look(incident(number, group=f"shop/c{number}"), after=timedelta(hours=1))
        story.look(after=WAIT)
    assert story.kinds() == ["opened"] * 4


def test_tickets_and_notes_are_in_the_digest_and_there_is_none_where_there_is_nothing() -> None:
    story = Story()
    assert story.look(incident(1, "ticket"), incident(2, "note"), after=WAIT) == []
    (digest,) = story.look(after=DAY)
    assert (digest.kind, digest.incidents) == ("digest", (1, 2))
    assert story.look(after=DAY) == []
    story.look(incident(1, "ticket", "resolved"))
    (digest,) = story.look(after=DAY)
    assert "over (1): INC-1" in digest.text


def test_a_digest_says_what_is_unknown_and_none_is_sent_for_what_was_unknown_before() -> None:
    story = Story()
    (digest,) = story.look(after=DAY, unsure=("grounded is stale",))
    assert "unknown or stale: grounded is stale" in digest.text
    assert story.look(after=DAY, unsure=("grounded is stale",)) == []
    assert kinds(story.look(after=DAY, unsure=("fast is unknown", "grounded is stale"))) == ["digest"]


def test_a_clock_that_is_set_back_does_not_keep_messages_back_for_ever() -> None:
    story = Story(Notify(budget=MessageBudget(at_most=1, per=DAY)))
    story.look(incident(1), after=timedelta(days=3650))
    story.look(after=WAIT)
    story.look(after=-timedelta(days=3650))
    story.look(incident(2, group="shop/cf"), after=DAY)
    assert [m.incidents for m in story.look(after=WAIT) if m.kind == "opened"] == [(2,)]


def test_what_is_remembered_survives_being_written_down() -> None:
    story = Story()
    story.look(incident(1), incident(2, "ticket"))
    story.look(after=WAIT)
    assert story.state is not None
    assert NotifierState.model_validate(story.state.model_dump(mode="json")) == story.state


@pytest.mark.endurance
def test_ten_thousand_incidents_in_a_minute_are_a_bounded_number_of_messages_and_all_of_them_are_told() -> None:
    story = Story(Notify(digest=timedelta(hours=20)))
    for second in range(20):
        story.look(*(incident(500 * second + k + 1, group=f"shop/c{k}") for k in range(500)), after=3 * SECOND)
    story.look(after=timedelta(hours=20))
    assert len(story.told) <= story.policy.budget.at_most + 1 + 1
    assert {n for _, m in story.told for n in m.incidents} == set(range(1, 10_001))
    assert max(len(m.text) + len(m.title) for _, m in story.told) <= 1000


STEPS = st.lists(
    st.tuples(
        st.integers(0, 7200),
        st.lists(
            st.tuples(
                st.integers(1, 12),
                st.sampled_from(("page", "ticket", "note")),
                st.sampled_from(("open", "acknowledged", "mitigating", "resolved", "false_positive")),
                st.integers(0, 3),
            ),
            max_size=4,
        ),
    ),
    max_size=40,
)


def replayed(steps: Sequence[tuple[int, Sequence[tuple[int, str, str, int]]]], story: Story) -> None:
    groups: dict[int, int] = {}
    for seconds, changes in steps:
        changed = []
        for number, severity, state, group in changes:
            groups.setdefault(number, group)
            changed.append(incident(number, severity, state, f"shop/c{groups[number]}"))
        story.look(*changed, after=timedelta(seconds=seconds))


@given(steps=STEPS, at_most=st.integers(1, 5), hours=st.integers(1, 30))
@settings(max_examples=200)
def test_whatever_happens_messages_stay_within_the_budget_and_every_incident_is_told(
    steps: Any, at_most: int, hours: int
) -> None:
    per = timedelta(hours=hours)
    story = Story(Notify(budget=MessageBudget(at_most=at_most, per=per), repeat=timedelta(hours=1)))
    replayed(steps, story)
    story.look(after=INTERVAL)
    story.look(after=INTERVAL)
    story.look(after=DAY)
    times = [at for at, m in story.told if m.kind != "digest"]
    for begins in times:
        assert sum(begins <= at < begins + per for at in times) <= at_most + 1
    digests = [at for at, m in story.told if m.kind == "digest"]
    assert all(later - earlier >= DAY for earlier, later in pairwise(digests))
    assert {n for _, m in story.told for n in m.incidents} >= set(told_of(story.incidents, steps))


def told_of(incidents: Mapping[int, Incident], steps: Any) -> set[int]:
    """Every incident but one whose number is older than the first that was seen: it was over before."""
    seen, told = 0, set[int]()
    for _, changes in steps:
        latest = {number: state for number, _, state, _ in changes}
        told |= {n for n, state in latest.items() if n > seen or state in ("open", "acknowledged", "mitigating")}
        seen = max((seen, *latest))
    return told & set(incidents)


@given(steps=STEPS)
def test_a_decision_that_was_lost_is_made_again_the_same(steps: Any) -> None:
    """Killed before its transaction is through, it decides from the same state: the same message, by the same key."""
    story = Story()
    replayed(steps, story)
    now = story.now + WAIT
    once = decide("shop", story.incidents, (), story.state, story.policy, now)
    assert decide("shop", story.incidents, (), story.state, story.policy, now) == once
