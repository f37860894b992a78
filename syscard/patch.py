"""What an edit changes on a card: fields, and rows of its tables. No table of thousands is copied for every edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from syscard.card import INCIDENTS_SHOWN, Card, Incident, evidence_of

Changes = dict[str, Any]
"""By field of the card: `Rows` of a table, else the new value."""
_Key = tuple[str, str | int]
TABLES: Final = tuple(name for name, field in Card.model_fields.items() if isinstance(field.default, dict))


@dataclass(frozen=True)
class Rows:
    """Rows that are put into a table (in the place of those of the same key), and keys that are taken out."""

    put: Mapping[Any, Any]
    out: frozenset[Any] = frozenset()

    def __or__(self, other: Rows) -> Rows:
        """Both, of different keys."""
        return Rows({**self.put, **other.put}, self.out | other.out)

    def onto(self, table: dict[Any, Any]) -> None:
        """Change a table in place: the caller's own."""
        for key in self.out:
            table.pop(key, None)
        table.update(self.put)


class Bench:
    """A card that edits are applied to, one by one. Its tables are its own, so that a row can be changed in place."""

    def __init__(self, card: Card) -> None:
        self.card = card.model_copy(update={name: dict(getattr(card, name)) for name in TABLES})
        self._rests = _Rests(card)

    def change(self, changes: Changes) -> None:
        """Make changes, and let go of evidence that nothing rests on any more.

        Evidence leaves the card with the edit that lets go of it; all of it would make every look slower than the
        last. Only what was rested on can be let go of: evidence comes before the edit that rests on it. Looking at one
        edit at a time, the card is the same whether it was folded from the beginning or from an earlier version.
        """
        let_go = self._rests.let_go(self.card, changes)
        values = {name: value for name, value in changes.items() if not isinstance(value, Rows)}
        for name, rows in changes.items():
            if isinstance(rows, Rows):
                rows.onto(getattr(self.card, name))
        whole = {name: dict(value) for name, value in values.items() if name in TABLES}
        self.card = self.card.model_copy(update={**values, **whole})
        for digest in let_go:
            self.card.evidence.pop(digest, None)


class _Rests:
    """How many claims and incidents rest on each evidence, kept up to date row by row."""

    def __init__(self, card: Card) -> None:
        self._newest = _newest(card.incidents)
        self._held: dict[_Key, tuple[str, ...]] = {("claims", r): evidence_of(c) for r, c in card.claims.items()}
        self._held |= {("incidents", n): self._of_incident(n, i) for n, i in card.incidents.items()}
        self._counts = Counter(digest for held in self._held.values() for digest in held)

    def let_go(self, card: Card, changes: Changes) -> list[str]:
        """Digests of evidence that nothing rests on any more after these changes, which are yet to be made."""
        claims = _rows(card.claims, changes.get("claims"))
        now: dict[_Key, tuple[str, ...]] = {("claims", ref): evidence_of(c) if c else () for ref, c in claims}
        if "incidents" in changes:
            now |= self._incidents(card, dict(_rows(card.incidents, changes["incidents"])))
        was = [digest for key in now for digest in self._held.get(key, ())]
        self._counts.update(digest for held in now.values() for digest in held)
        self._counts.subtract(was)
        self._held |= now
        over = [digest for digest in dict.fromkeys(was) if not self._counts[digest]]
        for digest in over:
            del self._counts[digest]
        return over

    def _incidents(self, card: Card, changed: dict[int, Incident | None]) -> dict[_Key, tuple[str, ...]]:
        """What changed incidents rest on, and those that are no longer among the newest."""
        before = self._newest
        if not changed.keys() <= card.incidents.keys():
            self._newest = _newest(card.incidents.keys() | changed.keys())
        after = {n: card.incidents.get(n) for n in before - self._newest} | changed
        return {("incidents", n): self._of_incident(n, i) if i else () for n, i in after.items()}

    def _of_incident(self, number: int, incident: Incident) -> tuple[str, ...]:
        return evidence_of(incident) if incident.is_live or number in self._newest else ()


def _newest(numbers: Any) -> frozenset[int]:
    return frozenset(sorted(numbers)[-INCIDENTS_SHOWN:])


def _rows(table: Mapping[Any, Any], change: Any) -> Iterator[tuple[Any, Any]]:
    """Every key that a change touches, with the row after it; None where it is taken out."""
    if change is None:
        return
    rows = change if isinstance(change, Rows) else Rows(change, frozenset(table.keys() - change.keys()))
    yield from ((key, None) for key in rows.out)
    yield from rows.put.items()
