"""Everything that people can do to an incident, on a home with real ones; each is an edit in the chain."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.functional.helpers import Ran, syscard


@pytest.fixture
def incident(demo_home: Path) -> Any:
    """`syscard incident ...` on a copy of the demo's home, whose INC-5 is open and whose others are resolved."""

    def run(*arguments: object) -> Ran:
        return syscard("--home", demo_home, "incident", *arguments)

    return run


def done(ran: Ran) -> str:
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out


def refused(ran: Ran, *words: str) -> None:
    assert (ran.code, ran.out) == (2, ""), ran
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    for word in words:
        assert word in ran.err


def state(incident: Any, number: int = 5) -> str:
    return str(incident("show", number, "--json").document["state"])


def test_the_way_of_an_incident_from_who_has_it_to_the_closed_book(incident: Any, tmp_path: Path) -> None:
    assert "assigned to mara" in done(incident("assign", 5, "mara"))
    assert "mitigating" in done(incident("mitigate", 5, "--reason", "rolled back the prompt"))
    assert "rolled back the prompt" in done(incident("show", 5))
    done(incident("resolve", 5, "--as", "rolled_back"))
    refused(incident("mitigate", 5), "INC-5 is resolved already", "reviewed")
    refused(incident("reopen", 5, "--reason", " "), "--reason is empty")
    assert "open" in done(incident("reopen", 5, "--reason", "it is back"))
    done(incident("severity", 5, "page", "--reason", "shoppers complain"))
    done(incident("resolve", 5))
    refused(incident("review", 5), "INC-5 paged", "--attach", "--reason")
    draft = tmp_path / "inc-5.md"
    assert str(draft) in done(incident("postmortem", 5, "--out", draft))
    refused(incident("postmortem", 5, "--out", draft), "not there yet")
    assert "(to be written)" in draft.read_text("utf-8")
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    assert digest[:12] in done(incident("postmortem", 5, "--attach", draft))
    assert "reviewed" in done(incident("review", 5))
    shown = incident("show", 5, "--json").document
    assert (shown["state"], shown["severity"], shown["owner"]) == ("reviewed", "page", "mara")
    assert shown["postmortems"] == [digest]
    assert {event["author"].split(":")[0] for event in shown["events"][1:]} <= {"human", "monitor"}
    assert "reopened" in draft.read_text("utf-8")


def test_a_severity_is_raised_by_hand_and_never_set_below_what_monitors_found(incident: Any) -> None:
    found = incident("show", 5, "--json").document["severity"]
    refused(incident("severity", 5, "note", "--reason", "too loud"), f"monitors found a {found}", "nobody lowers that")
    refused(incident("severity", 5, "panic", "--reason", "x"), "'panic' is no severity")
    refused(incident("severity", 5, "page", "--reason", "  "), "--reason is empty")
    assert incident("show", 5, "--json").document["severity"] == found
    done(incident("severity", 5, "page", "--reason", "shoppers complain"))
    assert incident("show", 5, "--json").document["severity"] == "page"


