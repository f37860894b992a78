"""What goes to an Alertmanager fits its OpenAPI document (v2, `postableAlerts`)."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.notify.alertmanager import ENDED_LATELY, MOST, RESOLVES_AFTER, alerts, over
from tests.unit.build import NOW, member
from tests.unit.monitors.test_notify_deciding import incident

LABEL_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")


def valid(body: Any) -> None:
    """The rules of `postableAlerts`: `labels` required, label sets of strings, times in RFC 3339, a URI."""
    assert isinstance(body, list)
    for alert in body:
        assert set(alert) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
        assert alert["labels"]["alertname"]
        for labels in (alert["labels"], alert.get("annotations", {})):
            assert all(LABEL_NAME.match(k) and isinstance(v, str) for k, v in labels.items())
        starts, ends = (datetime.fromisoformat(alert[key]) for key in ("startsAt", "endsAt"))
        assert starts.tzinfo
        assert ends.tzinfo
        assert starts <= ends  # Alertmanager refuses an alert that ends before it starts
        assert urlsplit(alert["generatorURL"]).scheme


def test_an_open_incident_is_an_alert_that_ends_unless_it_is_sent_again() -> None:
    (alert,) = alerts("shop", [incident(3)], NOW, {})
    valid([alert])
    assert alert["labels"] == {
        "alertname": "syscard_incident", "system": "shop", "incident": "INC-3", "began_on": "llm", "severity": "page"
    }  # fmt: skip
    assert datetime.fromisoformat(alert["startsAt"]) == NOW
    assert datetime.fromisoformat(alert["endsAt"]) == NOW + RESOLVES_AFTER
    assert "roll" not in json.dumps(alert["labels"])


def test_its_labels_stay_the_same_while_it_is_acknowledged_and_when_it_is_over() -> None:
    """An Alertmanager tells alerts apart by their labels: one that changed would be another alert."""
    states = ("open", "acknowledged", "mitigating", "resolved")
    made = [alerts("shop", [incident(3, state=s)], NOW, {3: NOW} if s == "resolved" else {}) for s in states]
    assert len({json.dumps(alert["labels"], sort_keys=True) for (alert,) in made}) == 1


def test_naming_it_anew_changes_no_label() -> None:
    (before,), (after,) = (
        alerts("shop", [incident(3).model_copy(update={"subject": ref, "findings": (member(),)})], NOW, {})
        for ref in ("llm", "agent")
    )
    assert before["labels"] == after["labels"]
    assert (before["annotations"]["subject"], after["annotations"]["subject"]) == ("llm", "agent")


def test_the_risk_it_began_with_is_a_label_and_what_joins_later_changes_none() -> None:
    conflict = member("vlm.conflict").model_copy(update={"risk": "IR-04"})
    began = incident(3).model_copy(update={"findings": (conflict,)})
    grown = incident(3).model_copy(update={"findings": (conflict, member().model_copy(update={"risk": "IR-09"}))})
    labels = [alerts("shop", [one], NOW, {})[0]["labels"] for one in (began, grown)]
    assert labels[0] == labels[1]
    assert labels[0]["risk"] == "IR-04"


def test_one_that_is_over_is_sent_with_its_end_for_a_while() -> None:
    ended = {3: NOW + timedelta(minutes=1)}
    (alert,) = alerts("shop", [incident(3, state="resolved")], NOW + timedelta(minutes=2), ended)
    valid([alert])
    assert datetime.fromisoformat(alert["endsAt"]) == ended[3]
    assert alerts("shop", [incident(3, state="resolved")], ended[3] + ENDED_LATELY, ended) == []
    assert alerts("shop", [incident(3, state="resolved")], NOW, {}) == []


def test_what_is_silenced_has_not_begun_or_joined_another_is_no_alert() -> None:
    for state in ("suppressed", "candidate", "merged"):
        assert alerts("shop", [incident(3, state=state)], NOW, {}) == []
        assert not over(incident(3, state=state))
    assert over(incident(3, state="resolved"))


def test_an_edge_is_written_as_the_card_writes_it() -> None:
    edge = incident(1).model_copy(update={"subject": "vlm->llm"})
    (alert,) = alerts("shop", [edge], NOW, {})
    assert alert["annotations"]["subject"] == "vlm->llm"


def test_a_clock_before_the_incident_does_not_make_it_end_before_it_starts() -> None:
    early = NOW - timedelta(days=1)
    (alert,) = alerts("shop", [incident(1)], early, {1: early})
    valid([alert])
    assert datetime.fromisoformat(alert["startsAt"]) == datetime.fromisoformat(alert["endsAt"]) == early


@given(text=st.text(max_size=3000), count=st.integers(0, 3))
def test_whatever_a_card_says_the_alerts_are_valid_json_of_that_form(text: str, count: int) -> None:
    changes: dict[str, Any] = {"title": text, "subject": text[:99], "note": (text,), "severity": text[:9]}
    made = alerts("shop", [incident(n).model_copy(update=changes) for n in range(count)], NOW, {})
    valid(json.loads(json.dumps(made)))
    assert all(len(a["annotations"]["description"]) <= 1000 or len(text) > 1000 for a in made)


def test_alerts_are_bounded_the_newest_first() -> None:
    made = alerts("shop", [incident(n) for n in range(1, MOST + 50)], NOW, {})
    assert len(made) == MOST
    assert made[0]["labels"]["incident"] == f"INC-{MOST + 49}"
