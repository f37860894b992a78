"""What changed before an incident began, from the edits of the system."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from syscard.edits import Change, Draft, Edit, Observe, SetBaseline
from syscard_monitors.changes import LOOK_BACK, MOST_CHANGES, changes_before
from tests.unit.build import HUMAN, NOW, chained, component, draft

SINCE = NOW + timedelta(hours=2)


def seen(value: str, previous: str | None, what: str = "prompt", *, declared: bool = False) -> Observe:
    return Observe.model_validate(
        {
            "what": what,
            "ref": "llm",
            "value": value,
            "evidence_class": "span",
            "traces": 20,
            "declared": declared,
            "previous": previous,
        }
    )


def baseline(name: str) -> SetBaseline:
    return SetBaseline(
        name=name,
        start=NOW,
        end=NOW,
        requests=200,
        data_digest="0" * 64,
        approved_by="lead",
        agreement_p=None,
        watched=(),
        too_constant=(),
    )


def history(*later: Sequence[Draft]) -> tuple[Edit, ...]:
    """A system that was declared at noon, and what came later."""
    return chained([[draft(component(), author=HUMAN)], *later])


def says(found: Sequence[Change]) -> list[str]:
    return [f"{c.about} {c.says}" for c in found]


def test_a_prompt_that_took_the_place_of_another_is_told_with_both() -> None:
    found = changes_before(history([draft(seen("3f2a", "1b31"), minute=90)]), (), SINCE)
    assert says(found) == ["llm prompt became 3f2a (was 1b31)"]
    assert found[0].at == NOW + timedelta(minutes=90)


def test_what_is_new_in_the_same_requests_is_told_too() -> None:
    found = changes_before(history(), [draft(seen("q4_0", "q4_1", "model"), minute=121)], SINCE)
    assert says(found) == ["llm model became q4_0 (was q4_1)"]


def test_what_was_seen_first_and_is_declared_is_no_change() -> None:
    assert changes_before(history([draft(seen("1b31", None, declared=True), minute=1)]), (), SINCE) == ()


def test_a_part_that_nobody_declared_is_one() -> None:
    found = changes_before(history([draft(seen("llm", None, "component"), minute=5)]), (), SINCE)
    assert says(found) == ["llm was seen for the first time, declared by nobody"]


def test_the_first_apply_is_no_change_and_a_later_one_names_its_parts() -> None:
    later = [draft(component(ref), minute=30, author=HUMAN) for ref in ("cf", "vlm", "llm", "agent", "guard")]
    assert says(changes_before(history(later), (), SINCE)) == [
        "system system.yaml was applied anew: cf, vlm, llm, agent and 1 more"
    ]
    assert changes_before(history(), (), SINCE) == ()


def test_a_new_baseline_is_told() -> None:
    found = changes_before(history([draft(baseline("launch"), minute=10, author=HUMAN)]), (), SINCE)
    assert says(found) == ["system the baseline became launch"]


def test_what_is_older_than_a_day_is_left_out() -> None:
    edits = history([draft(seen("3f2a", "1b31"), minute=0)])
    assert changes_before(edits, (), NOW + LOOK_BACK)
    assert not changes_before(edits, (), NOW + LOOK_BACK + timedelta(seconds=1))


def test_of_many_changes_the_newest_are_told_first() -> None:
    edits = history(*[[draft(seen(f"p{i}", f"p{i - 1}"), minute=i)] for i in range(1, 20)])
    found = changes_before(edits, (), SINCE)
    assert [c.says.split()[2] for c in found] == ["p19", "p18", "p17", "p16", "p15"]
    assert len(found) == MOST_CHANGES


def test_a_name_that_a_span_made_up_is_cut_and_is_one_line() -> None:
    ((told,)) = changes_before(history([draft(seen("x" * 500 + "\n\x1b[31m", "y"), minute=9)]), (), SINCE)
    assert len(told.says) < 100
    assert "\n" not in told.says
    assert "\x1b" not in told.says
