"""Crosswalks: packs that are sound, paths that a card can have, and statuses that never say more than is known."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard import edits as e
from syscard.approvals import Approve
from syscard.card import Card
from syscard.card_shapes import path_fault
from syscard.crosswalk_packs import Item, Pack, packs, read_pack
from syscard.crosswalk_paths import REFERENCES, VALID_FOR, Found, found_at
from syscard.crosswalks import LIMITS, CrosswalkRow, crosswalk, status_of, summary
from syscard.errors import UsageError
from syscard.fold import fold
from syscard.incident_edits import AssessIncident
from syscard.live import Live, SignalNow, WatcherNow
from syscard.material import material_digest
from syscard.risks import Assessment, AssessRisks
from syscard.waivers import RevokeWaiver, Waive
from syscard_configs import names, read_bytes, read_text
from tests.unit.build import NOW, chained, claim, component, draft, evidence, opening

JUDGES = re.compile(r"\bcompl(y|ies|ied|iant|iance)\b|\bconform(s|ant|ity of)?\b|\bfulfil|\bsatisf", re.IGNORECASE)
ITEMS = [(pack.framework, item) for pack in packs().values() for item in pack.items]


def json_of(*bodies: e.Body) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(fold(chained([[draft(body) for body in bodies]]), start="shop").model_dump_json())
    return card


def identity(**more: Any) -> e.Declare:
    return e.Declare(section="system", ref="shop", body={"name": "Shop", "intended_use": "Suggest products.", **more})


def judged(ref: str = "grounded", *, proven: bool = True, **declared: Any) -> list[e.Body]:
    """A claim, and unless it is bare a figure on which it rests."""
    figure = evidence(0.95)
    rests_on = draft(figure).digest if proven else None
    part = e.SliceStatus(status="holds" if proven else "unknown", n=40, evidence=rests_on)
    declaring = e.Declare(section="claim", ref=ref, body=claim(ref, **declared))
    return [declaring, *([figure] if proven else []), e.SetClaim(claim=ref, slices=(part,))]


def watching(minutes_ago: float = 0) -> dict[str, Any]:
    ran = NOW - timedelta(minutes=minutes_ago)
    signal = SignalNow(key="llm.error", about="llm", label="errors", kind="rate", state="ok", since=NOW)
    live = Live(as_of=ran, watcher=WatcherNow(last_run=ran, last_span=ran), signals={signal.key: signal})
    return live.model_dump(mode="json")


def item(evidenceability: str = "full", *paths: str) -> Item:
    body = {"id": "X.1", "title": "It", "card_paths": paths, "evidenceability": evidenceability, "needs": "nothing"}
    return Item.model_validate(body)


# ----------------------------------------------------------------------------------------------------------- the packs


@pytest.mark.parametrize(("framework", "one"), ITEMS, ids=lambda x: x if isinstance(x, str) else x.id)
def test_every_path_of_every_pack_can_be_on_a_card(framework: str, one: Item) -> None:
    assert [fault for path in one.card_paths if (fault := path_fault(path))] == []


def test_the_packs_hold_what_the_frameworks_name() -> None:
    ids = {name: [i.id for i in pack.items] for name, pack in packs().items()}
    assert list(ids) == ["eu_ai_act", "iso_42001", "nist_ai_600_1", "nist_ai_rmf"]
    assert [f"Annex IV {n}" for n in (3, 4, 5, 6, 7, 8, 9)] == [
        i for i in ids["eu_ai_act"] if re.fullmatch(r".* \d", i)
    ]
    assert [i[-2] for i in ids["eu_ai_act"] if i.startswith("Annex IV 1")] == list("abcdefgh")
    assert [i[-2] for i in ids["eu_ai_act"] if i.startswith("Annex IV 2")] == list("abcdefgh")
    assert {i.split("(")[0] for i in ids["eu_ai_act"] if i.startswith("Art")} == {
        "Art. 11",
        "Art. 12",
        "Art. 72",
        "Art. 73",
    }
    assert ids["nist_ai_600_1"] == [f"2.{n}" for n in range(1, 13)]
    assert {i.split()[0] for i in ids["nist_ai_rmf"]} == {"GOVERN", "MAP", "MEASURE", "MANAGE"}
    assert {i.split(".")[1] for i in ids["iso_42001"]} == {str(n) for n in range(2, 11)}


def test_every_pack_says_where_it_is_from_and_what_nobody_checked() -> None:
    for pack in packs().values():
        assert pack.source
        assert pack.checked <= date(2026, 12, 31)
        assert pack.checked_against == "secondary sources"
        assert re.search("not|Nobody", pack.check)
    assert packs()["eu_ai_act"].valid_from == date(2027, 12, 2)
    assert "Official Journal" in packs()["eu_ai_act"].check


def test_an_item_that_traces_can_show_has_a_place_on_the_card() -> None:
    assert [(f, i.id) for f, i in ITEMS if i.evidenceability != "none" and not i.card_paths] == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("evidenceability: none", "evidenceability: mostly", "'full', 'partial' or 'none'"),
        ("valid_from: 2027-12-02", "valid_from: soon", "valid_from"),
        ("- id: Annex IV 1(b)", "- id: Annex IV 1(a)", r"Annex IV 1\(a\) stands there twice"),
        ("card_paths: [identity.oversight]", "card_paths: [identity oversight]", "card_paths"),
        ("items:", "items: [", "it is no crosswalk"),
    ],
)
def test_what_is_no_pack_is_refused_in_one_line(old: str, new: str, says: str) -> None:
    text = read_text("crosswalks", "eu-ai-act.yaml")
    assert old in text
    with pytest.raises(UsageError, match=says) as found:
        read_pack(text.replace(old, new), "mine.yaml")
    assert str(found.value).startswith("mine.yaml: ")
    assert "\n" not in str(found.value)


def test_a_pack_is_read_back_from_its_own_json() -> None:
    for pack in packs().values():
        assert Pack.model_validate_json(pack.model_dump_json()) == pack


# ----------------------------------------------------------------------------------------------------------- the paths


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("identity.purpose", "there is no identity.purpose"),
        ("components.*.declared.colour", "there is no components.*.declared.colour"),
        ("claims.grounded", "there is no claims.grounded"),
        ("claims.*:speed.slices", "speed is no topic of claims"),
        ("assessed.*:IR-99", "IR-99 is no topic of claims and no risk"),
        ("live.weather", "there is no live.weather"),
        ("datasheets", "there is no datasheets"),
        ("datasets.*.colour", "there is no datasets.*.colour"),
    ],
)
def test_a_path_that_no_card_can_have_is_named(path: str, says: str) -> None:
    assert says in str(path_fault(path))


def test_nothing_what_is_declared_and_what_was_seen_are_told_apart() -> None:
    card = json_of(identity(), component("llm"), component("cf"), e.Observe(
        what="version", ref="llm", value="2", evidence_class="span", traces=9, declared=True))  # fmt: skip
    assert found_at("identity.oversight", card, None, NOW) == Found("identity.oversight", "absent")
    assert found_at("identity.intended_use", card, None, NOW).kind == "declared"
    seen = found_at("components.*.observed", card, None, NOW)
    assert (seen.kind, seen.count, seen.of, seen.whole) == ("seen", 1, 2, False)
    assert found_at("components.*.declared.owner", card, None, NOW).whole


def test_a_claim_counts_as_evidence_only_with_a_record_that_is_on_the_card() -> None:
    card = json_of(*judged(), *judged("fast", proven=False))
    found = found_at("claims.*.slices", card, None, NOW)
    assert (found.kind, found.count, found.bare, found.stale, found.references) == ("evidence", 2, 1, 0, ("E-1",))
    assert found_at("claims.*.slices", {**card, "evidence": {}}, None, NOW).kind == "declared"


def test_evidence_grows_old_by_what_the_claim_says_of_itself() -> None:
    card = json_of(*judged(valid_for="2d"))
    later = [found_at("claims.*.slices", card, None, NOW + timedelta(days=d)).stale for d in (2, 2.1)]
    assert later == [0, 1]


def test_only_claims_of_a_topic_and_assessments_of_a_risk_are_meant() -> None:
    told = Assessment(risk="IR-17", about="llm", state="not seen", n=500)
    unknown = Assessment(risk="IR-05", about="llm", state="unknown", why="needs facts")
    found = AssessRisks(baseline=None, requests=500, told=(told, unknown), assessed=(told.name, unknown.name))
    card = json_of(*judged(), *judged("fair", topic="fairness", proven=False), found)
    assert found_at("claims.*:fairness.slices", card, None, NOW).kind == "declared"
    assert found_at("claims.*:quality.slices", card, None, NOW).references == ("E-1",)
    privacy = found_at("assessed.*:IR-17", card, None, NOW)
    assert (privacy.kind, len(privacy.references), privacy.stale) == ("evidence", 1, 0)
    assert found_at("assessed.*:IR-17", card, None, NOW + VALID_FOR + timedelta(days=1)).stale == 1
    assert found_at("assessed.*:IR-05", card, None, NOW).kind == "declared"
    assert found_at("assessed.*:IR-13", card, None, NOW).kind == "absent"


def test_what_nobody_watches_now_is_not_seen() -> None:
    assert found_at("live.signals", json_of(identity()), watching(), NOW).kind == "seen"
    assert found_at("live.signals", json_of(identity()), watching(minutes_ago=9), NOW).kind == "absent"
    assert found_at("live.signals", json_of(identity()), None, NOW).kind == "absent"


def test_a_sign_off_counts_while_nothing_material_has_changed_and_a_rejection_never_does() -> None:
    def signed(decision: str, material: str) -> Approve:
        body = {"role": "lead", "decision": decision, "over": "a" * 64, "version": 1, "material": material}
        return Approve.model_validate(body)

    now = material_digest(json_of(identity()))
    counts = found_at("approvals", json_of(identity(), signed("approve", now)), None, NOW)
    assert (counts.kind, counts.count, counts.stale, counts.references) == ("evidence", 1, 0, ("a" * 12,))
    assert found_at("approvals", json_of(identity(), signed("approve", "0" * 64)), None, NOW).stale == 1
    later = json_of(identity(), signed("approve", now), signed("reject", now))
    assert found_at("approvals", later, None, NOW).kind == "declared"
    assert found_at("approvals", json_of(identity()), None, NOW).kind == "absent"


def test_a_waiver_counts_from_its_start_to_its_end_unless_it_was_revoked() -> None:
    waiver = Waive(id="W-1", rule="broken", reason_sha256="b" * 64, control_sha256="c" * 64, requested_by="mara",
                   approver="lead", starts=NOW, expires=NOW + timedelta(days=2))  # fmt: skip
    card = json_of(identity(), waiver)
    kinds = [found_at("waivers", card, None, NOW + timedelta(days=d)).kind for d in (-1, 0, 1, 2)]
    assert kinds == ["declared", "evidence", "evidence", "declared"]
    assert found_at("waivers", card, None, NOW).references == ("W-1", "b" * 12)
    revoked = json_of(identity(), waiver, RevokeWaiver(id="W-1"))
    assert found_at("waivers", revoked, None, NOW).kind == "declared"


def test_incidents_name_themselves_and_what_they_rest_on() -> None:
    figure = draft(evidence(0.3))
    member = e.IncidentFinding(key="llm.grounded", about="llm", label="grounded", reference=0.9, value=0.3, n=40,
                               evidence=figure.digest)  # fmt: skip
    card = json_of(figure.body, opening(findings=(member,)))
    assert found_at("incidents", card, None, NOW).references == ("INC-1", "E-1")
    assert found_at("incidents.*.serious", card, None, NOW).kind == "absent"
    said = AssessIncident(number=1, serious="no", regime="eu_ai_act")
    both = json_of(figure.body, opening(findings=(member,)), opening(2), said)
    assert found_at("incidents.*.serious", both, None, NOW).references == ("INC-1", "E-1")


# -------------------------------------------------------------------------------------------------------- the statuses

founds = st.builds(
    Found,
    path=st.just("claims"),
    kind=st.sampled_from(("absent", "declared", "seen", "evidence")),
    count=st.integers(0, 3),
    of=st.integers(0, 3),
    bare=st.integers(0, 3),
    stale=st.integers(0, 3),
)


@given(st.sampled_from(("full", "partial", "none")), st.lists(founds, max_size=4))
def test_a_status_never_says_more_than_traces_can_show_and_the_card_has(can: str, found: list[Found]) -> None:
    status = status_of(item(can, "claims"), found)
    kinds = {one.kind for one in found}
    assert (status == "missing") == (kinds <= {"absent"})
    if status == "evidenced":
        assert can == "full"
        assert "evidence" in kinds
        assert all(one.whole for one in found)
        assert not any(one.kind == "evidence" and (one.stale or one.bare) for one in found)
    if status == "declared":
        assert can == "none" or not kinds & {"seen", "evidence"}
        assert all(one.whole for one in found)


def test_an_item_is_evidenced_where_all_of_it_stands_and_rests_on_evidence() -> None:
    card, ask = json_of(*judged()), item("full", "claims.*.slices", "evidence")
    found = [found_at(path, card, None, NOW) for path in ask.card_paths]
    assert status_of(ask, found) == "evidenced"
    assert status_of(item("partial", *ask.card_paths), found) == "partly"
    assert status_of(item("none", *ask.card_paths), found) == "declared"
    assert status_of(ask, [*found, found_at("baseline", card, None, NOW)]) == "partly"
    old = [found_at(path, card, None, NOW + timedelta(days=2)) for path in ask.card_paths]
    assert status_of(ask, old) == "partly"


def test_a_regime_that_does_not_apply_is_an_answer_and_a_voluntary_mapping_another() -> None:
    def told(stated: Any) -> tuple[set[str], str]:
        card = json_of(identity(regimes=stated))
        rows = crosswalk(card, None, NOW, "eu_ai_act")
        (one,) = summary(rows, card)
        return {row.status for row in rows}, one.regime

    assert told({"eu_ai_act": {"applies": "no", "because": "it sells shoes"}}) == (
        {"not applicable"}, "regime not applicable: it sells shoes")  # fmt: skip
    statuses, says = told({"eu_ai_act": "voluntary"})
    assert says == "regime not applicable, voluntary mapping"
    assert "not applicable" not in statuses
    assert told({})[1] == "system.yaml does not state whether the regime applies"
    assert told({"eu_ai_act": "high_risk"})[1] == "the team states that the regime applies"


def test_a_framework_that_binds_nobody_is_mapped_without_a_word_of_it() -> None:
    card = json_of(identity())
    (rmf,) = summary(crosswalk(card, None, NOW, "nist_ai_rmf"), card)
    assert rmf.regime == "voluntary framework"
    declined = json_of(identity(regimes={"nist_ai_rmf": "not_applicable"}))
    (profile,) = summary(crosswalk(declined, None, NOW, "nist_ai_600_1"), declined)
    assert profile.counts["not applicable"] == profile.items == 12


def test_the_counts_of_a_framework_are_those_of_its_rows() -> None:
    card = json_of(identity(), component(), *judged())
    rows = crosswalk(card, watching(), NOW)
    for one in summary(rows, card):
        own = [row for row in rows if row.framework == one.framework]
        assert one.items == len(own) == sum(one.counts.values()) == sum(one.evidenceability.values())
        assert one.counts == {status: sum(r.status == status for r in own) for status in one.counts}


def test_an_empty_card_has_nothing_and_a_framework_that_is_not_there_is_named() -> None:
    empty = json.loads(fold((), start="shop").model_dump_json())
    assert {row.status for row in crosswalk(empty, None, NOW)} == {"missing"}
    with pytest.raises(UsageError, match="no framework 'moon'; there is: eu_ai_act, iso_42001"):
        crosswalk(empty, None, NOW, "moon")


def test_references_are_on_the_card_and_are_not_without_bound() -> None:
    figures = [evidence(n / 100) for n in range(30)]
    slices = tuple(
        e.SliceStatus(slice=str(n), status="holds", n=9, evidence=draft(f).digest) for n, f in enumerate(figures)
    )
    card = json_of(*judged(proven=False), *figures, e.SetClaim(claim="grounded", slices=slices))
    known = {one["id"] for one in card["evidence"].values()}
    assert len(known) == 30
    for row in crosswalk(card, None, NOW):
        assert {ref for ref in row.evidence if ref.startswith("E-")} <= known
        assert len(row.evidence) <= REFERENCES * max(1, len(row.card_paths))


def test_the_same_card_gives_the_same_rows_whatever_order_it_is_kept_in() -> None:
    card = json_of(identity(), component("llm"), component("cf"), *judged(), *judged("fast", proven=False))
    turned = json.loads(json.dumps(card, sort_keys=True))
    assert [r.status for r in crosswalk(card, None, NOW)] == [r.status for r in crosswalk(turned, None, NOW)]
    assert Card.model_validate(turned).digest == Card.model_validate(card).digest


def test_no_text_of_a_crosswalk_says_that_rules_are_met() -> None:
    card = json_of(identity(regimes={"eu_ai_act": "high_risk"}), component(), *judged())
    rows = crosswalk(card, watching(), NOW)
    texts = [LIMITS, *(row.model_dump_json() for row in rows), *(s.model_dump_json() for s in summary(rows, card))]
    texts += [read_bytes("crosswalks", file).decode() for file in names("crosswalks")]
    assert [found[0] for text in texts if (found := JUDGES.search(text))] == []


def test_a_row_is_what_it_says_it_is() -> None:
    (row,) = (r for r in crosswalk(json_of(identity()), None, NOW) if r.id == "Annex IV 4")
    assert row == CrosswalkRow(
        framework="eu_ai_act", version=packs()["eu_ai_act"].version, id="Annex IV 4", card_paths=(),
        title="Why the metrics of performance are the right ones", evidenceability="none", status="missing",
        says="the card has no place for it", needs="a document of the team",
    )  # fmt: skip


def test_what_a_team_writes_down_of_data_and_hardware_is_declared_and_never_evidence() -> None:
    wanted = ("Annex IV 1(e)", "Annex IV 2(d)")
    data = e.Declare(section="dataset", ref="clicks", body={"name": "Clicks", "owner": "data"})
    with_them = crosswalk(json_of(identity(hardware="2 cores"), data), None, NOW)
    assert {r.id: r.status for r in with_them if r.id in wanted} == {
        "Annex IV 1(e)": "declared",
        "Annex IV 2(d)": "partly",
    }
    assert {r.status for r in crosswalk(json_of(identity()), None, NOW) if r.id in wanted} == {"missing"}


def test_what_is_declared_of_some_parts_or_data_sets_only_is_told_with_how_many() -> None:
    sets = [
        e.Declare(section="dataset", ref=ref, body=body)
        for ref, body in (
            ("clicks", {"name": "Clicks", "owner": "data", "source": "our shop"}),
            ("texts", {"name": "Texts", "owner": "data"}),
        )
    ]
    found = found_at("datasets.*.source", json_of(identity(), *sets), None, NOW)
    assert (found.kind, found.count, found.of, found.whole) == ("declared", 1, 2, False)
    assert found_at("datasets", json_of(identity(), *sets), None, NOW).kind == "declared"
