"""Crosswalks: how a card stands beside what a body of rules asks for. It is a map of records, and never a judgement.

Traces bound what can be shown: an item that they show in part is `partly` at best, and one that they cannot show is
`declared` at best, however much stands on the card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

from syscard.applicability import Applies, applies
from syscard.crosswalk_packs import Evidenceability, Item, Pack, pack_of, packs
from syscard.crosswalk_paths import Found, found_at
from syscard.finding import Value
from syscard.words import plural

Status = Literal["evidenced", "declared", "partly", "missing", "not applicable"]
STATUSES: Final[tuple[Status, ...]] = ("evidenced", "partly", "declared", "missing", "not applicable")
_NO_PLACE: Final = "the card has no place for it"
_REGIME: Final[dict[Applies, str]] = {
    "no": "regime not applicable",
    "voluntary": "regime not applicable, voluntary mapping",
    "yes": "the team states that the regime applies",
    "unclear": "the team states that it is unclear whether the regime applies",
    "not stated": "system.yaml does not state whether the regime applies",
}
LIMITS: Final = "A map of what stands on the card; whether the rules are met is for people to judge."
"""Said with every crosswalk."""


class CrosswalkRow(Value):
    """One item of one framework, and what the card has of it."""

    framework: str
    version: str
    """Of the pack."""
    id: str
    title: str
    card_paths: tuple[str, ...]
    evidenceability: Evidenceability
    status: Status
    says: str
    """What stands at the paths, in words."""
    needs: str
    """What it takes beside what traces show."""
    evidence: tuple[str, ...] = ()
    """References of what it rests on: `E-7`, beginnings of digests, `INC-3`, `trace_id@start`; some of many."""


class CrosswalkSummary(Value):
    """One framework in figures."""

    framework: str
    name: str
    version: str
    applies: Applies
    because: str
    """As the team gives it in system.yaml; empty where it does not."""
    regime: str
    """Both in words."""
    items: int
    counts: dict[Status, int]
    evidenceability: dict[Evidenceability, int]
    """Of all items, how much traces can show."""
    source: str
    valid_from: str
    valid_from_note: str
    checked: str
    checked_against: str
    check: str
    says: str
    """`2 evidenced, 9 partly, 4 declared, 7 missing of 22`."""


def crosswalk(
    card: dict[str, Any], live: dict[str, Any] | None, at: datetime, framework: str | None = None
) -> tuple[CrosswalkRow, ...]:
    """Every item of every framework (or of one), in the order of the packs.

    Args:
        card: JSON of a card.
        live: JSON of what the monitors know; None before they ran, and for an older version.
        at: by which clock evidence is old.
        framework: one of `packs()`.

    Raises:
        UsageError: there is no such framework.
    """
    asked = packs().values() if framework is None else (pack_of(framework),)
    looked = cache(lambda path: found_at(path, card, live, at))  # many items ask for the same
    return tuple(row for pack in asked for row in _rows(pack, card["identity"], looked))


def _rows(pack: Pack, identity: dict[str, Any], looked: Callable[[str], Found]) -> Iterable[CrosswalkRow]:
    binding = applies(identity, pack.regimes)[0]
    for item in pack.items:
        found = [looked(path) for path in item.card_paths] if binding != "no" else []
        yield CrosswalkRow(
            framework=pack.framework,
            version=pack.version,
            **item.model_dump(),
            status="not applicable" if binding == "no" else status_of(item, found),
            says=_REGIME["no"] if binding == "no" else _says(found),
            evidence=tuple(dict.fromkeys(ref for one in found for ref in one.references)),
        )


def status_of(item: Item, found: Iterable[Found]) -> Status:
    """The status of one item, by what was found at its paths."""
    known = tuple(found)
    there = [one for one in known if one.kind != "absent"]
    if not there:
        return "missing"
    shown = [one for one in there if one.kind in ("seen", "evidence")]
    whole = all(one.whole for one in known)
    if item.evidenceability == "none" or not shown:
        return "declared" if whole else "partly"
    proven = [one for one in there if one.kind == "evidence"]
    sound = proven and not any(one.stale or one.bare for one in proven)
    return "evidenced" if item.evidenceability == "full" and whole and sound else "partly"


def _says(found: list[Found]) -> str:
    return "; ".join(map(_said, found)) or _NO_PLACE


def _said(one: Found) -> str:
    """`claims: 7 with evidence, 2 without, 1 out of date`."""
    if one.kind == "absent":
        return f"{one.path}: nothing"
    if one.kind != "evidence":
        return f"{one.path}: {one.kind}" + ("" if one.whole else f" for {one.count} of {one.of}")
    counts = ((one.count - one.bare, "with evidence"), (one.bare, "without"), (one.stale, "out of date"))
    return f"{one.path}: {', '.join(f'{n} {what}' for n, what in counts if n)}"


def summary(rows: Iterable[CrosswalkRow], card: dict[str, Any]) -> tuple[CrosswalkSummary, ...]:
    """Rows by framework, in their order, with what the team states of each regime."""
    by_framework: dict[str, list[CrosswalkRow]] = {}
    for row in rows:
        by_framework.setdefault(row.framework, []).append(row)
    return tuple(_summed(pack_of(name), found, card) for name, found in by_framework.items())


def told_of(pack: Pack, word: Applies) -> str:
    """What is stated of a regime, in words; a framework that binds nobody needs no statement."""
    return "voluntary framework" if not pack.binding and word in ("voluntary", "not stated") else _REGIME[word]


def _summed(pack: Pack, rows: list[CrosswalkRow], card: dict[str, Any]) -> CrosswalkSummary:
    word, because = applies(card["identity"], pack.regimes)
    counts, possible = Counter(row.status for row in rows), Counter(row.evidenceability for row in rows)
    stands = [f"{counts[status]} {status}" for status in STATUSES if counts[status]]
    return CrosswalkSummary(
        framework=pack.framework,
        name=pack.name,
        version=pack.version,
        applies=word,
        because=because,
        regime=f"{told_of(pack, word)}: {because}" if because else told_of(pack, word),
        items=len(rows),
        counts={status: counts[status] for status in STATUSES},
        evidenceability={"full": possible["full"], "partial": possible["partial"], "none": possible["none"]},
        source=pack.source,
        valid_from=pack.valid_from.isoformat(),
        valid_from_note=pack.valid_from_note,
        checked=pack.checked.isoformat(),
        checked_against=pack.checked_against,
        check=pack.check,
        says=f"{', '.join(stands)} of {plural(len(rows), 'item')}",
    )
