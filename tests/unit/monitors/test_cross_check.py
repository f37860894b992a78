"""Another library beside ours: what is made of its answer, and of one that hangs, fails or is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syscard.attribution import Attribution
from syscard.errors import MissingExtra, MonitorError
from syscard.system import SYSTEM
from syscard_monitors.attribution import attribute
from syscard_monitors.attribution.causal import Answer
from syscard_monitors.attribution.question import Question, question_of
from syscard_monitors.cross_check import beside, cross_check, needed
from tests.unit.monitors.attribution.build import SLOW, table


@pytest.fixture(scope="module")
def asked() -> Question:
    found = question_of(table(reads=-1.2), [SLOW])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def found() -> Attribution:
    return attribute(table(reads=-1.2), [SLOW])


def said(asked: Question, *changed: str, **values: float) -> Answer:
    return Answer(engine="DoWhy 0.14", values={**dict.fromkeys(asked.parts, 0.0), **values}, changed=changed)


def test_a_part_has_the_sum_of_its_signals_as_a_share_of_the_whole(asked: Question, found: Attribution) -> None:
    check = beside(found, asked, said(asked, "reads", reads=0.15, grounded=0.06, declines=-0.01))
    told = {p.part: p for p in check.parts}
    assert (told["vlm"].dowhy, told["llm"].dowhy, told["cf"].dowhy) == (0.75, 0.25, 0)
    assert (told["vlm"].ours, told["llm"].ours) == ("changed itself", "inherited")
    assert told["vlm"].share is not None
    assert (told["vlm"].changed, told["llm"].changed) == (True, False)
    assert (check.total, check.says, check.of) == (0.2, "fast enough", "misses")
    assert (check.signals, check.rows_before, check.rows_now) == (6, 1_000, 600)
    assert not any("->" in part for part in told)


def test_both_agree_where_they_name_the_same_part_first(asked: Question, found: Attribution) -> None:
    assert beside(found, asked, said(asked, "reads", reads=0.2)).agrees is True
    other = beside(found, asked, said(asked, "reads", "grounded", reads=0.1, grounded=0.2))
    assert (other.first, other.agrees) == ("llm", False)


def test_a_part_without_a_changed_mechanism_is_not_named_however_much_it_adds(
    asked: Question, found: Attribution
) -> None:
    assert beside(found, asked, said(asked, "reads", reads=0.01, score=0.4)).first == "vlm"
    nobody = beside(found, asked, said(asked, score=0.4))
    assert (nobody.first, nobody.agrees) == (None, False)
    assert beside(found.model_copy(update={"first": None}), asked, said(asked)).agrees is True


def test_of_a_fall_the_first_is_who_lowers_it_most(asked: Question, found: Attribution) -> None:
    check = beside(found, asked, said(asked, "reads", "score", reads=-0.3, score=0.1))
    assert (check.first, check.total) == ("vlm", -0.2)


def test_where_nothing_is_shared_out_no_part_has_a_share(asked: Question, found: Attribution) -> None:
    check = beside(found, asked, said(asked, "reads"))
    assert {p.dowhy for p in check.parts} == {None}
    assert check.first is None


def test_what_stands_for_the_whole_is_listed_and_never_named(asked: Question, found: Attribution) -> None:
    whole = asked.model_copy(update={"parts": {**asked.parts, "wait": SYSTEM}})
    check = beside(found, whole, said(whole, "wait", wait=0.2))
    assert (check.first, check.parts[-1].part, check.parts[-1].ours, check.parts[-1].dowhy) == (None, SYSTEM, None, 1)


def test_of_a_part_that_was_not_asked_about_nobody_knows_whether_they_agree(
    asked: Question, found: Attribution
) -> None:
    other = found.model_copy(update={"first": "tool"})
    assert beside(other, asked, said(asked, "reads", reads=0.2)).agrees is None


def test_without_the_library_it_is_one_line_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, asked: Question, found: Attribution
) -> None:
    monkeypatch.setitem(sys.modules, "dowhy", None)
    for refused in (needed, lambda: cross_check(found, asked)):
        with pytest.raises(MissingExtra) as error:
            refused()
        assert str(error.value) == "--check dowhy needs the extra 'causal': pip install 'syscard[causal]'"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import time; time.sleep(600)", "no answer within 4 s"),
        ("raise RuntimeError('of another\\nNumPy')", "DoWhy failed: RuntimeError: of another NumPy"),
        ("import os; os._exit(1)", "ended without an answer"),
        ("import networkless", "DoWhy failed: No module named 'networkless'"),
        (
            "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
            "DoWhy failed: PermissionError",
        ),
    ],
)
def test_a_library_that_hangs_fails_dies_or_calls_home_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Question, found: Attribution, source: str, words: str
) -> None:
    package = tmp_path / "dowhy"
    package.mkdir()
    (package / "__init__.py").write_text(source + "\n", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "dowhy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MonitorError) as failed:
        cross_check(found, asked, deadline_s=4 if "sleep" in source else 60)
    assert words in str(failed.value)
    assert "\n" not in str(failed.value)


class TestWhereItIsInstalled:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("dowhy", reason="the extra [causal] is not installed")

    def test_it_names_the_part_that_was_changed_and_says_so_again(self) -> None:
        small = table(reads=-2.0, n=200, before=200)
        asked = question_of(small, [SLOW])
        assert asked is not None
        ours = attribute(small, [SLOW])
        one, two = (cross_check(ours, asked) for _ in range(2))
        assert one == two
        assert one.engine.startswith("DoWhy 0.14")
        assert (one.first, one.agrees) == ("vlm", True)
        assert one.total == pytest.approx(one.change, abs=0.15)
