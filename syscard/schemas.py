"""JSON Schemas (2020-12) of a card and of system.yaml, made from the models: the files that ship are these.

A card's `declared` values are those of system.yaml and have the shapes of its schema; a card may hold what an earlier
release declared, so its own schema leaves them open.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from syscard.card import Card
from syscard.system import System

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def card_schema() -> dict[str, Any]:
    """Of the `card` that snapshots, `card show --json` and the view hold."""
    return _named("card", "A system card of syscard", Card.model_json_schema(mode="serialization"))


def system_schema() -> dict[str, Any]:
    """Of system.yaml. What its parts say of each other is no matter of shape: `syscard apply --check` tells that."""
    schema = System.model_json_schema(by_alias=True)
    regime = schema["$defs"]["Regime"]  # a word alone is read as well
    schema["$defs"]["Regime"] = {"anyOf": [regime["properties"]["applies"], regime]}
    return _named("system", "What a team declares of its system: system.yaml", schema)


SCHEMAS: Final[dict[str, Callable[[], dict[str, Any]]]] = {"card": card_schema, "system": system_schema}


def schema_text(name: str) -> str:
    """A schema as it ships, by its name in `SCHEMAS`."""
    return json.dumps(SCHEMAS[name](), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _named(name: str, title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "$schema": DIALECT, "$id": f"urn:syscard:{name}:1", "title": title}
