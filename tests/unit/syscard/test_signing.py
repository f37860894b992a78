"""Waivers, approvals and runs of gates on the card: what edits make of them, and what counts when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from syscard import edits as e
from syscard.approvals import APPROVALS_SHOWN, Approve
from syscard.card import Card
from syscard.diff import material_diff
from syscard.faces import overview
from syscard.fold import fold
from syscard.gate_runs import RUNS_SHOWN, GateCheck
from syscard.material import material_digest
from syscard.people import same_person
from syscard.render.cardtext import card_text
from syscard.render.why import why_text
from syscard.signing import approval_rows, waived, waiver_rows
from syscard.view import build_view
from syscard.views import View
from syscard.waivers import RevokeWaiver
from tests.unit.build import GATE, HUMAN, NOW, chained, claim, draft, histories, opening, running, waiving

A, B, C = "a" * 64, "b" * 64, "c" * 64
DAY = timedelta(days=1)


def approving(card: Card, role: str = "risk-owner", **changes: Any) -> Approve:
    of = card.model_dump(mode="json")
    body: dict[str, Any] = {"role": role, "over": card.digest, "version": card.version, "material": material_digest(of)}
    return Approve(**{**body, **changes})


def card_of(*bodies: e.Body) -> Card:
    """A claim and what was done after it, one version and one minute each, by a human."""
    first = e.Declare(section="claim", ref="grounded", body=claim())
    return fold(chained([(draft(b, minute=i, author=HUMAN),) for i, b in enumerate((first, *bodies))]), start="shop")


def view_of(card: Card, **texts: str) -> View:
    return build_view(card, None, gate=GATE, head=C, edits=card.version, texts=texts, written=NOW + DAY)


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mara", "Mara "), ("mara", "m\u0430ra"), ("mara", "ma\u200bra"), ("mara", "mara@shop.example"),
        ("bill", "biIl"), ("bill", "b1ll"), ("jose", "Jos\u00e9"), ("mara+x@shop.example", "mara@shop.example"),
        ("\uff4dara", "mara"), ("Mara Stein", "mara.stein"), ("\u200b", "mara"),
        ("Mara Stein <mara@shop.example>", "mara"), ("\u1d0d\u1d00\u0280\u1d00", "mara"), ("S\u00f8ren", "soren"),
        ("\ua4df\ua4ee\ua4e3\ua4ee", "mara"), ("\uab87ara", "mara"), ("\u0141ukasz", "lukasz"),
    ],
)  # fmt: skip
def test_a_name_that_only_looks_different_is_the_same_person(one: str, other: str) -> None:
    assert same_person(one, other)
    assert same_person(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("mara", "ines"), ("mara@a.example", "mara@b.example"), ("\u7530\u4e2d", "\u5c71\u7530")]
)
def test_two_people_are_two(one: str, other: str) -> None:
    assert not same_person(one, other)


# --- waivers ---------------------------------------------------------------------------------------------------------


def test_who_asks_for_a_waiver_does_not_grant_it() -> None:
    with pytest.raises(ValidationError, match="who asks for a waiver does not grant it: MARA"):
        waiving(approver="MARA")


@pytest.mark.parametrize("expires", [NOW, NOW - DAY, NOW + 400 * DAY])
def test_a_waiver_has_an_end_that_can_be_waited_for(expires: Any) -> None:
    with pytest.raises(ValidationError, match="a waiver ends after it began, at most 366 days later"):
        waiving(expires=expires)


def test_a_waiver_is_revoked_once_and_keeps_by_whom() -> None:
    revoked = card_of(waiving(), RevokeWaiver(id="W-1"), RevokeWaiver(id="W-1"), RevokeWaiver(id="W-9")).waivers
    assert revoked["W-1"].revoked is not None
    assert (revoked["W-1"].revoked.by, revoked["W-1"].revoked.at) == ("human:mara", NOW + timedelta(minutes=2))
    assert revoked.keys() == {"W-1"}


def test_a_waiver_is_a_flag_beside_a_status_and_goes_by_itself() -> None:
    broken = e.SetClaim.model_validate({"claim": "grounded", "slices": [{"status": "broken", "value": 0.3}]})
    view = view_of(card_of(broken, waiving()))
    row = overview(view, NOW + DAY).claims[0]
    assert (row.status, row.word, row.waived) == ("broken", "BROKEN", "waived until 2026-12-22 (W-1)")
    assert overview(view, NOW + DAY).also == (
        "W-1 waives no-broken-claim for grounded until 2026-12-22, granted by ines",
    )
    later = overview(view, NOW + 31 * DAY)
    assert (later.claims[0].waived, later.also) == ("", ())
    assert (waived(view, "grounded", NOW - DAY), waiver_rows(view, NOW - DAY)[0].state) == ("", "waits")
    assert waiver_rows(view, NOW + 31 * DAY)[0].words == "OVER since 2026-12-22"


# --- approvals and runs ----------------------------------------------------------------------------------------------


def test_the_newest_decision_of_a_role_counts_and_a_rejection_lifts_an_approval() -> None:
    first = card_of()
    card = card_of(approving(first), approving(first, "legal"), approving(first, decision="reject"))
    rows = {row.role: row for row in approval_rows(view_of(card))}
    assert (rows["legal"].counts, rows["legal"].person, rows["legal"].words) == (True, "human:mara", "approved v1")
    assert (rows["risk-owner"].counts, rows["risk-owner"].words) == (False, "REJECTED v1")
    again = card_of(approving(first, decision="reject"), approving(first))
    assert [row.counts for row in approval_rows(view_of(again))] == [True]


def test_an_approval_counts_while_nothing_material_has_changed() -> None:
    first = card_of()
    signed = (approving(first), running(), approving(first, "legal"))
    assert all(row.counts for row in approval_rows(view_of(card_of(*signed))))
    for change in (opening(), waiving(), e.Declare(section="unknown", ref="U-1", body={"says": "x"})):
        rows = approval_rows(view_of(card_of(*signed, change)))
        assert {row.words for row in rows} == {"approved v1, NO LONGER COUNTS: the card has changed since"}


@given(histories(least=2, most=10))
@settings(max_examples=60, deadline=None)
def test_what_is_material_changes_wherever_the_difference_has_anything_to_tell(batches: Any) -> None:
    edits = chained(batches)
    cards = [fold([x for x in edits if x.version <= n], start="shop") for n in range(edits[-1].version + 1)]
    known = [card.model_dump(mode="json") for card in cards]
    for older in known[:-1]:
        if material_diff(older, known[-1]):
            assert material_digest(older) != material_digest(known[-1])


def test_signing_changes_the_card_and_nothing_material() -> None:
    first = card_of()
    after = card_of(running(), approving(first), running())
    assert after.digest != first.digest
    assert material_digest(after.model_dump(mode="json")) == material_digest(first.model_dump(mode="json"))
    assert material_diff(first.model_dump(mode="json"), after.model_dump(mode="json")) == ()


def test_a_waiver_that_was_granted_or_revoked_is_a_material_change() -> None:
    cards = [
        c.model_dump(mode="json") for c in (card_of(), card_of(waiving()), card_of(waiving(), RevokeWaiver(id="W-1")))
    ]
    granted, revoked = material_diff(cards[0], cards[1])[0], material_diff(cards[1], cards[2])[0]
    assert granted.text == "WAIVED    W-1 no-broken-claim for grounded until 2026-12-22, granted by ines"
    assert revoked.text == "REVOKED   W-1 no-broken-claim for grounded, by human:mara"


def test_the_card_keeps_the_newest_runs_and_decisions_and_numbers_go_on() -> None:
    first = card_of()
    card = card_of(*([running()] * (RUNS_SHOWN + 3)), *([approving(first)] * (APPROVALS_SHOWN + 1)))
    assert [run.number for run in card.gate_runs] == list(range(4, RUNS_SHOWN + 4))
    assert len(card.approvals) == APPROVALS_SHOWN
    assert (card.gate_runs[0].failed, card.gate_runs[0].by, card.gate_runs[0].waivers) == (("fair",), "human:mara", ())


def test_a_run_is_blocked_where_a_check_failed_and_nowhere_else() -> None:
    with pytest.raises(ValidationError, match="blocked where a check failed"):
        running(blocked=False)


def test_a_card_without_any_of_them_is_what_it_was() -> None:
    body = card_of().model_dump(mode="json")
    assert not {"waivers", "approvals", "gate_runs"} & body.keys()


def test_the_card_shows_who_waived_approved_and_asked() -> None:
    first = card_of()
    check = GateCheck(rule="fair", outcome="waived", value=1.6, op="<=", threshold=1.25, waivers=("W-1",))
    card = card_of(waiving(), approving(first, comment_sha256=C), running(blocked=False, checks=(check,)))
    text = card_text(view_of(card, **{A: "vendor fix is on its way", C: "read it\x1b[2J"}))
    for said in (
        "WAIVERS\n  W-1   no-broken-claim for grounded: holds until 2026-12-22",
        "granted by  ines, asked for by mara", "reason      vendor fix is on its way", "meanwhile   (text erased)",
        "! risk-owner   approved v1, NO LONGER COUNTS", "human:mara, unsigned: read it",
        "1  2026-11-22T14:03Z  promote open  resting on W-1  (python, by human:mara)",
    ):  # fmt: skip
        assert said in text, text
    assert text.replace("\n", "").isprintable()
    assert "waived        waived until 2026-12-22 (W-1)" in why_text(view_of(card), "grounded")
