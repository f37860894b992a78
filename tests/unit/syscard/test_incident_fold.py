from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.attribution import Attribution
from syscard.card import Card, Incident
from syscard.fold import fold
from syscard.incident_states import LIVE_STATES
from tests.unit.build import HUMAN, NOW, chained, draft, evidence, member, opening, silence

SHA = "a" * 64


def card_of(*bodies: e.Body, author: e.Author = HUMAN) -> Card:
    return fold(chained([(draft(b, minute=i, author=author),) for i, b in enumerate(bodies)]), start="shop")


def first(*bodies: e.Body) -> Incident:
    return card_of(opening(), *bodies).incidents[1]


def moved(state: str, **changes: object) -> e.MoveIncident:
    return e.MoveIncident.model_validate({"number": 1, "state": state, **changes})


def test_an_incident_of_an_earlier_release_says_what_it_said() -> None:
    """Its digest must not change, so none of the newer fields may be among its values."""
    said = {
        "kind", "number", "fingerprint", "group", "subject", "severity", "title", "since", "findings", "inherited_by",
        "unchanged", "traces", "note", "unknowns", "do_first",
    }  # fmt: skip
    assert opening().model_dump(mode="json").keys() == said
    assert moved("resolved").model_dump(mode="json").keys() == {"kind", "number", "state", "resolution"}
    on_card = first(moved("acknowledged"), moved("resolved", resolution="fixed")).model_dump(mode="json")
    assert on_card.keys() == said - {"kind"} | {
        "state", "opened", "resolved", "resolution", "acknowledged_by", "events",
    }  # fmt: skip
    assert "silences" not in card_of(opening()).model_dump(mode="json")


def test_an_incident_under_a_silence_opens_suppressed_and_waits_for_nobody() -> None:
    incident = card_of(opening(silence="S-1")).incidents[1]
    assert (incident.state, incident.silence, incident.is_open, incident.is_live) == ("suppressed", "S-1", False, True)


def test_what_comes_back_from_a_silence_has_none_and_says_why() -> None:
    incident = card_of(opening(silence="S-1"), moved("open", why="the silence ended")).incidents[1]
    assert (incident.state, incident.silence, incident.events[-1].what) == ("open", None, "open: the silence ended")


def test_an_accepted_risk_has_an_end_and_who_accepted_it() -> None:
    incident = first(moved("accepted_risk", until=NOW + timedelta(days=3), approver="lead"))
    assert (incident.state, incident.accepted_by, incident.is_open) == ("accepted_risk", "lead", False)
    assert incident.accepted_until == NOW + timedelta(days=3)
    assert incident.events[-1].what == "accepted_risk until 2026-11-25 14:00 UTC by lead"


def test_what_breaks_again_is_the_same_incident_with_the_newer_figures_and_nobody_has_it() -> None:
    again = member("llm.grounded", "b" * 64)
    incident = first(
        moved("acknowledged"),
        moved("resolved", resolution="self_cleared"),
        e.ReopenIncident(
            number=1, since=NOW + timedelta(hours=1), severity="page", findings=(again, member("llm.words"))
        ),
    )
    assert (incident.state, incident.severity, incident.acknowledged_by) == ("open", "page", None)
    assert (incident.resolved, incident.resolution, incident.since) == (None, None, NOW + timedelta(hours=1))
    assert [(f.key, f.evidence[:1]) for f in incident.findings] == [("llm.grounded", "b"), ("llm.words", "0")]
    assert [event.what for event in incident.events][-1] == "reopened: the same broke again"


def test_what_breaks_again_is_attributed_anew() -> None:
    found = Attribution(first="llm", n_before=2_000, n_now=1_000, method="conditional test")
    attributed = ie.AttributeIncident(number=1, attribution=found, evidence="a" * 64)
    assert first(attributed, moved("resolved"), moved("open", text_sha256=SHA)).attribution == found
    again = e.ReopenIncident(number=1, since=NOW, severity="page", findings=(member("llm.words"),))
    incident = first(attributed, moved("resolved", resolution="self_cleared"), again)
    assert (incident.attribution, incident.attributed_by) == (None, None)


def test_a_human_who_reopens_takes_back_the_resolution() -> None:
    incident = first(moved("resolved", resolution="fixed"), moved("open", text_sha256=SHA))
    assert (incident.state, incident.resolved, incident.resolution) == ("open", None, None)
    assert (incident.events[-1].what, incident.events[-1].text_sha256) == ("reopened", SHA)


def test_what_is_merged_leaves_its_findings_and_its_severity_with_the_other() -> None:
    card = card_of(
        opening(1, "vlm"),
        opening(2, "llm", severity="page", findings=(member("llm.grounded"), member("vlm.grounded"))),
        ie.MergeIncident(number=2, into=1),
    )
    into, source = card.incidents[1], card.incidents[2]
    assert [f.key for f in into.findings] == ["vlm.grounded", "llm.grounded"]
    assert (into.severity, into.merged, into.inherited_by) == ("page", (2,), ("llm",))
    assert (source.state, source.merged_into, source.is_live) == ("merged", 1, False)
    assert [i.events[-1].what for i in (into, source)] == ["INC-2 was merged into it", "merged into INC-1"]


