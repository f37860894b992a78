"""What changed with each version is what two whole cards, compared, say; however far back one begins."""

from __future__ import annotations

from hypothesis import given, settings

from syscard import edits as e
from syscard.diff import material_diff
from syscard.fold import empty_card, fold
from syscard.past import changes_by_version
from tests.faces import sample
from tests.faces.sample import chained
from tests.unit.build import histories


def held(edits: tuple[e.Edit, ...]) -> int:
    """Compare each version with the one before, card with card; how many changes there are."""
    cards = [empty_card("shop"), *(fold((x for x in edits if x.version <= v), start="shop") for v in _versions(edits))]
    whole = [card.model_dump(mode="json") for card in cards]
    wanted = {v: material_diff(whole[v - 1], whole[v]) for v in _versions(edits)}
    for since in _versions(edits):
        card, found = changes_by_version(empty_card("shop"), edits, since=since)
        assert found == {v: changes for v, changes in wanted.items() if v >= since}
        assert card == cards[-1]
        later = [edit for edit in edits if edit.version >= since]
        assert changes_by_version(cards[since - 1], later, since=since) == (card, found)
    return sum(map(len, wanted.values()))


def _versions(edits: tuple[e.Edit, ...]) -> range:
    return range(1, edits[-1].version + 1)


@settings(max_examples=40, deadline=None, database=None)
@given(histories())
def test_rows_that_a_version_left_alone_are_compared_as_if_they_were_read_anew(
    batches: tuple[tuple[e.Draft, ...], ...],
) -> None:
    held(chained(*(("any", batch) for batch in batches)))


def test_the_past_of_a_card_whose_claims_broke_and_whose_evidence_was_let_go_of() -> None:
    assert held(chained(*sample.past())) > 20
