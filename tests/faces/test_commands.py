"""What the commands print and write: text from spans is made harmless, and nothing is mixed up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syscard.declare import declaring
from syscard.gates import decide
from syscard.home import Home
from syscard.render.gates import verdict_lines
from syscard.snapshots import Wish
from syscard.system import System
from syscard.views import View
from syscard.words import cells
from syscard_tui.commands.spans import _span_line
from syscard_tui.snapshots import take
from syscard_tui.wiring import House
from tests.faces import sample
from tests.unit import build

EVIL = "llm\x1b[2J\u202e\n  ok     everything is fine"


def _undeclared(count: int) -> View:
    view = sample.calm_view()
    part = view["card"]["components"]["cf"] | {"declared": None}
    view["card"]["components"] |= {f"{EVIL}{n}": part for n in range(count)}
    return view


def test_names_from_spans_reach_the_terminal_as_plain_lines_of_80_columns() -> None:
    view = _undeclared(6)
    verdict = decide(build.policy("undeclared_parts"), view["card"], view["live"], build.NOW)
    lines = list(verdict_lines(verdict, 1))
    assert all(line.isprintable() and cells(line) <= 80 for line in lines)
    assert not any(line.startswith("  ok ") for line in lines)
    assert all(reason.isprintable() for reason in verdict.reasons)


def test_a_span_is_one_line_whatever_its_component_is_called() -> None:
    span = {"span_id": "ab", "dialect": "x", "operation": "chat", "component": EVIL, "model": None,
            "counts_tokens": False, "error_type": "a\nb", "unread": ["k\n1"]}  # fmt: skip
    assert _span_line(span).isprintable()
    lines = _span_line({**span, "duration_ms": 2.0, "features": {"words": 3, "a\nb": "c\nd"}}).splitlines()
    assert len(lines) == 3
    assert lines[1:] == ["    words = 3", "    a b = c d"]


def _two_systems(home: Home) -> House:
    house = House(home, lambda: build.NOW)
    shop = build.declared()
    other = System.model_validate({**shop.model_dump(mode="json", by_alias=True), "schema": "syscard/1"})
    other = other.model_copy(update={"system": shop.system.model_copy(update={"ref": "helpdesk"})})
    with house.records() as records:
        for system in (shop, other, other.model_copy(update={"claims": ()})):
            ref = system.system.ref
            with records.transaction() as transaction:
                drafts = declaring(transaction.newest(ref)[0], system, build.HUMAN, build.NOW)
                transaction.append(ref, drafts, cause="apply", recorded=build.NOW)
    return house


def test_each_system_of_a_home_keeps_its_own_snapshots(tmp_path: Path) -> None:
    house = _two_systems(Home(tmp_path / "home").create())
    with house.records() as records:
        written = {ref: take(house, records, ref, Wish(), build.HUMAN).paths for ref in ("shop", "helpdesk")}
    assert {p.parent for p in written["shop"]} == {house.home.snapshots / "shop"}
    for ref, files in written.items():
        assert json.loads(files[1].read_text())["system"] == ref
    assert "What changed since v1" in written["helpdesk"][0].read_text()


def test_the_records_are_always_those_of_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSCARD_DATABASE", f"sqlite:///{tmp_path}/elsewhere.db")
    _two_systems(Home(tmp_path / "home").create())
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_new_home_is_its_owner_s_only_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    root = tmp_path / "a" / "home"
    Home(root).create()
    assert root.stat().st_mode & 0o777 == 0o700
    root.chmod(0o750)
    Home(root).create()
    assert root.stat().st_mode & 0o777 == 0o750
