"""How often the incidents of a rule were real: from those that people have judged. Pure; the JSON of a card in.

An incident counts as real where a human resolved it as fixed, rolled back or accepted, reviewed it, or accepted its
risk; as a false alarm where one said so. What resolved by itself and was judged by nobody counts as neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from syscard.intervals import Interval, wilson
from syscard.words import plural, share

LEAST_JUDGED: Final = 10
"""Fewer closed incidents propose nothing."""
LEAST_PRECISION: Final = 0.5
_REAL: Final = ("fixed", "rolled_back", "accepted")


class RuleRecord(NamedTuple):
    """What became of the incidents that one rule was part of."""

    rule: str
    """`<about>.<signal>`."""
    real: int
    false_alarms: int
    unjudged: int
    """Closed, and nobody has said which."""

    @property
    def judged(self) -> int:
        """How many people have judged."""
        return self.real + self.false_alarms

    @property
    def precision(self) -> float | None:
        """Share that was real; None where nobody has judged one."""
        return self.real / self.judged if self.judged else None

    @property
    def interval(self) -> Interval:
        """Of the precision, at 95 % (Wilson)."""
        return wilson(self.precision or 0.0, self.judged)

    @property
    def recalibrate(self) -> bool:
        """Whether it was more often wrong than right, over enough incidents."""
        return self.judged >= LEAST_JUDGED and (self.precision or 0.0) < LEAST_PRECISION

    @property
    def words(self) -> str:
        """`3 of 4 judged incidents were real (75.0%, 95 % interval 30.1% to 95.4%)`."""
        waiting = f"; {self.unjudged:,} closed that nobody judged" if self.unjudged else ""
        if self.precision is None:
            return f"unknown: needs judged incidents, has 0{waiting}"
        low, high = self.interval
        figures = f"{share(self.precision)}, 95 % interval {share(low)} to {share(high)}"
        text = f"{self.real:,} of {plural(self.judged, 'judged incident')} were real ({figures}){waiting}"
        return f"{text}; propose to recalibrate it" if self.recalibrate else text


def records(card: dict[str, Any]) -> tuple[RuleRecord, ...]:
    """Of every rule that closed incidents had, in order of name."""
    counts: dict[str, list[int]] = {}
    for incident in card["incidents"].values():
        verdict = _verdict(incident)
        if verdict is not None:
            for rule in _rules(incident):
                counts.setdefault(rule, [0, 0, 0])[verdict] += 1
    return tuple(RuleRecord(rule, *found) for rule, found in sorted(counts.items()))


def record_of(card: dict[str, Any], rules: Iterable[str]) -> Iterator[RuleRecord]:
    """Of some rules; those without a closed incident have none."""
    wanted = frozenset(rules)
    return (record for record in records(card) if record.rule in wanted)


def _rules(incident: dict[str, Any]) -> frozenset[str]:
    return frozenset(finding["key"] for finding in incident["findings"])


def _verdict(incident: dict[str, Any]) -> int | None:
    """0 real, 1 false alarm, 2 not judged; None where it is not over, or told of under another number."""
    state = incident["state"]
    if state == "false_positive" or incident["resolution"] == "false_positive":
        return 1
    if state in ("reviewed", "accepted_risk"):
        return 0
    if state == "resolved":
        return 0 if incident["resolution"] in _REAL else 2
    return None
