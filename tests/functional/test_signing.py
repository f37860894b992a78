"""Gate, waivers and approvals as people and pipelines use them: on a declared system, without a single span."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import rfc8785

from syscard.approvals import Approve
from syscard.card import Card
from syscard.edits import Body
from syscard.home import Home
from syscard.signatures import signing_key
from syscard_configs import read_text
from syscard_tui.incident_writing import write_to
from syscard_tui.wiring import House
from tests.functional.helpers import REF, one_line, syscard

POLICY = """\
stage: promote
waivers: {at_most: 30d}
rules:
  - {id: known, says: claims unknown, metric: claims_unknown, op: "<=", threshold: 0}
  - {id: signed, says: approvals missing, metric: approvals_missing, roles: [owner, legal], op: "<=", threshold: 0,
     waivable: false}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


def said(*arguments: object, code: int = 0) -> str:
    ran = syscard(*arguments)
    assert (ran.code, ran.err) == (code, ""), ran
    return ran.out


def card(home: Path) -> dict[str, Any]:
    return dict(syscard("--home", home, "card", "show", "--json").document["card"])


WAIVER = ("--reason", "the vendor mends it", "--control", "people look at each", "--approver", "ines")


def test_a_rule_is_waived_somebody_signs_and_the_gate_opens_until_the_card_changes(
    declared: Path, policy: Path, tmp_path: Path
) -> None:
    gate = ("--home", declared, "gate", "--policy", policy)
    blocked = said(*gate, code=1)
    assert "FAILED claims unknown: " in blocked
    assert "approvals missing: 2, needs <= 0   owner, legal" in blocked
    waived = said("--home", declared, "waive", "known", *WAIVER, "--expires", "20d", "--policy", policy)
    assert waived.startswith("W-1: known for ")
    for role in ("owner", "legal"):
        out = said("--home", declared, "approve", "--role", role, "--comment", f"{role} has read it")
        assert out.startswith(f"{role}: approved v")
        assert "does not count" not in out
    opened = said(*gate)
    assert "promote open" in opened
    assert "WAIVED claims unknown" in opened
    runs = card(declared)["gate_runs"]
    assert [(r["number"], r["blocked"], r["failed"], r["waivers"]) for r in runs] == [
        (1, True, ["known", "signed"], []), (2, False, [], ["W-1"])
    ]  # fmt: skip
    assert said("--home", declared, "waive", "revoke", "w-1").startswith("W-1 revoked, card v")
    again = said(*gate, code=1)
    assert "owner, legal" in again  # who signed had read of a waiver that is gone
    shown = said("--home", declared, "card", "show")
    for words in ("W-1   known for", ": revoked 20", "the vendor mends it", "NO LONGER COUNTS", "owner has read it"):
        assert " ".join(words.split()) in " ".join(shown.split()), words
    assert "verified: ok" in said("--home", declared, "card", "verify")


def test_the_same_run_is_written_once_and_one_without_record_never(declared: Path, policy: Path) -> None:
    gate = ("--home", declared, "gate", "--policy", policy, "--json")
    before = card(declared)["version"]
    assert syscard(*gate, "--no-record").document["run"] is None
    assert card(declared)["version"] == before
    first, second = syscard(*gate).document, syscard(*gate).document
    assert (first["run"], second["run"]) == (1, 1)
    assert first["input"] == second["input"]
    assert first["policy"] == second["policy"]
    assert card(declared)["version"] == before + 1
    policy.write_text(POLICY.replace("threshold: 0}", "threshold: 1}"))
    assert syscard(*gate).document["run"] == 2


def test_the_digests_of_a_run_can_be_made_again_from_what_it_was_asked_of(declared: Path, tmp_path: Path) -> None:
    rego = tmp_path / "promote.rego"
    rego.write_text(read_text("gates", "promote.rego"))
    gate = ("--home", declared, "gate", "--engine", "rego", "--policy", rego, "--input", tmp_path / "input.json")
    run = syscard(*gate, "--json").document
    facts = json.loads((tmp_path / "input.json").read_text())
    assert facts["schema"] == "syscard.gate-input/1"
    assert facts["asked"]["version"] == 1
    without = {key: value for key, value in facts.items() if key != "asked"}
    assert hashlib.sha256(rfc8785.dumps(without)).hexdigest() == run["input"]
    assert hashlib.sha256(rfc8785.dumps({"rego": rego.read_text()})).hexdigest() == run["policy"]
    (kept,) = card(declared)["gate_runs"]
    assert (kept["input"], kept["policy"]) == (run["input"], run["policy"])


