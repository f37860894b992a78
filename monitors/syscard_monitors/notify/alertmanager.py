"""Open incidents in the form that an Alertmanager takes: `POST /api/v2/alerts`, again and again while they are open.

Its protocol asks for that: an alert that is not sent again before its `endsAt` counts as resolved. So this is no
duplicate, and needs no memory: what is open is on the card.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from syscard.card import Incident
from syscard.digest import iso
from syscard.incident_states import CANDIDATE
from syscard_monitors.notify.state import JOINED, SILENCED, TOLD
from syscard_monitors.notify.words import plain

EVERY: Final = timedelta(minutes=1)
RESOLVES_AFTER: Final = 4 * EVERY
"""As Prometheus does: three sends may be lost before an alert counts as resolved."""
ENDED_LATELY: Final = timedelta(minutes=15)
"""What is over is sent for so long, so that a receiver that was away hears of it."""
MOST: Final = 200
"""Alerts of one system, the newest incidents first."""
PATH: Final = "/api/v2/alerts"


def alerts(
    system: str, incidents: Iterable[Incident], now: datetime, ended: dict[int, datetime]
) -> list[dict[str, Any]]:
    """The alerts of one system.

    Args:
        system: its reference.
        incidents: those on its card.
        now: by the clock.
        ended: incident -> when it was first seen to be over, by the clock.
    """
    newest = sorted(incidents, key=lambda i: -i.number)
    told = [i for i in newest if i.state in TOLD or (i.number in ended and now - ended[i.number] < ENDED_LATELY)]
    return [_alert(system, i, ended.get(i.number) or now + RESOLVES_AFTER, now) for i in told[:MOST]]


def over(incident: Incident) -> bool:
    """Whether an alert of it would be a resolved one; one that is silenced or joined another is none at all."""
    return incident.state not in (*TOLD, CANDIDATE, SILENCED, JOINED)


def _alert(system: str, incident: Incident, ends: datetime, now: datetime) -> dict[str, Any]:
    """Labels tell alerts apart, so nothing that changes is one, but severity: routes go by it, and it only rises."""
    name = f"INC-{incident.number}"
    labels = {
        "alertname": "syscard_incident",
        "system": system,
        "incident": name,
        "began_on": _part(incident.findings[0].about if incident.findings else incident.subject),
        "severity": plain(incident.severity),
        "risk": _risk(incident),
    }
    return {
        "labels": {key: value for key, value in labels.items() if value},
        "annotations": {
            "summary": plain(incident.title),
            "subject": _part(incident.subject),
            "description": " ".join(plain(s) for s in incident.note)[:1000] or plain(incident.title),
            "state": incident.state,
        },
        "startsAt": iso(min(incident.since, now)),
        "endsAt": iso(ends),
        "generatorURL": f"urn:syscard:{system}:{name}",
    }


def _part(ref: str) -> str:
    """`vlm->llm` with its arrow, each end made plain."""
    return "->".join(plain(end) for end in ref.split("->"))


def _risk(incident: Incident) -> str:
    """Which risk of the catalogue it began with: what joins later must not make it another alert."""
    first = incident.findings[0].risk if incident.findings else None
    return plain(first or "")
