from __future__ import annotations

from datetime import timedelta

import pytest

from syscard import edits as e
from syscard.card import Card
from syscard.fold import empty_card, fold
from tests.unit.build import HUMAN, NOW, chained, claim, component, draft, evidence, member, opening


def card_of(*bodies: e.Body, author: e.Author = HUMAN) -> Card:
    """The card after these edits, one version and one minute each."""
    batches = [(draft(b, minute=i, author=author),) for i, b in enumerate(bodies)]
    return fold(chained(batches), start="shop")


def declares(ref: str = "grounded", **changes: object) -> e.Declare:
    return e.Declare(section="claim", ref=ref, body=claim(ref, **changes))


def status(word: str, where: str = "all") -> e.SliceStatus:
    return e.SliceStatus.model_validate({"slice": where, "status": word})


def test_an_empty_card_is_version_zero_and_says_nothing() -> None:
    card = empty_card("shop")
    assert (card.version, card.parts, card.claims, card.open_incidents) == (0, {}, {}, ())


def test_the_newest_event_time_stands_on_the_card_also_when_edits_come_late() -> None:
    late = chained([(draft(component("llm"), minute=9),), (draft(component("vlm"), minute=2),)])
    assert fold(late, start="shop").observed == NOW + timedelta(minutes=9)


def test_a_part_that_spans_know_keeps_what_was_seen_when_it_is_declared() -> None:
    seen = e.Observe(what="model", ref="llm", value="m-1", evidence_class="span", traces=20, declared=False)
    card = card_of(seen, component("llm"))
    assert card.components["llm"].declared is not None
    assert [o.value for o in card.components["llm"].observed] == ["m-1"]


def test_a_part_that_was_taken_out_is_gone() -> None:
    gone = e.Declare(section="component", ref="llm", body=None)
    assert card_of(component("llm"), component("vlm"), gone).parts.keys() == {"vlm"}


def test_a_seen_component_is_on_the_card_without_a_declaration() -> None:
    seen = e.Observe(what="component", ref="ghost", value="ghost", evidence_class="span", traces=5, declared=False)
    ghost = card_of(seen).components["ghost"]
    assert (ghost.declared, ghost.state, ghost.owner, ghost.observed) == (None, "unknown", "nobody", ())


def test_stronger_evidence_of_an_edge_replaces_the_weaker() -> None:
    def seen(how: str, traces: int) -> e.Observe:
        return e.Observe.model_validate(
            {"what": "edge", "ref": "cf->vlm", "value": "", "evidence_class": how, "traces": traces, "declared": True}
        )

    edge = card_of(seen("order", 20), seen("value", 7)).interactions["cf->vlm"]
    assert (edge.source, edge.target, edge.evidence_class, edge.traces) == ("cf", "vlm", "value", 7)


def test_a_claim_starts_unknown_and_a_changed_one_starts_again() -> None:
    first = card_of(declares(), e.SetClaim(claim="grounded", slices=(status("holds"),)))
    again = card_of(declares(), e.SetClaim(claim="grounded", slices=(status("holds"),)), declares(expect=">= 0.95"))
    assert (card_of(declares()).claims["grounded"].status, first.claims["grounded"].status) == ("unknown", "holds")
    assert again.claims["grounded"].status == "unknown"
    assert again.claims["grounded"].assessed is None


def test_a_claim_is_broken_if_any_slice_is_and_else_as_all_traffic() -> None:
    def standing(*slices: e.SliceStatus) -> str:
        return card_of(declares(), e.SetClaim(claim="grounded", slices=slices)).claims["grounded"].status

    assert standing(status("holds"), status("broken", "age_band=45-54")) == "broken"
    assert standing(status("holds"), status("unknown", "age_band=45-54")) == "holds"
    assert standing(status("stale"), status("holds", "age_band=45-54")) == "stale"


def test_since_moves_only_when_the_status_of_the_whole_claim_does() -> None:
    holds, broken = (e.SetClaim(claim="grounded", slices=(status(w),)) for w in ("holds", "broken"))
    card = card_of(declares(), holds, holds, broken, broken)
    assert card.claims["grounded"].since == NOW + timedelta(minutes=3)
    assert card.claims["grounded"].assessed == NOW + timedelta(minutes=4)


