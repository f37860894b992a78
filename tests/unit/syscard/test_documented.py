"""What a team writes down beyond what monitors need: read strictly, bounded, and shown as declared."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from syscard.declare import declaring, describe, system_of
from syscard.diff import material_diff
from syscard.errors import SystemFileError
from syscard.faces import overview
from syscard.fold import empty_card, fold
from syscard.material import material_digest
from syscard.render.cardtext import card_text, part_text
from syscard.system import System
from syscard.system_checks import warnings
from syscard.system_file import parse_system
from syscard.view import build_view
from tests.unit import build
from tests.unit.build import GATE, HUMAN, NOW, chained

DOCS: dict[str, Any] = {
    "status": "deployed", "provider": "Shop Ltd", "foreseeable_misuse": ["pasted as advice"], "standards": ["none"],
    "affected_groups": ["sellers"], "use_cases": ["home page"], "deployment_forms": ["service"], "hardware": "2 cores",
    "instructions_for_use": "docs/use.md", "autonomy_level": "suggests, never buys", "licences": ["Apache-2.0"],
    "declaration_ref": "none", "references": ["doi:1"], "citations": ["Mitchell 2019"], "post_market_plan": "weekly",
    "interface": "a list", "design_rationale": "small models", "planned_changes": "weekly retraining",
}  # fmt: skip
LLM: dict[str, Any] = {
    "base_model": "SmolLM2, Hugging Face", "licence": "Apache-2.0", "architecture": "decoder", "task": "text",
    "hyperparameters": {"temperature": "0.2"}, "tradeoffs": ["small, so often vague"], "environmental": "not measured",
    "registry_ref": {"uri": "models:/llm/3", "digest": "a" * 64}, "datasets": ["clicks"], "inputs": ["facts"],
    "outputs": ["a reason"], "review": {"every": "90d", "next": "2026-11-01"},
}  # fmt: skip
CLICKS: dict[str, Any] = {
    "name": "Clicks of 2026", "owner": "data", "licence": "internal", "source": "the shop's logs", "used_by": ["cf"],
    "sensitive": ["age band"], "steward": "lena", "custodian": "ops", "review": {"every": "90d", "next": "2027-01-01"},
}  # fmt: skip
RISK: dict[str, Any] = {
    "kind": "interaction", "category": "value chain (NIST AI 600-1)", "harms": ["a wrong reason"],
    "groups_at_risk": ["readers in a second language"], "controls": ["guard"], "likelihood": "medium",
    "magnitude": "low", "residual": "low",
}  # fmt: skip


def file_of(**changes: Any) -> dict[str, Any]:
    """A system.yaml with everything that may be written down."""
    body = build.declared().body()
    body["system"] |= DOCS
    body["components"]["llm"] |= LLM
    body["interactions"]["vlm->llm"]["review"] = {"every": "30d", "next": "2026-11-20"}
    body["datasets"] = {"clicks": CLICKS}
    body["risks"][0] |= RISK
    return {**body, **changes}


def parsed(body: dict[str, Any]) -> System:
    return parse_system(yaml.safe_dump(body, sort_keys=False), "system.yaml")


def card_of(system: System) -> Any:
    return fold(chained([declaring(empty_card("shop"), system, HUMAN, NOW)]), start="shop")


def view_of(system: System) -> Any:
    return build_view(card_of(system), None, gate=GATE, head="0" * 64, edits=1, texts={}, written=NOW)


def test_everything_that_is_written_down_stands_on_the_card_and_is_read_back_the_same() -> None:
    system = parsed(file_of())
    card = card_of(system)
    assert system_of(card) == system
    assert {key: card.identity[key] for key in DOCS} == DOCS
    assert card.datasets == {"clicks": CLICKS}
    assert declaring(card, system, HUMAN, NOW) == ()


def test_what_is_left_out_is_not_written_so_that_older_declarations_keep_their_digests() -> None:
    body = build.declared().body()
    assert not body["system"].keys() & DOCS.keys()
    assert not body["components"]["llm"].keys() & LLM.keys()
    assert not body["risks"][0].keys() & RISK.keys()
    assert "datasets" not in body
    assert "datasets" not in card_of(build.declared()).model_dump()


def test_the_card_and_the_page_of_a_part_show_it_as_declared() -> None:
    view = view_of(parsed(file_of()))
    text = " ".join(card_text(view).split())
    for value in (
        "Shop Ltd",
        "pasted as advice",
        "weekly retraining",
        "Clicks of 2026",
        "cf, llm",
        "second language",
    ):
        assert value in text
    assert "DATASETS (declared)" in text
    page = " ".join(part_text(view, "llm").split())
    assert "kind llm" in page
    assert "base model SmolLM2" in page
    assert "review 2026-11-01 (declared)" in page
    assert "review 2026-11-20 (declared)" in " ".join(part_text(view, "vlm->llm").split())


def test_a_review_that_is_overdue_is_told_by_the_check_and_on_the_first_screen() -> None:
    system = parsed(file_of())
    told = [p.what for p in warnings(system, date(2026, 11, 22))]
    assert told == [
        "2026-11-01 has passed: llm is due for a review",
        "2026-11-20 has passed: vlm->llm is due for a review",
    ]
    also = overview(view_of(system), NOW).also
    assert "review of llm was due 2026-11-01" in also
    assert "review of vlm->llm was due 2026-11-20" in also
    assert not any("clicks" in one for one in also)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda b: b["system"].update(status="live"),
            "system.status: 'live' is not known here (write: one of draft, in_review",
        ),
        (lambda b: b["system"].update(use_cases=["x"] * 51), "system.use_cases: has more than 50 entries"),
        (lambda b: b["system"].update(hardware="x" * 2001), "system.hardware: is longer than 2000 characters"),
        (lambda b: b["components"]["llm"].update(datasets=["click"]), "there is no dataset 'click'"),
        (lambda b: b["datasets"]["clicks"].update(used_by=["lm"]), "there is no component 'lm'"),
        (lambda b: b["datasets"]["clicks"].pop("owner"), "datasets.clicks.owner: is missing"),
        (lambda b: b["datasets"]["clicks"].update(size=3), "datasets.clicks.size: is not a key that is read here"),
        (lambda b: b["risks"][0].update(kind="unknown"), "needs a day by which it is answered"),
        (
            lambda b: b["risks"][0].update(likelihood="often"),
            "'often' is not known here (write: one of low, medium, high",
        ),
        (lambda b: b["components"]["llm"]["registry_ref"].update(digest="abc"), "registry_ref.digest"),
        (lambda b: b["interactions"]["vlm->llm"]["review"].update(every="0d"), "a length of time that is not zero"),
    ],
)
def test_each_mistake_is_one_line_with_its_line_number(change: Any, says: str) -> None:
    body = yaml.safe_load(yaml.safe_dump(file_of()))
    change(body)
    with pytest.raises(SystemFileError) as caught:
        parsed(body)
    assert says in str(caught.value)
    assert all(problem.line > 1 for problem in caught.value.problems)


def test_data_that_came_changed_or_went_is_material() -> None:
    cards = [
        card_of(parsed(file_of(**more))).model_dump(mode="json")
        for more in ({}, {"datasets": {"clicks": CLICKS | {"licence": "open"}}})
    ]
    bare = card_of(build.declared()).model_dump(mode="json")
    (changed,) = material_diff(*cards)
    assert changed.text == "DECLARED  clicks licence: internal -> open"
    assert "NEW       dataset clicks: Clicks of 2026" in [c.text for c in material_diff(bare, cards[0])]
    assert "GONE      dataset clicks: Clicks of 2026" in [c.text for c in material_diff(cards[0], bare)]
    assert material_digest(cards[0]) != material_digest(cards[1])


def test_what_would_change_is_told_by_section() -> None:
    system = parsed(file_of())
    drafts = declaring(card_of(build.declared()), system, HUMAN, NOW)
    assert "+ dataset clicks" in describe(drafts, card_of(build.declared()))
