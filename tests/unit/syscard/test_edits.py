from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from syscard import edits as e
from syscard.digest import GENESIS
from syscard.errors import ChainBroken
from syscard.fold import fold
from syscard.stored import verify, written
from tests.unit.build import HUMAN, NOW, chained, component, draft, evidence, histories

FEW = settings(max_examples=40)
Batches = tuple[tuple[e.Draft, ...], ...]


def verified(edits: Sequence[e.Edit]) -> int:
    """How many edits there are, once they have been verified as they would be stored."""
    return verify(map(written, edits))


def named_by(edits: tuple[e.Edit, ...]) -> int:
    """The edit that a broken chain names."""
    with pytest.raises(ChainBroken) as caught:
        verified(edits)
    return int(str(caught.value).split()[1])


@FEW
@given(histories())
def test_a_chain_of_valid_edits_verifies(batches: Batches) -> None:
    edits = chained(batches)
    assert verified(edits) == len(edits) == sum(map(len, batches))
    assert [x.seq for x in edits] == list(range(1, len(edits) + 1))
    assert edits[0].previous == GENESIS
    assert all(later.previous == before.link for before, later in pairwise(edits))


def test_no_edits_are_a_chain_too() -> None:
    assert verified(()) == 0
    assert e.chain((), head=None, cause="nothing", recorded=NOW) == ()


@FEW
@given(histories())
def test_one_batch_is_one_version(batches: Batches) -> None:
    versions = [x.version for x in chained(batches)]
    assert versions == [number for number, batch in enumerate(batches, start=1) for _ in batch]


def _other_draft(edit: e.Edit) -> dict[str, Any]:
    return {"draft": edit.draft.model_copy(update={"body": evidence(0.123, about="nobody")})}


_FLIPS: dict[str, Callable[[e.Edit], dict[str, Any]]] = {
    "body": _other_draft,
    "author": lambda x: {"draft": x.draft.model_copy(update={"author": HUMAN.model_copy(update={"name": "eve"})})},
    "observed": lambda x: {"draft": x.draft.model_copy(update={"observed": NOW - timedelta(days=1)})},
    "cause": lambda x: {"cause": x.cause + "!"},
    "recorded": lambda x: {"recorded": x.recorded + timedelta(microseconds=1)},
    "previous": lambda x: {"previous": "1" * 64},
    "link": lambda x: {"link": "1" * 64},
    "seq": lambda x: {"seq": x.seq + 100},
    "version": lambda x: {"version": x.version + 1},
}


@FEW
@given(histories(least=2), st.sampled_from(sorted(_FLIPS)), st.data())
def test_a_flipped_field_breaks_the_chain_at_its_edit(batches: Batches, field: str, data: st.DataObject) -> None:
    edits = chained(batches)
    at = data.draw(st.integers(0, len(edits) - 1))
    forged = edits[at].model_copy(update=_FLIPS[field](edits[at]))
    assert named_by((*edits[:at], forged, *edits[at + 1 :])) == forged.seq


@FEW
@given(histories(least=2), st.data())
def test_a_dropped_edit_breaks_the_chain_at_the_next(batches: Batches, data: st.DataObject) -> None:
    edits = chained(batches)
    at = data.draw(st.integers(0, len(edits) - 2))
    assert named_by((*edits[:at], *edits[at + 1 :])) == at + 2


@FEW
@given(histories(least=2), st.data())
def test_two_swapped_edits_break_the_chain_at_the_first(batches: Batches, data: st.DataObject) -> None:
    edits = list(chained(batches))
    one, other = sorted(data.draw(st.permutations(range(len(edits))))[:2])
    edits[one], edits[other] = edits[other], edits[one]
    assert named_by(tuple(edits)) == other + 1


@FEW
@given(histories(least=3), st.randoms(use_true_random=False))
def test_any_other_order_breaks_the_chain(batches: Batches, random: Any) -> None:
    edits = list(chained(batches))
    shuffled = random.sample(edits, len(edits))
    if shuffled == edits:
        assert verified(shuffled) == len(edits)
    else:
        first = next(new.seq for new, old in zip(shuffled, edits, strict=True) if new.seq != old.seq)
        assert named_by(tuple(shuffled)) == first