def test_what_is_said_of_a_claim_risk_or_part_that_is_not_there_changes_nothing_but_the_version() -> None:
    about_nothing = (
        e.SetClaim(claim="gone", slices=(status("holds"),)),
        e.SetPart(ref="gone", state="broken"),
        e.RiskSeen(risk="gone", incident=1, says="x"),
    )
    card = card_of(*about_nothing)
    assert card == empty_card("shop").model_copy(update={"version": 3, "observed": NOW + timedelta(minutes=2)})


def test_evidence_is_numbered_as_it_comes_and_kept_once() -> None:
    one, other = draft(evidence(0.9)), draft(evidence(0.3))
    card = fold(chained([(one,), (other,), (one,)]), start="shop")
    assert [card.evidence_id(x.digest) for x in (one, other)] == ["E-1", "E-2"]
    assert card.evidence_id(None) is card.evidence_id("f" * 64) is None
    assert len(card.evidence) == 2


def test_evidence_that_nothing_rests_on_any_more_leaves_the_card_and_its_number_is_not_given_again() -> None:
    old, new = draft(evidence(0.9)), draft(evidence(0.3))
    rests = [
        e.SetClaim(claim="grounded", slices=(status("holds").model_copy(update={"evidence": d.digest}),))
        for d in (old, new)
    ]
    batches = [(draft(declares()),), (old, draft(rests[0])), (new, draft(rests[1]))]
    card = fold(chained(batches), start="shop")
    assert [x.id for x in card.evidence.values()] == ["E-2"]
    assert card.rests_on == {new.digest}


def test_a_part_s_since_moves_when_its_state_does_not_when_its_reason_does() -> None:
    broken = [e.SetPart(ref="llm", state="broken", why=w, incident=n) for w, n in (("a", 1), ("b", 2))]
    part = card_of(component("llm"), *broken).parts["llm"]
    assert (part.state, part.why, part.incident, part.since) == ("broken", "b", 2, NOW + timedelta(minutes=1))


def test_an_incident_lives_through_its_states_and_its_timeline_says_who_moved_it() -> None:
    card = card_of(
        opening(1),
        e.MoveIncident(number=1, state="acknowledged"),
        e.NoteOnIncident(number=1, text_sha256="a" * 64),
        e.MoveIncident(number=1, state="resolved", resolution="rolled back"),
    )
    incident = card.incidents[1]
    assert [x.what for x in incident.events] == ["opened", "acknowledged", "note", "resolved"]
    assert incident.acknowledged_by == "human:mara"
    assert incident.events[2].text_sha256 == "a" * 64
    assert (incident.state, incident.resolution, incident.is_open) == ("resolved", "rolled back", False)
    assert incident.resolved == NOW + timedelta(minutes=3)


def test_what_joins_an_incident_is_no_longer_unchanged() -> None:
    joins = e.ExtendIncident(number=1, findings=(member("vlm.latency"),), inherited_by=("agent",), severity="page")
    incident = card_of(opening(1, unchanged=("agent", "cf", "vlm"), inherited_by=("vlm->llm",)), joins).incidents[1]
    assert incident.unchanged == ("cf",)
    assert incident.inherited_by == ("vlm->llm", "agent")
    assert [f.key for f in incident.findings] == ["llm.grounded", "vlm.latency"]
    assert incident.severity == "page"


def test_what_joins_an_incident_never_makes_it_less_severe() -> None:
    joins = [e.ExtendIncident(number=1, findings=(member(),), severity=s) for s in ("page", "note", "ticket")]
    assert [card_of(opening(1), *joins[: n + 1]).incidents[1].severity for n in range(3)] == ["page"] * 3


def test_open_incidents_come_worst_first_then_oldest() -> None:
    severities = ("note", "page", "ticket", "page")
    card = card_of(*(opening(n, severity=s) for n, s in enumerate(severities, start=1)))
    assert [i.number for i in card.open_incidents] == [2, 4, 3, 1]


@pytest.mark.parametrize("state", ["resolved", "reviewed", "false_positive"])
def test_an_incident_that_is_over_waits_for_nobody(state: str) -> None:
    over = e.MoveIncident.model_validate({"number": 1, "state": state})
    assert card_of(opening(1), over).open_incidents == ()


def test_observed_evidence_gathers_on_a_risk() -> None:
    declared = e.Declare(section="risk", ref="R-1", body={"id": "R-1"})
    seen = [e.RiskSeen(risk="R-1", incident=n, says=f"INC-{n}") for n in (1, 2)]
    risk = card_of(declared, *seen).risks["R-1"]
    assert (risk.observed_in, risk.says) == ((1, 2), ("INC-1", "INC-2"))
