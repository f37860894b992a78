"""What runs out, is signed or is called serious between two versions of a card.

Beside `syscard.diff.material_diff`, which an approval is held against: signing changes nothing material, and time alone
does not either. The clock is the event time of each card.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syscard.diff import CardJson, Change, Mark, material_diff
from syscard.material import material_digest
from syscard.words import one_line


def whole_diff(before: CardJson, after: CardJson) -> tuple[Change, ...]:
    """What was called serious, every material difference, the gravest first, then what ran out and who signed."""
    return (
        *_serious(before, after),
        *material_diff(before, after),
        *_expired(before, after),
        *_approvals(before, after),
        *_lapsed(before, after),
    )


def _serious(before: CardJson, after: CardJson) -> Iterator[Change]:
    """Incidents of which a human has said anew whether they are serious: clocks of the law may run."""
    for key, incident in after["incidents"].items():
        said = incident.get("serious")
        if said and said != before["incidents"].get(key, {}).get("serious"):
            name, regime = f"INC-{incident['number']}", one_line(said["regime"])
            what = {"assess": "being assessed", "no": "no"}.get(said["serious"]) or f"yes, {one_line(said['category'])}"
            mark: Mark = "=" if said["serious"] == "no" else "+"
            yield Change("incident", mark, f"SERIOUS   {name} {what} ({regime})", name)


def _expired(before: CardJson, after: CardJson) -> Iterator[Change]:
    """Waivers that held at the first card's time, or came later, and whose end is past at the second's."""
    since, now = _time(before), _time(after)
    for ref, waiver in after.get("waivers", {}).items():
        if waiver["revoked"] is None and since < _moment(waiver["expires"]) <= now:
            what = f"{ref} {one_line(waiver['rule'])} at {waiver['expires'][:16].replace('T', ' ')} UTC"
            yield Change("waiver", "?", f"EXPIRED   {what}: its rule counts again", ref)


def _approvals(before: CardJson, after: CardJson) -> Iterator[Change]:
    known = before.get("approvals", [])
    for one in after.get("approvals", []):
        if one not in known:
            word = "APPROVED" if one["decision"] == "approve" else "REJECTED"
            who = f"v{one['version']} by {one_line(one['person'])} as {one['role']}"
            yield Change("approval", "=" if word == "APPROVED" else "+", f"{word}  {who}", f"v{one['version']}")


def _lapsed(before: CardJson, after: CardJson) -> Iterator[Change]:
    """Approvals that counted for the first card and do not for the second, which says something else."""
    newest = {one["role"]: one for one in after.get("approvals", [])}
    if not newest:
        return
    was, now = material_digest(before), material_digest(after)
    for role, one in newest.items():
        if one["decision"] == "approve" and one["material"] == was != now:
            who = f"{one_line(one['person'])} as {role} for v{one['version']}"
            text = f"LAPSED    approval of {who}: the card has changed since"
            yield Change("approval", "?", text, f"v{one['version']}")


def _time(card: CardJson) -> datetime:
    return _moment(card["observed"])


def _moment(text: Any) -> datetime:
    return datetime.fromisoformat(text)
