"""Who changed, from spans to the faces: recorded faults behind a baseline of a thousand recorded requests."""

from __future__ import annotations

import shutil
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from syscard.card import Card
from syscard.clock import ReplayClock
from syscard.digest import canonical
from syscard.edits import Draft, SetBaseline
from syscard.home import Home
from syscard.incident_edits import AttributeIncident
from syscard_monitors.attributing import NO_ROWS
from syscard_tui.wiring import House
from tests.functional.helpers import REF, syscard, times
from tests.functional.test_determinism import COMPLETE, moment, stretches
from tests.functional.test_killed import HUMAN, Unasked, look, said, taken_in, with_baseline

pytestmark = [pytest.mark.xdist_group("attribution"), pytest.mark.endurance]
BASELINE, FAULTY = 1_000, 120


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose baseline is set. Nothing may change it."""
    normal, _ = stretches(before=BASELINE)
    return with_baseline(tmp_path_factory.mktemp("attribution") / "home", normal).home.root


def behind(baseline: Path, folder: Path, fault: str, requests: int = FAULTY) -> tuple[House, datetime]:
    """A copy of a home, in which a fault came that nobody has looked at; and the time at which it is over."""
    home = Home(Path(shutil.copytree(baseline, folder)))
    _, faulty = stretches(fault, requests, BASELINE)
    end = moment(times(faulty)[1]) + COMPLETE
    house = House(home, ReplayClock(end))
    return house, taken_in(house, faulty)


def looked_at(house: House) -> Card:
    with house.records() as records:
        house.watcher(records, Unasked()).tick(REF)
        return records.card(REF)


def first_of(card: Card) -> Any:
    """The incident that has most findings."""
    return max(card.incidents.values(), key=lambda i: len(i.findings))


@pytest.mark.parametrize(
    ("fault", "part", "requests"),
    [("blurred-pictures", "vlm", FAULTY), ("tool-loop", "agent", 2 * FAULTY)],  # by order a loop opens as the called's
)
def test_an_incident_names_the_part_that_changed_itself_on_evidence(
    baseline: Path, tmp_path: Path, fault: str, part: str, requests: int
) -> None:
    house, _ = behind(baseline, tmp_path / "home", fault, requests)
    card = looked_at(house)
    incident = first_of(card)
    found = incident.attribution
    assert (incident.subject, found.first.removeprefix("inputs of ")) == (part, part)
    assert next(p.verdict for p in found.parts if p.part == found.first) == "changed itself"
    evidence = card.evidence[incident.attributed_by]
    assert evidence.figure.metric == f"change of {found.first} given what reaches it"
    listed = syscard("--home", house.home.root, "incident", "list", "--json").document
    (document,) = [i for i in listed if i["number"] == incident.number]
    assert document["attribution"]["method"] == found.method != "order"
    assert document["attribution"]["first_changed"] == part
    shown = syscard("--home", house.home.root, "incident", "show", incident.number).out
    assert "WHO CHANGED" in shown
    assert f"{found.first} changed itself" in " ".join(shown.replace(" (", "  (").split())


def test_a_baseline_of_an_earlier_release_cannot_tell_and_says_what_to_do(baseline: Path, tmp_path: Path) -> None:
    house, _ = behind(baseline, tmp_path / "home", "blurred-pictures")
    with house.records() as records:
        (kept,) = [e.draft.body for e in records.edits(REF) if isinstance(e.draft.body, SetBaseline)]
        values = {k: v for k, v in records.baseline_data(kept.data_digest).items() if k != "joint"}
        with records.transaction() as transaction:
            older = kept.model_copy(update={"data_digest": transaction.add_baseline(REF, canonical(values))})
            now = house.clock()
            transaction.append(REF, [Draft(body=older, author=HUMAN, observed=now)], cause="older", recorded=now)
    incident = first_of(looked_at(house))
    assert incident.attribution.lowered_by == (NO_ROWS,)
    listed = syscard("--home", house.home.root, "incident", "list", "--json").document
    assert {i["attribution"]["method"] for i in listed} == {"order"}
    shown = syscard("--home", house.home.root, "incident", "show", incident.number).out
    assert "set it anew with syscard baseline set" in " ".join(shown.split())


def test_killed_between_windows_it_attributes_as_in_one_go(baseline: Path, tmp_path: Path) -> None:
    straight, end = behind(baseline, tmp_path / "straight", "blurred-pictures")
    assert look(straight, end) == 0
    killed, end = behind(baseline, tmp_path / "killed", "blurred-pictures")
    for number in (1, 2):
        assert look(killed, end, "behind", number) == -signal.SIGKILL
    assert look(killed, end) == 0
    assert said(killed) == said(straight)
    with straight.records() as records:
        assert any(isinstance(e.draft.body, AttributeIncident) for e in records.edits(REF))