def test_a_dry_run_needs_no_right_to_write(declared: Path, policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {file: file.read_bytes() for file in declared.rglob("*") if file.is_file()}
    # As on a file system that is mounted to be read only, where SQLite cannot put its two files beside the records.
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: mode != os.W_OK)
    said("--home", declared, "gate", "--policy", policy, "--no-record", code=1)
    assert {file: file.read_bytes() for file in declared.rglob("*") if file.is_file()} == before


def test_reports_are_written_where_asked_and_point_into_the_system_s_file(declared: Path, tmp_path: Path) -> None:
    out = {kind: tmp_path / f"gate.{kind}" for kind in ("xml", "sarif", "md")}
    file = tmp_path / "system.yaml"
    said("--home", declared, "gate", "--no-record", "--junit", out["xml"], "--sarif", out["sarif"],
         "--markdown", out["md"], "--file", file, code=1)  # fmt: skip
    assert ET.fromstring(out["xml"].read_text()).get("name") == f"{REF} promote"
    assert out["md"].read_text().startswith(f"## {REF}: gate promote BLOCKED")
    lines = file.read_text().splitlines()
    results = json.loads(out["sarif"].read_text())["runs"][0]["results"]
    found = {r["message"]["text"].rpartition("[")[2].rstrip("]"): r["locations"][0] for r in results}
    where = found["grounded"]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == file.as_posix()
    assert "grounded" in lines[where["region"]["startLine"] - 1]
    one_line(syscard("--home", declared, "gate", "--no-record", "--junit", tmp_path / "no" / "x.xml"), "x.xml")


def test_every_stage_that_ships_can_be_asked_and_rego_says_the_same(declared: Path) -> None:
    for stage in ("release", "periodic"):
        assert f"{stage} BLOCKED" in said("--home", declared, "gate", "--stage", stage, "--no-record", code=1)
    ours, theirs = (
        syscard("--home", declared, "gate", "--engine", engine, "--json").document for engine in ("python", "rego")
    )
    assert (theirs["engine"], theirs["blocked"], theirs["run"]) == ("rego", True, ours["run"] + 1)
    assert [c["outcome"] for c in theirs["checks"]] == [c["outcome"] for c in ours["checks"]]
    assert theirs["input"] == ours["input"]


NO_ANSWER: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("--engine", "rego", "--stage", "release"), ("no Rego ships for stage 'release'",)),
    (("--engine", "opa"), ("--opa-url or SYSCARD_OPA_URL",)),
    (("--engine", "opa", "--opa-url", "http://127.0.0.1:1"), ("connection refused", "no verdict is no yes")),
    (("--engine", "cedar"), ("'cedar'",)),
    (("--stage", "ship"), ("no policy ships for stage 'ship', only for periodic, promote, release",)),
)


