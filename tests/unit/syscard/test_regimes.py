from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.card import Card
from syscard.errors import UsageError
from syscard.fold import fold
from syscard.holds import held
from syscard.regimes import clocks, read_regime, regime_of, regimes
from syscard.serious import REGIMES, wants_assessment
from syscard_configs import read_text
from tests.unit.build import NOW, chained, draft, opening

AWARE = datetime(2027, 12, 3, 12, tzinfo=UTC)
REACHED = ie.Impact(requests=40, of=60)


def card_of(*bodies: e.Body) -> Card:
    return fold(chained([[draft(body) for body in bodies]]), start="shop")


def serious(says: str = "yes", category: str | None = "health", aware: datetime | None = AWARE) -> ie.AssessIncident:
    body = {"number": 1, "serious": says, "regime": "eu_ai_act", "category": category, "aware": aware}
    return ie.AssessIncident.model_validate(body)


@pytest.mark.parametrize(
    ("category", "days"),
    [
        ("death", 10),
        ("health", 15),
        ("critical_infrastructure", 2),
        ("widespread_infringement", 2),
        ("fundamental_rights", 15),
        ("property_or_environment", 15),
    ],
)
def test_a_clock_runs_for_the_days_of_the_category_from_when_it_was_known(category: str, days: int) -> None:
    (clock,) = clocks(card_of(opening(), serious(category=category)), AWARE)
    assert (clock.days, clock.due, clock.late, clock.applies) == (days, AWARE + timedelta(days=days), False, True)
    assert clock.article.startswith("Art.")
    assert "Check the Regulation text" in clock.check


def test_a_clock_that_has_run_out_is_late() -> None:
    card = card_of(opening(), serious())
    assert [clocks(card, AWARE + timedelta(days=d))[0].late for d in (14, 15, 16)] == [False, False, True]


def test_before_the_duty_begins_the_clock_runs_and_says_that_it_does_not_bind_yet() -> None:
    early = datetime(2027, 12, 1, 23, 59, tzinfo=UTC)
    assert regime_of("eu_ai_act").applies_from == date(2027, 12, 2)
    (clock,) = clocks(card_of(opening(), serious(aware=early)), early)
    assert not clock.applies


@pytest.mark.parametrize("says", ["assess", "no"])
def test_what_no_human_called_serious_has_no_clock(says: str) -> None:
    assert clocks(card_of(opening(), serious(says, None, None)), AWARE) == ()


def test_the_first_due_comes_first() -> None:
    second = serious(category="death").model_copy(update={"number": 2})
    card = card_of(opening(), opening(2), serious(), second)
    assert [clock.incident for clock in clocks(card, AWARE)] == [2, 1]


def test_a_category_or_a_regime_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="eu_ai_act has death, health"):
        regime_of("eu_ai_act").category("bad luck")
    with pytest.raises(UsageError, match="there is eu_ai_act"):
        regime_of("moon_treaty")


def test_every_regime_says_where_it_is_from_and_when_that_was_checked() -> None:
    for regime in regimes().values():
        assert regime.source
        assert regime.checked <= date(2026, 12, 31)
        assert "Check the Regulation text" in regime.check
        assert len({c.id for c in regime.categories}) == len(regime.categories)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("days: 10", "days: 0"),
        ("days: calendar", "days: working"),
        ("regime: eu", "regime: E U"),
        ("id: death", "ids: x"),
    ],
)
def test_a_pack_that_is_no_regime_is_refused_in_one_line(old: str, new: str) -> None:
    text = read_text("regimes", "eu-ai-act.yaml")
    assert old in text
    with pytest.raises(UsageError, match=r"^mine\.yaml: it is no regime") as found:
        read_regime(text.replace(old, new), "mine.yaml")
    assert "\n" not in str(found.value)


def test_software_only_suggests_that_somebody_should_say_whether_it_is_serious() -> None:
    def suggests(declared: dict[str, str], *said: e.Body, **changes: Any) -> bool:
        card = card_of(opening(**changes), *said)
        raw = json.loads(card.model_dump_json())
        assert raw["incidents"]["1"].get("serious") == (said[0].model_dump(mode="json") if said else None)
        return wants_assessment({"identity": {"regimes": declared}}, raw["incidents"]["1"])

    page: dict[str, Any] = {"severity": "page", "impact": REACHED}
    assert suggests({"eu_ai_act": "applicable"}, **page)
    assert suggests({}, **page)
    assert not suggests({"eu_ai_act": "not_applicable"}, **page)
    assert not suggests({}, impact=REACHED)
    assert not suggests({}, severity="page")
    assert not suggests({}, serious("no", None, None), **page)
    assert tuple(regimes()) == REGIMES


@pytest.mark.parametrize(("says", "is_held"), [("yes", True), ("assess", True), ("no", False)])
def test_the_traces_of_what_may_be_serious_are_held_after_it_was_closed(says: str, is_held: bool) -> None:
    said = serious(says) if says == "yes" else serious(says, None, None)
    closed = e.MoveIncident(number=1, state="resolved", resolution="fixed")
    card = card_of(opening(traces=("a" * 32 + "@1",)), said, closed)
    found = held(card, (), NOW + timedelta(days=4000), timedelta(days=30))
    assert [(h.why, h.until) for h in found] == ([("INC-1 may be serious: evidence hold", None)] if is_held else [])
