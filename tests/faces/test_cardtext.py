"""Card, claim, part and incident as text."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from syscard.errors import NotOnTheCard
from syscard.render.cardtext import card_text, incident_list_text, incident_text, part_text
from syscard.render.facts import referenced
from syscard.render.why import why_text
from syscard.views import View
from syscard.words import cells


@pytest.mark.parametrize("name", ["broken", "declared"])
def test_the_card_reads_as_accepted(views: dict[str, View], as_accepted: Callable[[str, str], None], name: str) -> None:
    as_accepted(f"card-{name}.txt", card_text(views[name]))


def test_a_claim_explains_itself_as_accepted(broken: View, as_accepted: Callable[[str, str], None]) -> None:
    as_accepted("why.txt", "\n".join(why_text(broken, claim) for claim in broken["card"]["claims"]))


def test_an_incident_reads_as_accepted(broken: View, as_accepted: Callable[[str, str], None]) -> None:
    as_accepted("incident.txt", incident_text(broken, 12) + "\n" + incident_list_text(broken))


def test_a_part_reads_as_accepted(broken: View, as_accepted: Callable[[str, str], None]) -> None:
    as_accepted("parts.txt", "\n".join(part_text(broken, ref) for ref in ("vlm", "vlm->llm", "llm", "llm->agent")))


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", ["broken", "calm", "declared", "silent", "idle", "hostile"])
def test_no_text_is_wider_than_asked_or_holds_a_control_character(
    views: dict[str, View], name: str, width: int
) -> None:
    view = views[name]
    texts = [card_text(view, width), incident_list_text(view, width)]
    texts += [why_text(view, claim, width) for claim in view["card"]["claims"]]
    texts += [part_text(view, ref, width) for ref in (*view["card"]["components"], *view["card"]["interactions"])]
    texts += [incident_text(view, i["number"], width) for i in view["card"]["incidents"].values()]
    for line in "".join(texts).splitlines():
        assert cells(line) <= width
        assert line.isprintable()


def test_every_figure_that_a_claim_shows_can_be_found_by_its_evidence(broken: View) -> None:
    listed = {item["digest"] for item in referenced(broken)}
    shown = [s["evidence"] for c in broken["card"]["claims"].values() for s in c["slices"] if s["value"] is not None]
    assert None not in shown
    assert set(shown) <= listed


def test_a_claim_that_is_not_there_names_those_that_are(broken: View) -> None:
    with pytest.raises(NotOnTheCard, match="no claim 'fats' on this card; there is: grounded, sees-the-picture, fast"):
        why_text(broken, "fats")


def test_an_incident_or_part_that_is_not_there_names_those_that_are(broken: View) -> None:
    with pytest.raises(NotOnTheCard, match="no incident INC-3 on this card; there is: INC-12"):
        incident_text(broken, 3)
    with pytest.raises(NotOnTheCard, match="no part 'x' on this card; there is: cf, vlm"):
        part_text(broken, "x")


def _with_slice(view: View, **changes: Any) -> View:
    changed = copy.deepcopy(view)
    claim = changed["card"]["claims"]["sees-the-picture"]
    claim["slices"] = [{**claim["slices"][0], **changes}]
    return changed


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "unknown", "n": 40, "needs": 100, "value": None, "why": ""}, "needs n 100, has 40"),
        ({"status": "broken"}, "the whole interval must be >= 0.85; the nearer bound is 0.33"),
        ({"status": "stale"}, "new evidence within 7d"),
        ({"status": "unknown", "low": 0.8, "high": 0.9}, "the interval 0.30 [0.80, 0.90] must lie on one side of"),
        ({"status": "unknown", "value": None, "why": "nothing measures it"}, "a figure: nothing measures it"),
    ],
)
def test_a_claim_says_what_would_change_it(broken: View, changes: dict[str, Any], says: str) -> None:
    assert says in " ".join(why_text(_with_slice(broken, **changes), "sees-the-picture").split())


def test_a_groups_share_under_a_disparity_is_shown_but_not_judged(broken: View) -> None:
    view = copy.deepcopy(broken)
    group = {**view["card"]["claims"]["sees-the-picture"]["slices"][0], "slice": "age_band=16-24", "status": "unknown"}
    view["card"]["claims"]["fair-acceptance"]["slices"].append(group)
    assert "age_band=16-24: share 0.30 [0.27, 0.33], n 1,204 (shown, not" in why_text(view, "fair-acceptance")


def test_evidence_that_is_missing_from_the_card_is_said_to_be(broken: View) -> None:
    view = copy.deepcopy(broken)
    view["card"]["evidence"] = {}
    assert "is not on the card" in incident_text(view, 12)
