"""What was hashed under two keys is never compared, and whoever is asked says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syscard.finding import Finding, State
from syscard.rotations import NOT_COMPARABLE
from syscard_monitors.assemble import Request
from syscard_monitors.baseline import measure_baseline, references
from syscard_monitors.facts import Terms, carries_words
from syscard_monitors.look import look
from syscard_monitors.memory import Memory
from syscard_monitors.reference import Reference
from syscard_monitors.tracing_health import figures
from syscard_monitors.window import findings_of
from tests.unit.build import declared
from tests.unit.monitors.build import SECOND, START_US, Asked, card_of, facts, plan, request, signal, span, window
from tests.unit.monitors.test_look import NOW_US, SHOP, lake

MARKS = ["#0123456789ab", "#ba9876543210"]
SAID = frozenset(f"{i:016x}" for i in range(9))


def category(values: list[str], keys: tuple[int, ...], window_keys: set[int], said: list[str]) -> Finding:
    watched = signal("category", expr="vlm.kind")
    reference = Reference(tuple(sorted(values * 10)), keys=keys)
    asked = [replace(request(i, {"vlm.kind": v}), keys=frozenset(window_keys)) for i, v in enumerate(said * 10)]
    (found,) = (
        f
        for f in findings_of(
            card_of(), plan(watched, references={watched.key: reference}), Memory(), asked, window(), Asked()
        )
        if f.key == watched.key
    )
    return found


def test_marks_of_two_keys_are_unknown_and_no_drift() -> None:
    found = category(MARKS, (0,), {1}, ["#aaaaaaaaaaaa", "#bbbbbbbbbbbb"])
    assert found.state is State.UNKNOWN
    assert found.why == f"{NOT_COMPARABLE}: set the baseline anew with: syscard baseline set"


@pytest.mark.parametrize(("keys", "window_keys"), [((0, 1), {1}), ((1,), {0, 1})])
def test_a_baseline_or_a_window_across_a_rotation_is_of_two_keys_itself(
    keys: tuple[int, ...], window_keys: set[int]
) -> None:
    assert NOT_COMPARABLE in category(MARKS, keys, window_keys, MARKS).why


def test_marks_of_one_key_and_words_that_are_kept_are_compared_as_ever() -> None:
    assert category(MARKS, (1,), {1}, MARKS).state is State.OK
    assert category(["cat", "dog"], (0,), {1}, ["cat", "dog"]).state is State.OK
    assert category(["cat", "dog"], (0,), {1}, ["eel"]).state is State.WARN


def test_words_are_not_found_again_across_a_rotation() -> None:
    earlier, later = facts("a", "vlm", made=Terms(SAID)), facts("b", "llm", at=5, took=Terms(SAID))
    assert carries_words(earlier, later)
    assert not carries_words(earlier, replace(later, key=1))


def spans_of_two_keys() -> list[dict[str, Any]]:
    """A request whose second span came after the key was changed, two seconds later."""
    root = span(duration_us=SECOND)
    return [root, span("t1", "c", parent_span_id="s", duration_us=9, received_us=root["received_us"] + 2 * SECOND)]


def looked(*rotated: int) -> Request:
    (found,) = look(lake(spans_of_two_keys()), SHOP, Memory(), NOW_US, rotated=rotated).complete
    return found


def test_the_time_of_receipt_tells_the_key_of_each_span() -> None:
    assert looked().keys == {0}
    assert looked(START_US).keys == {1}
    assert looked(START_US + 3 * SECOND).keys == {0, 1}


def test_a_baseline_remembers_under_which_keys_its_words_were_hashed() -> None:
    requests = [replace(r, keys=frozenset({1})) for r in (request(i, {"vlm.kind": "cat"}) for i in range(30))]
    kinds = [signal("category", expr="vlm.kind")]
    kept = measure_baseline(declared(), kinds, requests).values
    before = measure_baseline(declared(), kinds, [request(i) for i in range(30)]).values
    assert [r.keys for r in references(kept).values()] == [(1,)]
    assert "keys" not in before, "the digest of a baseline without a rotation is what it was"
    assert references({"signals": {"x": [1]}})["x"].keys == (0,)


def test_requests_of_two_keys_are_counted_and_the_figure_says_why_that_matters() -> None:
    (told,) = [f for f in figures([{"requests": 20, "rotated": 2}]) if f.key == "two_keys"]
    assert (told.hits, told.n) == (2, 20)
    assert NOT_COMPARABLE in told.says
