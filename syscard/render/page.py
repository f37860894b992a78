"""The page of a card as values: what every drawing of it (Markdown, HTML, PDF) is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_LONG: Final = 20
"""Rows of a detail: more of them would keep who scrolls from what comes after."""


@dataclass(frozen=True)
class Table:
    """Rows under a caption; the first cell of a row names it."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str
    """What to say instead of a table without rows."""
    detail: bool = False
    """Whether it goes into the annex where room is short: on paper."""
    ranked: bool = False
    """Whether what matters most stands first; else rows with a loud word go first where rows are left out."""

    @property
    def folded(self) -> bool:
        """Whether a page on a screen shows it only to who opens it."""
        return self.detail and len(self.rows) > _LONG


@dataclass(frozen=True)
class Section:
    """One heading of the page and what stands under it."""

    id: str
    title: str
    says: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    chart: str = ""
    """`claims` or `signals`, where the page draws one."""
    links: tuple[tuple[str, str, str], ...] = ()
    """Whose, text and web address of links out."""
    annex: bool = False
    """Whether it stands behind what leaders read."""


@dataclass(frozen=True)
class Report:
    """One card version for people who were not on call."""

    title: str
    verdict: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class PeriodSums:
    """What spans say of a period, over all requests that began in it."""

    start: datetime
    end: datetime
    requests: int
    """Traces of the system with a call in it."""
    cost: float | None = None
    """What they cost together, in the currency of the spans; None where none says so."""
    with_cost: int = 0
    """Requests that say what they cost."""
    answers: int = 0
    """Feedback that says whether it was accepted."""
    accepted: int = 0


@dataclass(frozen=True)
class Occasion:
    """Why and of what time a snapshot is taken; nothing of it where a page is only looked at."""

    number: int = 0
    reason: str = ""
    start: datetime | None = None
    end: datetime | None = None
    seen: PeriodSums | None = None
    """None where nobody has counted."""
    why_not_seen: str = ""
    earlier: tuple[dict[str, Any], ...] = ()
    """`card["snapshots"]` before this one, oldest first."""
    signed_by: str = ""
    """Fingerprint of the key."""

    @property
    def idle(self) -> bool:
        """Whether it is known that no request came."""
        return self.seen is not None and not self.seen.requests
