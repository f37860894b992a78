"""A gate's verdict as SARIF 2.1.0: what failed, where in `system.yaml` that is declared, and what is waived. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from syscard.digest import text_digest
from syscard.gates import Check, Verdict
from syscard.gates.facts import CardJson
from syscard.gates.places import Places
from syscard.render.gates import check_text, waived_text
from syscard.words import one_line

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {"block": "error", "warn": "warning"}
_MOST: Final = 1_000
"""Results of one run: what takes such files refuses longer ones."""


def verdict_sarif(verdict: Verdict, card: CardJson, places: Places, version: str) -> dict[str, Any]:
    """The log of one run.

    Args:
        verdict: what the gate said.
        card: JSON of the card that was asked.
        places: lines of its system's file.
        version: syscard's own.
    """
    rules = [_rule(check) for check in verdict.checks]
    results = [one for at, check in enumerate(verdict.checks) for one in _results(at, check, verdict, card, places)]
    driver = {"name": "syscard", "semanticVersion": version, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"syscard/{one_line(card['system'])}/{one_line(verdict.stage)}/"},
        "results": results[:_MOST],
        "columnKind": "unicodeCodePoints",
        "properties": {"stage": one_line(verdict.stage), "blocked": verdict.blocked, "cardVersion": card["version"]},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": one_line(check.rule),
        "shortDescription": {"text": one_line(check.says)},
        "help": {"text": f"needs {check.op} {check.threshold:g}; see docs/gates.md"},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
    }


def _results(at: int, check: Check, verdict: Verdict, card: CardJson, places: Places) -> Iterator[dict[str, Any]]:
    """One for each thing that a rule failed for: each has a line of its own."""
    if check.passed:
        return
    for item in check.items or ("",):
        about = f" [{one_line(item)}]" if item else ""
        result: dict[str, Any] = {
            "ruleId": one_line(check.rule),
            "ruleIndex": at,
            "level": _LEVELS[check.severity],
            "message": {"text": _plain(f"{check_text(check)}{about}")},
            "locations": [_location(item, card, places)],
            "partialFingerprints": {"syscard/v1": text_digest(f"{verdict.stage}\n{check.rule}\n{item}")},
        }
        if check.waivers:
            waived = {"kind": "external", "status": "accepted", "justification": waived_text(check)}
            result["suppressions"] = [waived]
        yield result


def _plain(text: str) -> str:
    """A text of which viewers make no link: SARIF reads `[words](address)` as one, and names come from spans."""
    return text.replace("](", "] (")


def _location(item: str, card: CardJson, places: Places) -> dict[str, Any]:
    name = one_line(item) or one_line(card["system"])
    return {
        "logicalLocations": [{"name": name, "fullyQualifiedName": f"{card['system']}/{name}"}],
        "physicalLocation": {  # GitHub refuses a whole log of which one location has none
            "artifactLocation": {"uri": quote(places.file)},
            "region": {"startLine": places.of(item, card)},
        },
    }