def test_a_gate_that_cannot_be_asked_is_one_line_and_exit_2(declared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for arguments, words in NO_ANSWER:
        one_line(syscard("--home", declared, "gate", "--no-record", *arguments), *words)


def test_no_name_in_an_argument_writes_on_the_terminal(declared: Path) -> None:
    evil = "x\x1b[2J\u202e\nnext"
    flags = ("--reason", "x", "--control", "y", "--expires", "2d", "--scope", "grounded", "--approver")
    for arguments in (
        ("gate", "--stage", evil), ("gate", "--stage", evil, "--engine", "rego"), ("gate", "--policy", evil),
        ("waive", "few-unknowns", "--requested-by", evil, *flags, evil), ("gate", "--no-record", "--junit", "\x1b/x"),
    ):  # fmt: skip
        ran = syscard("--home", declared, *arguments)
        one_line(ran)
        assert ran.err.rstrip("\n").isprintable()


REFUSED: tuple[tuple[dict[str, str], str], ...] = (
    ({"--approver": "MARA "}, "who asks for a waiver does not grant it"),
    ({"--approver": "m\u0430ra@shop.example"}, "who asks for a waiver does not grant it"),
    ({"--expires": "31d"}, "lets none last over 30d"),
    ({"--expires": "2020-01-01"}, "it has passed"),
    ({"--expires": "soon"}, "'soon' is no time"),
    ({"--reason": " "}, "--reason is empty"),
    ({"--control": " "}, "--control is empty"),
    ({"--scope": "grouned"}, "--scope grouned: not on the card; known fails for "),
)


def test_a_waiver_that_may_not_be_is_refused_and_nothing_is_written(declared: Path, policy: Path) -> None:
    asked = {"--reason": "x", "--control": "y", "--approver": "ines", "--expires": "2d", "--requested-by": "mara"}
    for changes, words in REFUSED:
        flags = [word for pair in {**asked, **changes}.items() for word in pair]
        one_line(syscard("--home", declared, "waive", "known", *flags, "--policy", policy), words)
    assert "waivers" not in card(declared)


def test_rules_that_are_not_there_never_waived_or_do_not_fail_are_not_waived(declared: Path, policy: Path) -> None:
    waive = ("--home", declared, "waive")
    flags = (*WAIVER, "--expires", "2d", "--policy", policy)
    one_line(syscard(*waive, "luck", *flags), "no rule 'luck'; there is: known, signed")
    one_line(
        syscard(*waive, "signed", *flags), "signed may never be waived: the policy of promote says waivable: false"
    )
    one_line(syscard(*waive, "declared", *WAIVER, "--expires", "2d"), "declared does not fail now")
    one_line(syscard(*waive, "revoke", "W-1"), "no waiver W-1; there is: none")
    assert syscard(*waive, "list").err == "nothing is waived\n"
    said(*waive, "grant", "known", *flags, "--scope", "grounded")
    listed = syscard(*waive, "list", "--json").document
    assert [(w["id"], w["scope"], w["state"], w["control"]) for w in listed] == [
        ("W-1", ["grounded"], "holds", "people look at each")
    ]
    assert "W-1   known for grounded: holds until" in said(*waive, "list")


def test_somebody_signs_for_the_card_that_they_have_read_and_no_other(declared: Path) -> None:
    approve = ("--home", declared, "approve", "--role", "owner")
    digest = syscard("--home", declared, "card", "show", "--json").document["digest"]
    one_line(syscard(*approve, "--over", "ab" * 32), "v1 has the digest", "--version")
    one_line(syscard(*approve, "--over", digest[:5]), "at least 12 digits")
    one_line(syscard(*approve, "--version", "v9"), "no card v9")
    one_line(syscard("--home", declared, "approve", "--role", "the boss"), "--role the boss: small letters")
    assert f"approved v1 ({digest[:12]})" in said(*approve, "--over", digest[:16])
    assert "rejected v1" in said(*approve, "--decision", "reject", "--version", "1", "--over", digest)
    decisions = [(a["decision"], a["version"], a["over"]) for a in card(declared)["approvals"]]
    assert decisions == [("approve", 1, digest), ("reject", 1, digest)]


def test_an_approval_is_signed_and_one_that_was_signed_for_something_else_is_found(
    declared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_SIGNING_KEY_FILE", str(tmp_path / "mine.pem"))
    one_line(syscard("--home", declared, "approve", "--role", "owner"), "mine.pem: No such file")
    assert "approvals" not in card(declared)
    monkeypatch.delenv("SYSCARD_SIGNING_KEY_FILE")
    said("--home", declared, "approve", "--role", "owner")
    fingerprint = signing_key(declared / "keys").public.fingerprint
    shown = " ".join(said("--home", declared, "card", "show").split())
    assert f"signed by {fingerprint[:16]}" in shown
    assert "verified: ok" in said("--home", declared, "card", "verify")
    house = House(Home(declared))

    def forged(known: Card, _at: datetime) -> list[Body]:
        old = known.approvals[-1].model_dump(include={"over", "version", "material", "signature"})
        return [Approve(role="legal", **old)]

    write_to(house, REF, "approve by legal", forged)
    one_line(syscard("--home", declared, "card", "verify"), "its signature is of another approval", code=1)
