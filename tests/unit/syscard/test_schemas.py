"""The JSON Schemas that ship are made from the models, take what the models take, and refuse what they do not know."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as limits
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from typer.testing import CliRunner

from syscard.fold import fold
from syscard.render.snapshot import json_document
from syscard.schemas import SCHEMAS, card_schema, schema_text, system_schema
from syscard_configs import read_text
from syscard_tui.cli import app
from tests.faces import sample
from tests.unit.build import chained, histories
from tests.unit.syscard.test_documented import file_of

CARD, SYSTEM = Draft202012Validator(card_schema()), Draft202012Validator(system_schema())
VIEWS = sample.variants()
CARDS = Path(__file__).parents[2] / "data" / "cards"


def faults(validator: Draft202012Validator, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}"[:300] for error in validator.iter_errors(value)]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_file_that_ships_is_what_the_models_give(name: str) -> None:
    """After a change of the models: `syscard schema NAME > configs/syscard_configs/schemas/NAME.schema.json`."""
    assert read_text("schemas", f"{name}.schema.json") == schema_text(name)
    assert CliRunner().invoke(app, ["schema", name]).output == schema_text(name)
    Draft202012Validator.check_schema(json.loads(schema_text(name)))


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"hostile", "sampled"}))  # no fold makes those two
def test_the_card_of_every_snapshot_is_valid(name: str) -> None:
    assert faults(CARD, json_document(VIEWS[name])["card"]) == []


@pytest.mark.parametrize("release", sorted(path.name for path in CARDS.iterdir()))
def test_the_card_of_every_release_is_valid(release: str) -> None:
    assert faults(CARD, json.loads((CARDS / release / "card.json").read_text("utf-8"))["card"]) == []


@limits(max_examples=15)
@given(batches=histories())
def test_any_card_that_edits_can_give_is_valid(batches: Any) -> None:
    assert faults(CARD, fold(chained(batches), start="shop").model_dump(mode="json")) == []


def test_a_card_with_a_key_or_a_word_that_no_model_has_is_not() -> None:
    card = json_document(sample.broken_view())["card"]
    changes: tuple[Callable[[Any], object], ...] = (
        lambda c: c.update(mood="good"),
        lambda c: c["claims"]["fast"].update(mood="good"),
        lambda c: c["claims"]["fast"]["slices"][0].update(status="fine"),
        lambda c: c["incidents"]["12"].pop("title"),
        lambda c: c.update(version="4"),
    )
    for change in changes:
        other = copy.deepcopy(card)
        change(other)
        assert faults(CARD, other)


@pytest.mark.parametrize("example", ["starter.yaml", "recommender.yaml"])
def test_the_examples_of_system_yaml_are_valid(example: str) -> None:
    assert faults(SYSTEM, _plain(read_text("examples", example))) == []


def test_everything_that_may_be_declared_is_valid_and_a_mistake_is_not() -> None:
    body = json.loads(json.dumps(file_of()))
    assert faults(SYSTEM, body) == []
    changes: tuple[Callable[[Any], object], ...] = (
        lambda b: b["system"].update(mood="good"),
        lambda b: b["datasets"]["clicks"].pop("owner"),
        lambda b: b["claims"][0].update(valid_for="soon"),
        lambda b: b["components"]["llm"].update(kind="oracle"),
        lambda b: b["system"].update(regimes={"eu_ai_act": "perhaps"}),
    )
    for change in changes:
        other = copy.deepcopy(body)
        change(other)
        assert faults(SYSTEM, other)


def _plain(text: str) -> Any:
    """A file as an editor reads it, by YAML 1.2: `off` is a key, `no` a word, and days are texts."""
    words = text.replace("off:", '"off":').replace("applies: no,", 'applies: "no",')
    return json.loads(json.dumps(yaml.safe_load(words), default=str))
