"""The card keeps the evidence that something on it rests on; the edits keep all of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from syscard import edits as e
from syscard.card import INCIDENTS_SHOWN, Card
from syscard.declare import declaring
from syscard.fold import empty_card, fold
from tests.unit import build
from tests.unit.build import chained, draft, evidence

SYSTEM = build.declared(claims=[build.claim("a"), build.claim("b")])
DECLARED = declaring(empty_card("shop"), SYSTEM, build.HUMAN, build.NOW)


def rests(claim: str, figure: e.Draft) -> e.Draft:
    return draft(e.SetClaim(claim=claim, slices=(e.SliceStatus(status="holds", evidence=figure.digest),)))


def opens(number: int, figure: e.Draft) -> e.Draft:
    return draft(build.opening(number, findings=(build.member(evidence_digest=figure.digest),)))


def resolves(number: int) -> e.Draft:
    return draft(e.MoveIncident(number=number, state="resolved", resolution="fixed"))


def card_of(*batches: tuple[e.Draft, ...]) -> Card:
    return fold(chained([DECLARED, *batches]), start="shop")


def ids(card: Card) -> list[str]:
    return [item.id for item in card.evidence.values()]


def test_evidence_leaves_with_the_last_thing_that_rested_on_it_and_numbers_go_on() -> None:
    one, two, three = (draft(evidence(v)) for v in (0.1, 0.2, 0.3))
    card = card_of((one, rests("a", one), rests("b", one)), (two, rests("a", two)))
    assert ids(card) == ["E-1", "E-2"]
    card = card_of((one, rests("a", one), rests("b", one)), (two, rests("a", two)), (three, rests("b", three)))
    assert ids(card) == ["E-2", "E-3"]
    assert card.evidence_count == 3


def test_evidence_that_waits_for_the_edit_that_rests_on_it_stays() -> None:
    one, two = draft(evidence(0.1)), draft(evidence(0.2))
    assert ids(card_of((one, two, rests("a", one)))) == ["E-1", "E-2"]


def test_a_claim_that_is_taken_back_lets_go_of_its_evidence() -> None:
    one = draft(evidence(0.1))
    gone = draft(e.Declare(section="claim", ref="a", body=None))
    assert ids(card_of((one, rests("a", one)), (gone,))) == []


def test_open_incidents_and_the_newest_closed_ones_keep_theirs() -> None:
    figures = [draft(evidence(n / 100)) for n in range(INCIDENTS_SHOWN + 2)]
    batches = [(figure, opens(n, figure)) for n, figure in enumerate(figures, start=1)]
    assert len(card_of(*batches).evidence) == INCIDENTS_SHOWN + 2
    kept = ids(card_of(*batches, (resolves(2),), (resolves(30),)))
    assert len(kept) == INCIDENTS_SHOWN + 1
    assert "E-2" not in kept
    assert {"E-1", "E-30"} <= set(kept)


def test_a_long_life_does_not_make_the_card_longer() -> None:
    batches = []
    for n in range(300):
        figure = draft(evidence(n / 1000))
        batches.append((figure, rests("a", figure)))
    card = card_of(*batches)
    assert ids(card) == ["E-300"]


steps = st.lists(
    st.tuples(st.sampled_from(("a", "b", "open", "resolve", "only")), st.integers(0, 5)), min_size=1, max_size=20
)


def history(asked: list[tuple[str, int]]) -> list[tuple[e.Draft, ...]]:
    batches: list[tuple[e.Draft, ...]] = []
    number = 0
    for what, value in asked:
        figure = draft(evidence(value / 10))
        if what == "resolve":
            batches += [(resolves(number),)] if number else []
            continue
        number += what == "open"
        after = {"open": opens(number, figure)}.get(what) or rests(what, figure)
        batches.append((figure,) if what == "only" else (figure, after))
    return batches


@settings(deadline=None, max_examples=60)
@given(asked=steps, cut=st.integers(0, 60))
def test_the_card_is_the_same_from_the_beginning_and_from_any_stored_version(
    asked: list[tuple[str, int]], cut: int
) -> None:
    edits = chained([DECLARED, *history(asked)])
    whole = fold(edits, start="shop")
    stored = Card.model_validate_json(fold(edits[:cut], start="shop").model_dump_json())
    assert fold(edits[cut:], start=stored).digest == whole.digest
    assert whole.rests_on <= whole.evidence.keys()
    assert len({item.id for item in whole.evidence.values()}) == len(whole.evidence)
