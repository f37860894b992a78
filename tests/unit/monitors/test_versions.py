from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syscard.card import Card
from syscard.live import OTHER_VALUES
from syscard.observation import SDK_SCOPE
from syscard_monitors.memory import Memory, recall
from syscard_monitors.observed import observing
from syscard_monitors.traces import moment
from syscard_monitors.versions import Remembered, Sighting, remembered, versions_now
from syscard_monitors.window import AUTHOR
from tests.unit.monitors.build import MINUTE, SECOND, START_US, card_of, request, span, window, with_drafts
from tests.unit.monitors.test_tracing_health import child, looked

SEEN = dict[tuple[str, str, str], Sighting]


def llm(number: int, **said: Any) -> dict[str, Any]:
    at = START_US + 10 + number
    return child(f"c{number}", component="llm", operation="chat", start_us=at, **said)


def versions_of(*rows: dict[str, Any]) -> SEEN:
    (found,) = looked(span(), *rows)
    return dict(found.versions)


def knowing(**values: str) -> Card:
    """A card on which the values of the llm were observed."""
    card = card_of()
    found = [request(0, {f"llm.{what}": value}) for what, value in values.items()]
    return with_drafts(card, observing(card, found, AUTHOR, window()))


def at(first: int, last: int, calls: int) -> Sighting:
    return Sighting(START_US + first, START_US + last, calls)


def test_every_call_counts_once_for_each_value_that_it_carries() -> None:
    found = versions_of(llm(0, component_version="2", prompt_hash="p"), llm(5, component_version="2"))
    assert found == {("llm", "version", "2"): at(10, 15, 2), ("llm", "prompt", "p"): at(10, 10, 1)}


def test_a_model_that_answers_under_another_name_is_seen_beside_the_one_asked_for() -> None:
    found = versions_of(llm(0, model="m", model_response="m-2026-08"), llm(1, model="m", model_response="m"))
    assert {name[2]: seen.calls for name, seen in found.items()} == {"m": 2, "m-2026-08": 1}


def test_a_call_that_two_instrumentors_tell_of_is_one_call() -> None:
    ours = llm(0, scope=SDK_SCOPE, model="m", component_version="2", duration_us=1000)
    theirs = llm(1, scope="openai", model="m", duration_us=10)
    found = versions_of(ours, theirs)
    assert {name[1:]: seen.calls for name, seen in found.items()} == {("model", "m"): 1, ("version", "2"): 1}


def test_a_span_of_nobody_shows_no_version() -> None:
    assert versions_of(child("x", model="m")) == {}


def test_first_and_last_span_hours_and_calls_add_up() -> None:
    card = knowing(version="2")
    one: SEEN = {("llm", "version", "2"): at(0, 5 * SECOND, 3)}
    other: SEEN = {("llm", "version", "2"): at(60 * MINUTE, 61 * MINUTE, 4)}
    (now,) = versions_now(card, remembered(remembered({}, card, [one]), card, [other]))["llm"]
    assert (now.what, now.value, now.calls) == ("version", "2", 7)
    assert (now.first_seen, now.last_seen) == (moment(START_US), moment(START_US + 61 * MINUTE))


def test_what_the_card_has_known_for_longer_was_first_seen_then() -> None:
    """The memory of an earlier release says nothing of versions."""
    card = knowing(version="2")
    late: SEEN = {("llm", "version", "2"): at(100 * MINUTE, 100 * MINUTE, 1)}
    (now,) = versions_now(card, remembered({}, card, [late]))["llm"]
    assert now.first_seen == card.components["llm"].observed[0].since
    assert now.first_seen < now.last_seen


def test_values_that_the_card_does_not_name_are_counted_together() -> None:
    flood: list[SEEN] = [{("llm", "model", f"m-{i}"): at(i, i, 1)} for i in range(300)]
    found = remembered({}, card_of(), flood)
    assert found == {"llm": {"model": {OTHER_VALUES: at(0, 299, 300)}}}


def test_a_component_that_is_not_on_the_card_takes_no_room() -> None:
    assert remembered({"ghost": {"model": {"m": at(0, 0, 1)}}}, card_of(), []) == {}


def test_the_memory_keeps_it_as_plain_json() -> None:
    kept: Remembered = {"llm": {"version": {"2": at(0, 5, 3)}}}
    body = json.loads(json.dumps(Memory(versions=kept).body()))
    assert recall(body).versions == kept
    assert recall({k: v for k, v in body.items() if k != "versions"}).versions == {}


SIGHTINGS = st.builds(
    lambda value, first, took, calls: {("llm", "version", value): Sighting(first, first + took, calls)},
    st.sampled_from(["1", "2", "3"]),
    st.integers(0, 10**15),
    st.integers(0, 10**9),
    st.integers(1, 50),
)


@given(st.lists(SIGHTINGS, max_size=12), st.integers(0, 12))
def test_how_requests_are_cut_into_windows_changes_nothing(seen: list[SEEN], cut: int) -> None:
    card = knowing(version="1")
    card = with_drafts(card, observing(card, [request(1, {"llm.version": ["2"]})], AUTHOR, window()))
    whole = remembered({}, card, seen)
    assert remembered(remembered({}, card, seen[:cut]), card, seen[cut:]) == whole
    assert remembered({}, card, reversed(seen)) == whole
