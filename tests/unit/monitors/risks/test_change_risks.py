"""IR-14 and IR-15: what answers, who takes it, and whether it is still what was agreed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from syscard.attribution import Attribution, Confidence, PartVerdict, Verdict
from syscard.card import Card
from syscard.edits import Change
from syscard.incident_edits import AttributeIncident
from syscard.system import System
from syscard_monitors.risks.changes import UndeclaredChange
from syscard_monitors.risks.contracts import ContractChange
from tests.unit.build import NOW, declared, draft, opening
from tests.unit.monitors.build import card_of, facts, request, with_drafts
from tests.unit.monitors.risks import build
from tests.unit.monitors.risks.alone import alone
from tests.unit.monitors.risks.build import Making, shop, states


def versions(*of: str, model: str = "m") -> Making:
    """The llm runs one of several versions, in turn."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "llm.version": of[number % len(of)], "llm.model": model}

    return making


def test_a_version_or_model_that_nobody_declared_is_seen_and_named() -> None:
    for now, named in ((versions("2"), "version 2"), (versions("1", model="other"), "model other")):
        seen = alone(UndeclaredChange(), versions("1"), now)["llm"]
        assert (seen.state, seen.share) == ("seen", 1.0)
        assert named in seen.says
        assert len(seen.traces) == 3


def test_what_the_baseline_ran_is_no_change_nor_are_two_versions_that_it_ran_side_by_side() -> None:
    for usual in (versions("1"), versions("1", "2")):
        assert alone(UndeclaredChange(), usual, usual)["llm"].state == "not seen"


def test_two_known_versions_side_by_side_are_seen_and_one_that_took_the_others_place_is_not() -> None:
    def rolled(number: int) -> str:
        return "1" if number < 1_700 else "1.10"

    def out(rng: random.Random, number: int) -> dict[str, Any]:
        return {**shop(rng, number), "llm.version": rolled(number)}

    body = declared().body()
    body["components"]["llm"]["version"] = {"declared": "1.10"}
    system = System.model_validate(body)
    assert alone(UndeclaredChange(), versions("1"), out, system=system)["llm"].state == "not seen"
    beside = alone(UndeclaredChange(), versions("1"), versions("1", "1.10"), system=system)["llm"]
    assert (beside.state, beside.value) == ("seen", 0.5)
    assert "side by side" in beside.says


def blamed(verdict: Verdict, confidence: Confidence = "high", *changed: Change, first: str = "llm") -> Card:
    """An open incident whose attribution says this of the llm, and names a part first."""
    told = PartVerdict(part="llm", verdict=verdict, effect=1.7, n=300)
    found = Attribution(parts=(told,), first=first, confidence=confidence, n_before=200, n_now=100, method="by hand")
    opened = (opening(1, subject="llm", changed=changed), AttributeIncident(number=1, attribution=found))
    return with_drafts(card_of(), [draft(body) for body in opened])


def test_a_part_that_changed_itself_with_the_version_that_it_had_is_a_silent_change() -> None:
    same = versions("1")
    seen = alone(UndeclaredChange(), same, same, card=blamed("changed itself"))["llm"]
    assert (seen.state, seen.severity, seen.value) == ("seen", "ticket", 1.7)
    assert seen.says == "llm changed itself (incident 1), and no version, model or prompt with it"
    assert alone(UndeclaredChange(), same, same, card=blamed("changed itself"))["cf"].state == "unknown"


def test_what_is_inherited_not_sure_told_of_already_or_not_the_first_to_be_named_is_no_silent_change() -> None:
    told = Change(at=NOW, about="llm", says="version became 2 (was 1)")
    other = blamed("changed itself", first="vlm")
    for card in (blamed("inherited"), blamed("changed itself", "low"), blamed("changed itself", "high", told), other):
        assert alone(UndeclaredChange(), versions("1"), versions("1"), card=card)["llm"].state == "not seen"


def test_a_version_that_nobody_declared_is_named_before_a_silent_change() -> None:
    seen = alone(UndeclaredChange(), versions("1"), versions("2"), card=blamed("changed itself"))["llm"]
    assert "version 2" in seen.says


def test_without_a_version_on_its_spans_a_part_is_unknown_with_what_it_needs() -> None:
    found = alone(UndeclaredChange(), versions("1"), versions("1"))["cf"]
    assert (found.state, found.why) == ("unknown", "needs cf.version or cf.model or cf.prompt")


