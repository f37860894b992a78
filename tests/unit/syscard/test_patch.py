"""An edit changes rows of the card's tables in place, on a card of the fold's own; what is seen outside never moves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from syscard import edits as e
from syscard.card import Card
from syscard.fold import apply, empty_card, fold
from syscard.patch import TABLES, Bench, Rows
from tests.unit.build import chained, claim, component, draft, evidence, histories, opening
from tests.unit.syscard.test_evidence_pruning import DECLARED, history, steps


def kept_as_was_once(before: Card, edit: e.Edit) -> set[str]:
    """Evidence after an edit as the card's own words have it: what it rested on before, and does not now, is gone."""
    after = apply(before, edit)
    arrived = {edit.draft.digest} if isinstance(edit.body, e.AddEvidence) else set()
    return (before.evidence.keys() | arrived) - (before.rests_on - after.rests_on)


@settings(max_examples=40)
@given(asked=steps)
def test_evidence_is_let_go_by_count_as_it_is_by_looking_at_the_whole_card(asked: list[tuple[str, int]]) -> None:
    card = empty_card("shop")
    for edit in chained([DECLARED, *history(asked)]):
        expected = kept_as_was_once(card, edit)
        card = apply(card, edit)
        assert card.evidence.keys() == expected


@settings(max_examples=40)
@given(batches=histories(), cut=st.integers(0, 8))
def test_a_fold_at_once_is_the_same_as_edit_by_edit_and_leaves_the_card_it_started_from_alone(
    batches: tuple[tuple[e.Draft, ...], ...], cut: int
) -> None:
    edits = chained(batches)
    start = fold(edits[:cut], start="shop")
    was = start.model_dump_json()
    card = start
    for edit in edits[cut:]:
        card = apply(card, edit)
    assert fold(edits[cut:], start=start).model_dump_json() == card.model_dump_json()
    assert start.model_dump_json() == was


def test_a_row_stays_in_its_place_and_a_new_one_comes_last() -> None:
    refs = ("a", "b", "c")
    again = e.Declare(section="claim", ref="a", body=claim("a", says="Otherwise."))
    bodies = [*(e.Declare(section="claim", ref=r, body=claim(r)) for r in refs), again]
    card = fold(chained([[draft(b, minute=i) for i, b in enumerate(bodies)]]), start="shop")
    assert tuple(card.claims) == refs
    assert card.claims["a"].declared["says"] == "Otherwise."


def test_a_rule_may_also_give_a_whole_table_which_stays_its_own() -> None:
    figure = draft(evidence())
    opened = draft(opening(findings=(opening().findings[0].model_copy(update={"evidence": figure.digest}),)))
    card = fold(chained([[figure, opened]]), start="shop")
    bench, whole = Bench(card), {2: card.incidents[1].model_copy(update={"findings": ()})}
    bench.change({"incidents": whole})
    assert bench.card.evidence == {}, "what only the incident rested on went with it"
    bench.change({"incidents": Rows(card.incidents)})
    assert whole.keys() == {2}, "rows go into a copy"


def test_every_table_of_the_card_is_one_that_rows_can_be_put_into() -> None:
    card = fold(chained([[draft(component())]]), start="shop")
    assert set(TABLES) == {name for name in Card.model_fields if isinstance(getattr(card, name), dict)}


def test_no_table_is_copied_for_an_edit_of_one_of_its_rows() -> None:
    bench = Bench(fold(chained([DECLARED]), start="shop"))
    tables = {name: id(getattr(bench.card, name)) for name in TABLES}
    bench.change({"claims": Rows({"a": bench.card.claims["b"]}), "version": 7})
    assert bench.card.version == 7
    assert {name: id(getattr(bench.card, name)) for name in TABLES} == tables