def test_a_silence_keeps_an_incident_quiet_until_it_is_ended(incident: Any) -> None:
    subject = incident("show", 5, "--json").document["subject"]
    assert "1 open now" in done(incident("silence", "subject=" + subject, "--for", "2h", "--reason", "known camera"))
    assert state(incident) == "suppressed"
    assert "silenced" in done(incident("show", 5))
    (told,) = incident("silences", "--json").document
    assert (told["id"], told["state"], told["reason"], told["matcher"]) == (
        "S-1", "holds", "known camera", {"subject": subject},
    )  # fmt: skip
    assert "known camera" in done(incident("silences"))
    refused(incident("unsilence", "S-9"), "no silence S-9", "S-1")
    done(incident("unsilence", "s-1"))
    refused(incident("unsilence", "S-1"), "over already")
    assert state(incident) == "open"
    assert incident("silences", "--json").document[0]["state"] == "over"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("silence", "vlm", "--for", "2h", "--reason", "x"), "write about=vlm"),
        (("silence", "colour=red", "--for", "2h", "--reason", "x"), "write about=vlm"),
        (("silence", "", "--for", "2h", "--reason", "x"), "says what it is about"),
        (("silence", "about=vlm", "--for", "91d", "--reason", "x"), "at most 90 days"),
        (("silence", "about=vlm", "--for", "2020-01-01", "--reason", "x"), "at most 90 days"),
        (("silence", "about=vlm", "--for", "soon", "--reason", "x"), "'soon' is no time"),
        (("silence", "about=vlm", "--for", "2h", "--reason", " "), "--reason is empty"),
        (("maintenance", "--from", "2020-01-01", "--to", "2020-01-02", "--reason", "x"), "it has passed"),
        (("accept", "5", "--until", "2020-01-01", "--reason", "x"), "it has passed"),
        (("merge", "5", "5"), "not into itself"),
        (("merge", "5", "1"), "INC-1 is resolved"),
        (("merge", "5", "77"), "no INC-77"),
        (("serious", "5", "--as", "yes"), "a category, and a time"),
        (("serious", "5", "--as", "perhaps"), "write assess, no or yes"),
        (("serious", "5", "--as", "yes", "--category", "fun", "--aware", "2026-01-01"), "has death, health"),
        (("serious", "5", "--as", "yes", "--category", "death", "--aware", "2999-01-01"), "it has not come yet"),
        (("serious", "5", "--as", "no", "--regime", "moon"), "there is eu_ai_act"),
        (("list", "--severity", "panic"), "write page, ticket or note"),
        (("silence", "about=vlm", "--reason", "x"), "incident silence: missing option '--for' (How long: 2h, 3d"),
        (("silence", "about=vlm", "--for", "2h"), "'--reason' (Why, in words): see: syscard incident silence --help"),
        (("silence", "--for", "2h", "--reason", "x"), "missing argument 'match'"),
        (("maintenance", "--reason", "x"), "incident maintenance: missing option '--to'"),
        (("accept", "5", "--reason", "x"), "incident accept: missing option '--until' (Until when: 30d"),
        (("accept", "5", "--until", "30d"), "missing option '--reason'"),
        (("reopen", "5"), "incident reopen: missing option '--reason'"),
        (("severity", "5", "page"), "missing option '--reason'"),
        (("serious", "5"), "missing option '--as'"),
        (("ack",), "incident ack: missing argument 'INC' (INC-3 or 3)"),
        (("postmortem", "77"), "no INC-77"),
        (("postmortem", "5", "--attach", "/nowhere/at/all"), "name the file"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_one_line_and_writes_nothing(
    incident: Any, arguments: tuple[str, ...], says: str
) -> None:
    before = incident("show", 5, "--json").document
    refused(incident(*arguments), says)
    assert incident("show", 5, "--json").document == before
    assert incident("silences", "--json").document == []


def test_maintenance_of_the_whole_system_is_declared_ahead_and_waits(incident: Any) -> None:
    done(incident("maintenance", "--from", "2999-01-01T00:00", "--to", "2h", "--reason", "new rack"))
    assert state(incident) == "open"
    (told,) = incident("silences", "--json").document
    assert (told["state"], told["maintenance"], told["matcher"]) == ("waits", True, {})
    assert "maintenance of the whole system" in done(incident("silences"))


def test_an_accepted_risk_says_until_when_and_by_whom(incident: Any) -> None:
    assert "by lead" in done(incident("accept", 5, "--until", "30d", "--reason", "known", "--approver", "lead"))
    assert "ACCEPTED RISK" in done(incident("show", 5))
    assert "5" not in {str(i["number"]) for i in incident("list", "--json", "--severity", "note").document}
    assert [i["number"] for i in incident("list", "--open", "--json").document] == [5]


def test_a_clock_runs_from_a_human_s_word_only(incident: Any) -> None:
    assert incident("clocks", "--json").document == []
    done(incident("serious", 5, "--as", "assess"))
    assert incident("clocks", "--json").document == []
    said = done(incident("serious", 5, "--as", "yes", "--category", "death", "--aware", "2025-01-01T12:00"))
    assert "Check the Regulation text" in said
    (clock,) = incident("clocks", "--json").document
    assert (clock["incident"], clock["due"]) == (5, "2025-01-11T12:00:00Z")
    assert (clock["late"], clock["applies"]) == (True, False)
    assert "LATE 2025-01-11 12:00 UTC" in done(incident("clocks"))


def test_a_rule_s_record_grows_with_what_people_judge(incident: Any) -> None:
    before = incident("rules", "--json").document
    assert all(rule["judged"] == 0 and rule["precision"] is None for rule in before)
    done(incident("false-positive", 5, "--reason", "a test of ours"))
    key = incident("show", 5, "--json").document["findings"][0]["key"]
    (rule,) = (r for r in incident("rules", "--json").document if r["rule"] == key)
    assert (rule["false_alarms"], rule["precision"]) == (1, 0.0)
    assert f"rule {key}: 0 of 1 judged incident were real" in " ".join(done(incident("show", 5)).split())


def test_every_step_is_in_the_chain_and_the_card_holds(incident: Any, demo_home: Path) -> None:
    done(incident("silence", "about=nothing", "--for", "2h", "--reason", "x"))
    done(incident("assign", 5, "mara"))
    done(incident("serious", 5, "--as", "no"))
    assert "verified: ok" in done(syscard("--home", demo_home, "card", "verify"))
    history = done(syscard("--home", demo_home, "card", "history"))
    for cause in ("silence", "assigned 5", "serious 5"):
        assert cause in history


def test_candidates_are_listed_on_request(incident: Any) -> None:
    assert "candidate" not in done(incident("list"))
    assert "candidate" in done(incident("list", "--all"))


@pytest.mark.parametrize("command", ["silences", "clocks", "rules"])
def test_every_document_is_described(incident: Any, command: str) -> None:
    done(incident("silence", "about=nothing", "--for", "2h", "--reason", "x"))
    done(incident("serious", 5, "--as", "yes", "--category", "health", "--aware", "2025-01-01"))
    (entry, *_) = incident(command, "--json").document
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text("utf-8")
    said = text.split(f"## `incident {command}`")[1].split("\n## ")[0]
    assert [key for key in entry if f"`{key}`" not in said] == []
