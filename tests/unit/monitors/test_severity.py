"""How severe a breach is: a word, or a rule over its size and how many requests it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syscard.errors import UsageError
from syscard_monitors import judge
from syscard_monitors.judge import Streak
from syscard_monitors.packs import load_packs, read_pack, signals_for
from syscard_monitors.severity import WORST_FIRST, SeverityRule
from tests.unit.build import declared
from tests.unit.monitors.build import reference, signal, window

NINE_IN_TEN = [1.0] * 90 + [0.0] * 10
BOTH = {"is": "ticket", "page": {"effect": 2, "share": 0.1}}


def severity(of: Any, values: list[Any], kind: str = "share", usual: Sequence[float] = NINE_IN_TEN) -> str:
    """Of a breach that these values continue."""
    watched = signal(kind, severity=of)
    measured = judge.measure(watched, values, reference(usual))
    return judge.verdict(watched, measured, Streak(windows=2), window(), (), 1.0)[0].severity


def test_a_word_is_the_severity_of_every_breach() -> None:
    assert [severity(word, [0.0] * 20) for word in WORST_FIRST] == [*WORST_FIRST]


def test_a_large_effect_on_many_requests_makes_it_worse() -> None:
    """Tolerance 0.1: from 0.9 down to 0.75 is one and a half times that, to 0.5 four times."""
    assert severity(BOTH, [1.0] * 15 + [0.0] * 5) == "ticket"
    assert severity(BOTH, [1.0] * 10 + [0.0] * 10) == "page"


def test_a_large_effect_on_few_requests_does_not() -> None:
    assert severity(BOTH, [0.0] * 5 + [None] * 45) == "page"
    assert severity(BOTH, [0.0] * 5 + [None] * 46) == "ticket"


def test_of_factors_what_is_above_one_is_compared_with_the_tolerance() -> None:
    """Tolerance 1.5: twice as slow is two tolerances."""
    assert severity(BOTH, [190.0] * 20, "latency", [100.0] * 100) == "ticket"
    assert severity(BOTH, [200.0] * 20, "latency", [100.0] * 100) == "page"


def test_what_has_no_verdict_has_the_severity_that_the_rule_begins_with() -> None:
    assert severity(BOTH, [None] * 20) == "ticket"


@given(
    effects=st.tuples(st.floats(0, 100), st.floats(0, 100)),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    steps=st.tuples(st.floats(1.01, 50), st.floats(0.01, 1)),
)
def test_a_larger_breach_of_more_requests_is_never_milder(
    effects: tuple[float, float], shares: tuple[float, float], steps: tuple[float, float]
) -> None:
    rule = SeverityRule.model_validate(
        {"is": "note", "ticket": {"share": steps[1]}, "page": {"effect": steps[0], "share": steps[1]}}
    )
    small, large = (rule.of(choose(effects), choose(shares)) for choose in (min, max))
    assert WORST_FIRST.index(large) <= WORST_FIRST.index(small)


def test_a_rule_reads_as_a_sentence() -> None:
    rule = SeverityRule.model_validate(BOTH)
    assert rule.words == "ticket; page from 2 times the tolerance on, with a value in 10% of the requests"
    assert SeverityRule.model_validate({"is": "page"}).words == "page"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("loud", "severity.is: input should be 'page', 'ticket' or 'note'"),
        ("{page: {effect: 2}}", "severity.is: field required"),
        ("{is: ticket, page: {effect: 0.5}}", "severity.page.effect: input should be greater than 1"),
        ("{is: ticket, page: {share: 10}}", "severity.page.share: input should be less than or equal to 1"),
        ("{is: ticket, page: {}}", "severity.page: say from which effect"),
        ("{is: page, ticket: {effect: 2}}", "severity: ticket is no worse than is: page"),
        ("{is: ticket, pages: {effect: 2}}", "severity.pages: extra inputs are not permitted"),
        ("[page]", "severity: write a word, or a rule such as {is: ticket,"),
    ],
)
def test_a_rule_that_is_none_is_refused_in_one_line_that_says_where(said: str, fault: str) -> None:
    text = f"{{pack: x, signals: [{{name: a, label: a, expr: a, kind: rate, tolerance: 1, severity: {said}}}]}}"
    with pytest.raises(UsageError) as caught:
        read_pack(text, "p.yaml")
    assert str(caught.value).startswith(f"p.yaml: signals.0.{fault}")
    assert "\n" not in str(caught.value)


def test_a_pack_s_default_may_be_a_rule_and_a_system_tunes_it_to_a_word(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        """
pack: mine
defaults: {severity: {is: ticket, page: {effect: 3}}}
signals: [{name: own, label: own, expr: "{c}.own", kind: rate, tolerance: 0.1}]
"""
    )
    system = declared(monitors={"packs": ["mine"], "tune": {"vlm.own": {"severity": "note"}}})
    found = {s.key: s.severity.words for s in signals_for(system, load_packs(["mine"], tmp_path))}
    assert (found["llm.own"], found["vlm.own"]) == ("ticket; page from 3 times the tolerance on", "note")


@pytest.mark.parametrize(
    "ticket", [{"effect": 2}, {"effect": 5}, {"effect": 3, "share": 0.1}], ids=["alike", "beyond", "narrower"]
)
def test_a_ticket_that_is_always_a_page_already_is_refused(ticket: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="whatever is a ticket is a page already"):
        SeverityRule.model_validate({"is": "note", "page": {"effect": 2}, "ticket": ticket})
