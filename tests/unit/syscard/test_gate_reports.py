"""What is written of a gate's verdict: JUnit, SARIF with lines of system.yaml, Markdown. Names come from spans."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from syscard.gates import Policy, Verdict, decide
from syscard.gates.places import Places, places_of
from syscard.render.gates import verdict_junit, verdict_lines, verdict_markdown
from syscard.render.sarif import verdict_sarif
from syscard_configs import read_text
from tests.unit.build import NOW, claim, opening
from tests.unit.syscard.test_gate_waiving import waived
from tests.unit.syscard.test_gates import card, standing

EVIL = "gh|ost\x1b[2J\uffff\n</failure><img src=x>[x](https://evil.example)"
FILE = """\
schema: syscard/1
system:
  ref: shop
  oversight:
components:
  vlm: {kind: llm}
  llm: {kind: llm}
interactions:
  vlm->llm: {}
claims:
  - id: a
    says: x
  - id: b
    says: y
"""


def rule(ref: str, metric: str, **changes: Any) -> dict[str, Any]:
    return {"id": ref, "says": f"{metric} are few", "metric": metric, "op": "<=", "threshold": 0, **changes}


POLICY = Policy.model_validate({"stage": "promote", "rules": [
    rule("broken", "claims_broken"), rule("open", "incidents_open"), rule("traffic", "requests", op=">="),
    rule("unknown", "claims_unknown", severity="warn"), rule("stale", "claims_stale"),
]})  # fmt: skip


NO_LINES = Places("system.yaml", {})


@pytest.fixture
def of() -> dict[str, Any]:
    """Two claims broken, one of them waived in vain, an incident that is waived, no traffic, one claim unknown."""
    found = card(standing("a", "broken"), standing("b", "broken"), opening(7, "vlm->llm"),
                 claims=[claim("a"), claim("b"), claim("c")])  # fmt: skip
    return waived(waived(found, "a", rule="broken"), "INC-7", rule="open")


def verdict(of: dict[str, Any]) -> Verdict:
    return decide(POLICY, of, None, NOW)


def test_the_lines_of_a_system_s_file_are_found_and_those_of_another_s_are_not() -> None:
    places = places_of(FILE, "system.yaml", "shop")
    asked = ("a", "b age_band=18-24", "vlm", "vlm->llm", "oversight", "nobody", "INC-7")
    incidents = {"incidents": {"7": {"subject": "llm"}}}
    assert [places.of(item, incidents) for item in asked] == [11, 13, 6, 9, 4, 2, 7]
    assert places_of(FILE, "system.yaml", "helpdesk") == NO_LINES
    assert places_of("- no: [system", "system.yaml", "shop") == NO_LINES
    shipped = read_text("examples", "recommender.yaml")
    lines = places_of(shipped, "x", "shop-recommender").lines
    assert all(name in shipped.splitlines()[line - 1] for name, line in lines.items())


def sarif(of: dict[str, Any], places: Places) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(json.dumps(verdict_sarif(verdict(of), of, places, "0.1.0")))
    assert (log["version"], log["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    (run,) = log["runs"]
    return dict(run)


def test_sarif_says_what_failed_at_the_line_where_it_is_declared(of: dict[str, Any]) -> None:
    run = sarif(of, places_of(FILE, "ai/system.yaml", "shop"))
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == ["broken", "open", "traffic", "unknown", "stale"]
    found = [
        (r["ruleId"], r["level"], r["locations"][0]["physicalLocation"]["region"]["startLine"], "suppressions" in r)
        for r in run["results"]
    ]
    assert found == [
        ("broken", "error", 11, False), ("broken", "error", 13, False), ("open", "error", 9, True),
        ("traffic", "error", 2, False), ("unknown", "warning", 2, False),
    ]  # fmt: skip
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]} == {
        "ai/system.yaml"
    }
    (waiver,) = run["results"][2]["suppressions"]
    assert waiver == {"kind": "external", "status": "accepted", "justification": "waived until 2026-12-22 (W-2)"}
    prints = [r["partialFingerprints"]["syscard/v1"] for r in run["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_without_the_lines_names_what_it_is_about_and_the_file_that_is_meant(of: dict[str, Any]) -> None:
    locations = [r["locations"][0] for r in sarif(of, Places("my ai/system.yaml", {}))["results"]]
    place = {"artifactLocation": {"uri": "my%20ai/system.yaml"}, "region": {"startLine": 1}}
    assert all(location["physicalLocation"] == place for location in locations)
    assert [location["logicalLocations"][0]["name"] for location in locations] == ["a", "b", "INC-7", "shop", "c"]


def test_junit_has_a_test_for_each_rule(of: dict[str, Any]) -> None:
    root = ET.fromstring(verdict_junit(verdict(of), "shop"))
    (suite,) = root
    assert [suite.get(key) for key in ("tests", "failures", "skipped", "errors")] == ["5", "2", "1", "0"]
    cases = {case.get("name"): case for case in suite}
    failure = cases["broken: claims_broken are few"].find("failure")
    assert failure is not None
    assert failure.get("message") == "claims_broken are few: 2, needs <= 0   a, b"
    skipped = cases["open: incidents_open are few"].find("skipped")
    assert skipped is not None
    assert "waived until 2026-12-22 (W-2)" in skipped.get("message", "")
    assert (cases["unknown: claims_unknown are few"].findtext("system-out") or "").startswith("warn: ")
    assert (cases["stale: claims_stale are few"].findtext("system-out") or "").startswith("ok: ")


def test_markdown_has_what_blocks_first(of: dict[str, Any]) -> None:
    lines = verdict_markdown(verdict(of), "shop", 4, "ab" * 32).splitlines()
    assert lines[0] == "## shop: gate promote BLOCKED"
    assert [line.split(" | ")[0] for line in lines[6:]] == [
        "| FAILED", "| FAILED", "| WAIVED", "| warn", "| ok"
    ]  # fmt: skip
    assert "| no figure |" in lines[7]
    assert "waived until 2026-12-22" in lines[8]


def test_the_terminal_says_what_is_waived_until_when(of: dict[str, Any]) -> None:
    text = "\n".join(verdict_lines(verdict(of), 4))
    assert text.startswith("promote BLOCKED   card v4\n  FAILED claims_broken are few: 2, needs <= 0   a, b\n")
    assert "WAIVED incidents_open are few: 1, needs <= 0   INC-7   waived until" in text


def test_names_from_spans_change_no_report(of: dict[str, Any]) -> None:
    of["claims"][EVIL] = of["claims"]["a"]
    hostile = decide(POLICY, of, None, NOW)
    junit = ET.fromstring(verdict_junit(hostile, EVIL))
    assert len(junit[0]) == 5
    rows = verdict_markdown(hostile, EVIL, 1, "a" * 64).splitlines()
    assert len(rows) == 11
    assert "<img" not in "".join(rows)
    assert all(line.isprintable() for line in verdict_lines(hostile, 1))
    texts = [r["message"]["text"] for r in verdict_sarif(hostile, of, NO_LINES, "0")["runs"][0]["results"]]
    assert all(text.isprintable() for text in texts)
    assert "(https://evil.example" in "".join(texts)
    assert "](" not in "".join(texts)


def test_a_log_is_bounded(of: dict[str, Any]) -> None:
    of["claims"] = {f"c{n}": of["claims"]["a"] for n in range(1_500)}
    assert len(verdict_sarif(verdict(of), of, NO_LINES, "0")["runs"][0]["results"]) == 1_000