def reading(rng: random.Random, number: int) -> dict[str, Any]:
    """The vlm hands on a category and a confidence."""
    return {**shop(rng, number), "vlm.category": rng.choice(["shoe", "hat"]), "vlm.confidence": rng.random()}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"vlm.confidence": "high"}, "vlm.confidence"),
        ({"vlm.category": None}, "vlm.category"),
        ({"vlm.category": "trousers"}, "vlm.category or give it another type or word (1 word never seen)"),
    ],
    ids=["another type", "left out", "another word"],
)
def test_a_field_that_is_left_out_or_says_something_of_another_kind_is_seen(
    changed: dict[str, Any], named: str
) -> None:
    def broken(rng: random.Random, number: int) -> dict[str, Any]:
        return {**reading(rng, number), **(changed if rng.random() < 0.3 else {})}

    found = alone(ContractChange(), reading, broken)
    assert found["vlm"].state == "seen"
    assert named in found["vlm"].says
    assert found["cf"].state == "not seen"


def test_other_numbers_other_shares_of_words_and_ids_never_seen_keep_the_contract() -> None:
    def other(rng: random.Random, number: int) -> dict[str, Any]:
        many = rng.random() < 0.95
        items = [f"new{rng.randrange(10_000)}"]
        return {**reading(rng, number), "vlm.category": "shoe" if many else "hat", "vlm.confidence": 0.99,
                "vlm.item.id": items, "cf.items": [items * 5]}  # fmt: skip

    assert states(alone(ContractChange(), reading, other)) <= {"not seen", "unknown"}


def test_a_call_that_failed_hands_nothing_on_and_breaks_no_contract_nor_does_a_newer_date() -> None:
    def usual(rng: random.Random, number: int) -> dict[str, Any]:
        return {**reading(rng, number), "vlm.data.asof": "2026-11-01"}

    def now(rng: random.Random, number: int) -> dict[str, Any]:
        failed = {"vlm.error": True, "vlm.category": None} if rng.random() < 0.4 else {}
        return {**reading(rng, number), "vlm.data.asof": "2026-12-01", **failed}

    assert alone(ContractChange(), usual, now)["vlm"].state == "not seen"


def test_a_mix_of_customers_for_whom_a_field_was_always_left_out_breaks_no_contract() -> None:
    def mix(new: float) -> Making:
        def making(rng: random.Random, number: int) -> dict[str, Any]:
            is_new = rng.random() < new
            without = {"cf.items": None} if is_new and rng.random() < 0.5 else {}
            return {**shop(rng, number), **without, "segment.age_band": "new" if is_new else "old"}

        return making

    assert alone(ContractChange(), mix(0.2), mix(0.7))["cf"].state == "not seen"


def labelled(share: float, label: Any = "hat", first: str = "hat") -> Making:
    """A shop in which the vlm names what it sees only where it is asked for, in some requests."""

    def making(rng: random.Random, number: int) -> dict[str, Any]:
        said = {"vlm.label": label if rng.random() < 0.5 else first} if rng.random() < share else {}
        return {**shop(rng, number), **said}

    return making


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_what_was_never_always_there_follows_the_traffic_and_breaks_no_contract(share: float) -> None:
    """No segment tells apart who asks for it: other customers ask more seldom, or more often."""
    assert alone(ContractChange(), labelled(0.3), labelled(share))["vlm"].state == "not seen"


@pytest.mark.parametrize(
    ("now", "severity"),
    [(labelled(0), "note"), (labelled(0.3, label=7), "page"), (labelled(0.3, label="x-17"), "page")],
    ids=["gone", "another type", "another word"],
)
def test_what_was_not_always_there_is_held_to_its_type_and_words_and_that_it_is_gone_is_a_note(
    now: Making, severity: str
) -> None:
    found = alone(ContractChange(), labelled(0.3), now)["vlm"]
    assert (found.state, found.severity) == ("seen", severity)
    assert "vlm.label" in found.says


@pytest.mark.parametrize(("hidden", "state"), [(True, "seen"), (False, "not seen")])
def test_an_edge_that_nobody_declared_is_seen_with_the_first_requests_that_show_it(
    monkeypatch: pytest.MonkeyPatch, hidden: bool, state: str
) -> None:
    root = facts("root", "agent", end_us=9_000_000)
    cf, cache = facts("a", "cf", parent="root"), facts("b", "cache", parent="root", at=5, links=frozenset({"a"}))
    spans = (root, cf, cache) if hidden else (root, cf, facts("b", "cache", parent="root", at=5))
    plain = build.made

    def with_spans(making: Making, count: int, *, first: int = 0, seed: int = 1) -> tuple[Any, ...]:
        return tuple(request(first + i, r.values, spans) for i, r in enumerate(plain(making, count, first=first)))

    monkeypatch.setattr("tests.unit.monitors.risks.alone.made", with_spans)
    found = alone(ContractChange(), shop, shop)["system"]
    assert found.state == state
    assert ("cf->cache (link)" in found.says) is hidden
    assert bool(found.traces) is hidden


def test_spans_that_show_nothing_of_each_other_leave_edges_unknown() -> None:
    found = alone(ContractChange(), shop, shop)["system"]
    assert (found.state, found.why) == ("unknown", "needs parents, links or identifiers on spans")