def test_the_evidence_of_what_was_merged_stays_with_the_other() -> None:
    figure = draft(evidence())
    second = opening(2, findings=(member("llm.words", figure.digest),))
    batches = [(figure,), (draft(opening()), draft(second)), (draft(ie.MergeIncident(number=2, into=1)),)]
    assert figure.digest in fold(chained(batches), start="shop").evidence


def test_an_incident_is_not_merged_into_itself() -> None:
    with pytest.raises(ValidationError, match="not into itself"):
        ie.MergeIncident(number=1, into=1)


def test_a_human_raises_a_severity_and_takes_back_only_what_he_raised() -> None:
    up, down = (ie.SetSeverity(number=1, severity=s, text_sha256=SHA) for s in ("page", "ticket"))
    raised = first(up)
    assert (raised.severity, raised.floor, raised.least_severity) == ("page", "ticket", "ticket")
    back = first(up, down)
    assert (back.severity, back.floor) == ("ticket", None)
    worse = e.ExtendIncident(number=1, findings=(), severity="page")
    assert first(up, worse, down).severity == "page"


def test_what_gets_worse_is_on_the_timeline() -> None:
    incident = first(e.ExtendIncident(number=1, findings=(), severity="page"))
    assert (incident.severity, incident.events[-1].what) == ("page", "got worse: page")


def test_how_far_it_reaches_is_a_figure_and_no_event() -> None:
    reach = ie.Impact(requests=40, of=60, groups=(ie.GroupReached(segment="age_band", group="18-24", requests=9),))
    incident = first(ie.ImpactIncident(number=1, impact=reach, gathered=7))
    assert (incident.impact, incident.gathered, len(incident.events)) == (reach, 7, 1)


def test_who_has_it_and_what_was_written_of_it_stand_on_the_incident() -> None:
    incident = first(
        ie.AssignIncident(number=1, owner=" mara "),
        ie.HoldIncident(number=1, transitions=4),
        ie.AttachPostmortem(number=1, sha256=SHA, name="inc-1.md"),
    )
    assert (incident.owner, incident.flapping, incident.postmortems) == ("mara", True, (SHA,))
    assert [event.what for event in incident.events[1:]] == [
        "assigned to mara",
        "held open: it came and went 4 times within an hour",
        f"postmortem inc-1.md ({SHA[:12]})",
    ]
    assert not first(ie.HoldIncident(number=1, transitions=4), moved("resolved")).flapping


def test_only_a_human_s_word_makes_an_incident_serious_and_the_last_one_counts() -> None:
    yes = ie.AssessIncident(number=1, serious="yes", regime="eu_ai_act", category="death", aware=NOW)
    incident = first(ie.AssessIncident(number=1, serious="assess", regime="eu_ai_act"), yes)
    assert incident.serious == yes
    assert [event.what for event in incident.events[1:]] == [
        "whether it is serious is being assessed (eu_ai_act)",
        "serious (eu_ai_act, death, known since 2026-11-22 14:00 UTC)",
    ]


def test_serious_without_category_or_time_is_refused() -> None:
    for missing in ({"category": "death"}, {"aware": NOW}):
        with pytest.raises(ValidationError, match="a category, and a time"):
            ie.AssessIncident.model_validate({"number": 1, "serious": "yes", "regime": "eu_ai_act", **missing})


def test_a_silence_holds_from_its_start_until_its_end_or_until_it_is_ended() -> None:
    known = card_of(silence()).silences["S-1"]
    times = [NOW + timedelta(hours=h) for h in (-0.1, 0, 1.9, 2)]
    assert [known.holds(at) for at in times] == [False, True, True, False]
    ended = card_of(silence(), ie.EndSilence(id="S-1")).silences["S-1"]
    assert [ended.holds(at) for at in times] == [False] * 4
    assert ended.author == "human:mara"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hours": 0}, "at most 90 days"),
        ({"hours": -1}, "at most 90 days"),
        ({"hours": 24 * 91}, "at most 90 days"),
        ({"matcher": ie.Matcher()}, "declare maintenance"),
        ({"ref": "S-0"}, "pattern"),
    ],
)
def test_a_silence_without_an_end_or_about_everything_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        silence(**changes)  # type: ignore[arg-type]


def test_maintenance_may_be_of_the_whole_system() -> None:
    assert silence(matcher=ie.Matcher(), maintenance=True).matcher.words == "everything"
    assert silence(matcher=ie.Matcher(about="vlm", signal="agrees")).matcher.words == "about=vlm, signal=agrees"


def test_live_is_what_may_still_take_findings() -> None:
    assert LIVE_STATES == ("open", "acknowledged", "mitigating", "suppressed", "accepted_risk")