@FEW
@given(histories(), histories())
def test_a_history_that_was_written_anew_ends_in_another_link(batches: Batches, others: Batches) -> None:
    """A forger who rewrites everything is told by the newest link, kept elsewhere."""
    honest = chained(batches)
    forged = chained([*others, *batches])
    assert verified(forged) == len(forged)
    assert honest[-1].link != forged[-1].link


@FEW
@given(histories())
def test_a_draft_s_digest_knows_no_place_and_no_recorded_time(batches: Batches) -> None:
    here, there = chained(batches), chained([(draft(component("first")),), *batches], recorded=NOW + timedelta(days=9))
    assert [x.draft.digest for x in here] == [x.draft.digest for x in there[1:]]
    assert not {x.link for x in here} & {x.link for x in there}


def test_a_copy_of_a_draft_has_a_digest_of_its_own() -> None:
    said = draft(component())
    before = said.digest
    assert said.model_copy(update={"body": evidence()}).digest == draft(evidence()).digest != before
    assert said.model_copy().digest == said.digest == before


def test_a_draft_s_digest_knows_what_was_said_by_whom_and_when_it_was_so() -> None:
    said = draft(component())
    others = (draft(component("vlm")), draft(component(), author=HUMAN), draft(component(), minute=1))
    assert len({said.digest, *(x.digest for x in others)}) == 4
    assert said.digest == draft(component()).digest


@FEW
@given(histories())
def test_a_draft_is_the_same_after_being_stored_and_read(batches: Batches) -> None:
    for edit in chained(batches):
        read = e.Draft.model_validate(edit.draft.content())
        assert read.digest == edit.draft.digest
        assert read.body == edit.body


@pytest.mark.parametrize(
    "stored", [{}, {"kind": "gossip"}, {"kind": "part"}, {"kind": "part", "ref": "x", "state": "fine"}]
)
def test_a_body_that_was_never_written_is_not_read(stored: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        e.Draft.model_validate({**draft(component()).content(), "body": stored})


def test_only_a_human_may_be_named_as_a_human() -> None:
    """The kind of an author is a closed list: nothing else can sign."""
    with pytest.raises(ValidationError):
        e.Author.model_validate({"kind": "root", "name": "mara"})


@FEW
@given(histories(), st.data())
def test_the_fold_of_a_beginning_then_the_rest_is_the_fold_of_all(batches: Batches, data: st.DataObject) -> None:
    edits = chained(batches)
    at = data.draw(st.integers(0, len(edits)))
    first, rest = edits[:at], edits[at:]
    assert fold(rest, start=fold(first, start="shop")) == fold(edits, start="shop")


@FEW
@given(histories())
def test_the_fold_is_the_same_every_time_whenever_it_was_recorded(batches: Batches) -> None:
    once = fold(chained(batches), start="shop")
    again = fold(chained(batches, recorded=NOW + timedelta(days=400)), start="shop")
    assert once == again
    assert once.digest == again.digest


@FEW
@given(histories())
def test_a_card_is_the_same_after_being_stored_and_read(batches: Batches) -> None:
    card = fold(chained(batches), start="shop")
    read = type(card).model_validate_json(card.model_dump_json())
    assert read == card
    assert read.digest == card.digest


@FEW
@given(histories())
def test_a_fold_changes_no_card_that_it_started_from(batches: Batches) -> None:
    edits = chained(batches)
    start = fold(edits[:1], start="shop")
    before = start.digest
    fold(edits[1:], start=start)
    assert start.digest == before


def test_what_later_releases_say_of_what_was_seen_changes_no_older_digest() -> None:
    seen = {"what": "version", "ref": "llm", "value": "2", "evidence_class": "span", "traces": 5, "declared": True}
    old = e.Observe.model_validate(seen)
    assert old.model_dump(mode="json").keys() == {"kind", *seen}
    new = old.model_copy(update={"examples": ("t@1",), "previous": "1"})
    assert e.Draft.model_validate(draft(new).content()).body == new
    assert draft(old).digest != draft(new).digest
