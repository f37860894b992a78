"""What groups get becomes evidence: when it is worth an edit, and that every figure shown names one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syscard.disparity import CompareGroups, Disparity, GroupFigure
from syscard.edits import Draft, chain
from syscard.fold import fold
from syscard.live import GroupsNow
from syscard_monitors.comparing import VALID_FOR, is_material, updated
from tests.unit.build import NOW, chained, draft, opening

HOUR = timedelta(hours=1)


def figure(group: str, value: float | None = 0.5, n: int = 100, half: float = 0.1) -> GroupFigure:
    if value is None:
        return GroupFigure(group=group, n=n, needs=200)
    return GroupFigure(group=group, n=n, value=value, low=value - half, high=value + half)


def told(key: str = "vlm.agrees", *groups: GroupFigure, **changes: Any) -> Disparity:
    body: dict[str, Any] = {"key": key, "about": "vlm", "label": key, "statistic": "share", "segment": "age_band"}
    return Disparity(**{**body, "state": "even", "groups": groups or (figure("a"), figure("b")), **changes})


def now(*disparities: Disparity, after: timedelta = timedelta(0)) -> GroupsNow:
    return GroupsNow(since=NOW - timedelta(days=1), as_of=NOW + after, tolerated=1.25, disparities=disparities)


def stored(*disparities: Disparity) -> GroupsNow:
    """What faces show after a first comparison."""
    shown, _ = updated(None, now(*disparities), renew=False)
    return shown


def test_the_first_comparison_is_one_edit_that_every_figure_names() -> None:
    shown, drafts = updated(None, now(told("x"), told("y")), renew=False)
    (only,) = drafts
    assert isinstance(only.body, CompareGroups)
    assert [d.evidence for d in shown.disparities] == [only.digest] * 2
    assert tuple(d.told for d in shown.disparities) == only.body.disparities
    assert (only.body.window_start, only.body.window_end) == (NOW - timedelta(days=1), NOW)
    assert "Wilson" in only.body.methods["share"]


def test_what_says_nothing_new_is_no_edit_and_faces_go_on_showing_the_evidence() -> None:
    before = stored(told("x", figure("a", 0.50), figure("b")))
    shown, drafts = updated(before, now(told("x", figure("a", 0.51), figure("b")), after=HOUR), renew=False)
    assert drafts == ()
    assert shown.disparities == before.disparities
    assert shown.as_of == NOW + HOUR


def test_somebody_who_asks_gets_the_figures_of_now_written_down_and_the_same_ones_only_once() -> None:
    before, later = stored(told("x")), now(told("x", figure("a", 0.51), figure("b")), after=HOUR)
    shown, drafts = updated(before, later, renew=True)
    assert len(drafts) == 1
    assert shown.disparities[0].groups[0].value == 0.51
    assert updated(shown, later, renew=True) == (shown, ())


def test_only_what_says_something_new_is_in_the_edit() -> None:
    before = stored(told("x"), told("y"))
    shown, (only,) = updated(before, now(told("x"), told("y", state="uneven"), after=HOUR), renew=False)
    assert isinstance(only.body, CompareGroups)
    assert [d.key for d in only.body.disparities] == ["y"]
    assert [d.evidence for d in shown.disparities] == [before.disparities[0].evidence, only.digest]


def test_a_verdict_of_all_or_of_one_group_that_comes_or_goes_is_material() -> None:
    (known,) = stored(told("x", figure("a"), figure("b", None))).disparities
    assert not is_material(known, told("x", figure("a"), figure("b", None)), NOW)
    assert is_material(known, told("x", figure("a"), figure("b")), NOW)
    assert is_material(known, told("x", figure("a", None), figure("b", None)), NOW)
    assert is_material(known, told("x", figure("a"), figure("b", None), state="unknown"), NOW)
    assert not is_material(known, told("x", figure("a"), figure("b", None), figure("c", None)), NOW)


def test_evidence_is_renewed_when_half_of_its_validity_has_passed() -> None:
    (known,) = stored(told("x")).disparities
    assert not is_material(known, told("x"), NOW + VALID_FOR / 2)
    assert is_material(known, told("x"), NOW + VALID_FOR / 2 + timedelta(seconds=1))


def test_a_figure_that_left_its_interval_or_rests_on_twice_the_requests_is_material() -> None:
    (known,) = stored(told("x")).disparities
    assert not is_material(known, told("x", figure("a", 0.69), figure("b")), NOW)
    assert is_material(known, told("x", figure("a", 0.71), figure("b")), NOW)
    assert not is_material(known, told("x", figure("a", n=199), figure("b", n=200)), NOW)
    assert is_material(known, told("x", figure("a", n=200), figure("b", n=200)), NOW)


def test_a_comparison_that_is_made_no_more_leaves_the_card() -> None:
    first, (begun,) = updated(None, now(told("x"), told("y")), renew=False)
    _, (gone,) = updated(first, now(told("y"), after=HOUR), renew=False)
    card = fold(chained([[begun]]), start="shop")
    assert list(card.groups) == ["x by age_band", "y by age_band"]
    assert list(fold(chained([[begun], [gone]]), start="shop").groups) == ["y by age_band"]


def test_the_card_says_since_when_groups_are_uneven_and_by_which_evidence() -> None:
    first, (begun,) = updated(None, now(told("x")), renew=False)
    later, (worse,) = updated(first, now(told("x", state="uneven"), after=HOUR), renew=False)
    _, (same,) = updated(later, now(told("x", state="uneven"), after=VALID_FOR), renew=False)
    found = fold(chained([[begun], [worse], [same]]), start="shop").groups["x by age_band"]
    assert (found.state, found.since, found.evidence) == ("uneven", NOW + HOUR, same.digest)


def test_cards_without_groups_have_the_digest_that_they_always_had() -> None:
    card = fold(chained([[draft(opening())]]), start="shop")
    assert "groups" not in card.model_dump(mode="json")


def test_an_edit_reads_back_as_it_was_written() -> None:
    _, (only,) = updated(None, now(told("x", figure("a"), figure("b", None))), renew=False)
    (edit,) = chain([only], head=None, cause="groups compared", recorded=NOW)
    assert Draft.model_validate(edit.draft.content()).body == only.body


_VALUES = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1), st.integers(1, 999)), min_size=1, max_size=5)


@given(st.lists(_VALUES, max_size=24))
def test_a_day_of_comparisons_is_at_most_an_edit_each_and_every_figure_shown_is_of_one(hours: list[Any]) -> None:
    shown: GroupsNow | None = None
    held: dict[str, tuple[Disparity, ...]] = {}
    for hour, found in enumerate(hours):
        groups = {name: figure(name, value, n) for name, value, n in found}
        shown, drafts = updated(shown, now(told("x", *groups.values()), after=hour * HOUR), renew=False)
        assert len(drafts) <= 1
        held |= {d.digest: d.body.disparities for d in drafts if isinstance(d.body, CompareGroups)}
        assert all(d.told in held[d.evidence or ""] for d in shown.disparities)
