"""Who may move an incident from which state to which, and what never happens however people and monitors move it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.card import SEVERITIES, Card, Incident
from syscard.edits import AuthorKind
from syscard.fold import apply, empty_card
from syscard.incident_states import CANDIDATE, LIVE_STATES, OPEN_STATES, hides, may_move, refusal
from tests.unit.build import HUMAN, MONITOR, chained, draft, member, opening

STATES = (
    "open", "acknowledged", "mitigating", "resolved", "reviewed", "merged", "false_positive", "accepted_risk",
    "suppressed",
)  # fmt: skip
severities = st.sampled_from(SEVERITIES)


def test_the_way_of_an_incident_is_open_to_people() -> None:
    way = ("open", "acknowledged", "mitigating", "resolved", "reviewed")
    assert all(may_move(one, other, by_hand=True) for one, other in pairwise(way))


def test_nobody_opens_a_candidate_by_hand_and_nothing_becomes_one_again() -> None:
    assert may_move(CANDIDATE, "open", by_hand=False)
    assert not any(may_move(CANDIDATE, state, by_hand=True) for state in STATES)
    assert not any(may_move(state, CANDIDATE, by_hand=by) for state in STATES for by in (True, False))


@pytest.mark.parametrize(
    "state", ["acknowledged", "mitigating", "reviewed", "merged", "false_positive", "accepted_risk"]
)
def test_what_takes_a_judgement_is_never_done_by_a_monitor(state: str) -> None:
    assert not any(may_move(was, state, by_hand=False) for was in (CANDIDATE, *STATES))


def test_what_is_merged_is_over() -> None:
    assert not any(may_move("merged", state, by_hand=by) for state in STATES for by in (True, False))


def test_a_monitor_does_not_take_back_what_people_closed() -> None:
    closed = ("reviewed", "false_positive", "merged")
    assert not any(may_move(was, state, by_hand=False) for was in closed for state in STATES)


@pytest.mark.parametrize(
    ("state", "to", "says"),
    [
        ("acknowledged", "acknowledged", "INC-3 is acknowledged already: see it with: syscard incident show INC-3"),
        ("resolved", "acknowledged", "INC-3 is resolved already: from there it can become open, reviewed, false pos"),
        ("merged", "open", "INC-3 is merged already: from there it can become nothing: it is over"),
    ],
)
def test_a_move_that_is_not_allowed_is_refused_in_one_line(state: str, to: str, says: str) -> None:
    found = refusal(3, state, to)
    assert found is not None
    assert found.startswith(says)
    assert "\n" not in found


@pytest.mark.parametrize("state", STATES)
def test_only_what_is_open_is_hidden_and_only_in_what_was_accepted(state: str) -> None:
    assert hides(state, "accepted_risk") == (state in OPEN_STATES)
    assert not any(hides(state, into) for into in ("open", "acknowledged", "mitigating", "suppressed"))


def test_an_allowed_move_is_not_refused() -> None:
    assert refusal(3, "open", "acknowledged") is None


class Moving(RuleBasedStateMachine):
    """One incident that people and monitors move as they may; severity and events are looked at after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.card: Card = empty_card("shop")
        self.found = "note"
        """The worst that a monitor ever found."""
        self.events = 0

    @property
    def incident(self) -> Incident:
        return self.card.incidents[1]

    def write(self, body: e.Body, author: e.Author) -> None:
        (edit,) = chained([[draft(body, author=author)]])
        self.card = apply(self.card, edit)
        self.events += body.kind != "incident.impact"

    def seen(self, severity: str) -> None:
        self.found = min(self.found, severity, key=SEVERITIES.index)

    @initialize(severity=severities, silenced=st.booleans())
    def opens(self, severity: str, silenced: bool) -> None:
        self.write(opening(severity=severity, silence="S-1" if silenced else None), MONITOR)
        self.seen(severity)

    @rule(to=st.sampled_from(STATES), by_hand=st.booleans())
    def moves(self, to: Any, by_hand: bool) -> None:
        if to != "merged" and may_move(self.incident.state, to, by_hand=by_hand):
            silence = "S-1" if to == "suppressed" else None
            self.write(e.MoveIncident(number=1, state=to, silence=silence), HUMAN if by_hand else MONITOR)
            assert self.incident.state == to

    @precondition(lambda self: self.incident.is_live)
    @rule(severity=severities)
    def something_joins(self, severity: Any) -> None:
        found = (member(f"llm.s{self.events}"),)
        self.write(e.ExtendIncident(number=1, findings=found, severity=severity), MONITOR)
        self.seen(severity)

    @precondition(lambda self: self.incident.state == "resolved")
    @rule(severity=severities)
    def breaks_again(self, severity: Any) -> None:
        found = (member("llm.grounded"),)
        since = self.incident.since
        self.write(e.ReopenIncident(number=1, since=since, severity=severity, findings=found), MONITOR)
        self.seen(severity)
        assert (self.incident.state, self.incident.resolved) == ("open", None)

    @rule(severity=severities)
    def a_human_says_how_severe(self, severity: Any) -> None:
        self.write(ie.SetSeverity(number=1, severity=severity, text_sha256="a" * 64), HUMAN)
        allowed = SEVERITIES.index(severity) <= SEVERITIES.index(self.found)
        assert self.incident.severity == (severity if allowed else self.found)

    @precondition(lambda self: 2 not in self.card.incidents)
    @rule(severity=severities)
    def another_is_merged_into_it(self, severity: Any) -> None:
        self.write(opening(2, "vlm", severity=severity), MONITOR)
        self.write(ie.MergeIncident(number=2, into=1), HUMAN)
        self.events -= 1  # the opening is told on the other one
        self.seen(severity)
        assert (self.card.incidents[2].state, self.incident.merged) == ("merged", (2,))

    @invariant()
    def severity_is_never_below_the_worst_that_was_found(self) -> None:
        if 1 in self.card.incidents:
            assert SEVERITIES.index(self.incident.severity) <= SEVERITIES.index(self.found)
            assert self.incident.least_severity == self.found

    @invariant()
    def every_step_is_on_the_timeline_with_who_took_it(self) -> None:
        if 1 in self.card.incidents:
            assert len(self.incident.events) == self.events
            assert {event.author.split(":")[0] for event in self.incident.events} <= {*AuthorKind}

    @invariant()
    def what_is_over_says_when_and_what_is_open_does_not(self) -> None:
        if 1 in self.card.incidents:
            assert (self.incident.state in OPEN_STATES) == self.incident.is_open
            if self.incident.is_open:
                assert self.incident.resolution is None or self.incident.resolved is None
            if self.incident.state not in LIVE_STATES:
                assert self.incident.resolved is not None

    @invariant()
    def nothing_of_a_silence_or_an_acceptance_outlives_the_state(self) -> None:
        if 1 in self.card.incidents:
            assert (self.incident.silence is not None) == (self.incident.state == "suppressed")
            assert (self.incident.accepted_by is not None) == (self.incident.state == "accepted_risk")


Moving.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestMoving = Moving.TestCase
