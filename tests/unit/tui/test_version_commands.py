"""`card tag`, `diff`, `head` and `verify --head`, as they are typed, on a home whose card was folded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from syscard import edits as e
from syscard.declare import declaring
from syscard.home import Home
from syscard_tui.cli import app
from syscard_tui.wiring import House
from tests.unit import build
from tests.unit.build import HUMAN, NOW, draft

Typed = Callable[..., Result]


def _judged(status: str, minute: int) -> list[e.Draft]:
    figure = draft(build.evidence(0.93 if status == "holds" else 0.3), minute=minute)
    slice_ = e.SliceStatus.model_validate({"status": status, "value": 0.3, "n": 40, "evidence": figure.digest})
    return [figure, draft(e.SetClaim(claim="grounded", slices=(slice_,)), minute=minute)]


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """Four versions: declared, holds, broken a day later, an incident."""
    home = Home(tmp_path / "home").create()
    house = House(home, lambda: NOW)
    batches = [_judged("holds", 1), _judged("broken", 24 * 60), [draft(build.opening(), minute=24 * 60 + 1)]]
    with house.records() as records:
        with records.transaction() as transaction:
            declared = declaring(transaction.newest("shop")[0], build.declared(), HUMAN, NOW)
            transaction.append("shop", declared, cause="apply", recorded=NOW)
        for drafts in batches:
            with records.transaction() as transaction:
                transaction.append("shop", drafts, cause="look", recorded=NOW)
    return lambda *words: CliRunner().invoke(app, ["--home", str(home.root), "card", *words], catch_exceptions=True)


def test_a_version_is_named_and_the_difference_since_it_is_asked_for_in_any_way(typed: Typed) -> None:
    assert typed("tag", "launch", "v2").output == "launch is v2, card v5\n"
    since = typed("diff", "launch").output
    assert "BROKEN    grounded" in since
    assert "INC-1" in since
    assert typed("diff", "2026-11-22").output == since
    assert typed("diff", "v2", "latest").output == since
    assert typed("diff", "-1").output.strip() == "no material change"
    assert "BROKEN" not in typed("diff", "v3", "v4").output
    for name in ("launch", "v2", "2"):
        assert "card v2" in typed("show", "--version", name).output
    assert typed("show", "--version", "lunch").exit_code != 0


def test_everything_that_differs_is_told_by_key_as_text_markdown_and_json(typed: Typed) -> None:
    text = typed("diff", "v2", "v3", "--full").output
    assert "~ claims.grounded.slices.all.status: holds -> broken" in text
    document = json.loads(typed("diff", "v2", "v3", "--full", "--json").output)
    assert (document["before"], document["after"]) == (2, 3)
    paths = [one["path"] for one in document["full"]]
    assert ["claims", "grounded", "slices", "all", "status"] in paths
    assert json.loads(typed("diff", "v2", "v3", "--json").output) == document["material"]
    assert typed("diff", "v2", "v3", "--markdown").output.startswith("# shop v2 -> v3\n\n- + BROKEN")


def test_a_head_that_was_kept_anchors_the_chain_that_went_on(typed: Typed, tmp_path: Path) -> None:
    kept = tmp_path / "head.json"
    assert typed("head", "--out", str(kept)).output == f"{kept}\n"
    head = json.loads(kept.read_text())
    assert json.loads(typed("head", "--json").output) == head
    typed("tag", "launch")
    text = typed("verify", "--head", str(kept)).output
    assert f"nothing up to edit {head['seq']} (v4) was rewritten" in text
    anchor = json.loads(typed("verify", "--head", head["link"], "--json").output)["anchor"]
    assert anchor == {"seq": head["seq"], "version": 4}


def test_why_reads_the_past_of_a_claim_from_the_chain(typed: Typed) -> None:
    assert "history       v3" in typed("why", "grounded").output
    document = json.loads(typed("why", "grounded", "--json").output)
    assert [step["status"] for step in document["history"]] == ["unknown", "holds", "broken"]
    assert typed("why", "fats", "--json").exit_code != 0
