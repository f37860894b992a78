"""The head of a chain, to be kept elsewhere: whoever has an old one can prove that nothing before it was rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from syscard.card import Card
from syscard.errors import ChainBroken, UsageError
from syscard.finding import Value
from syscard.stored import Stored

SCHEMA: Final = "syscard.head/1"
_LINK: Final = re.compile(r"^[0-9a-f]{64}$")
_MOST_BYTES: Final = 10_000
Sha256 = Annotated[str, StringConstraints(pattern=_LINK.pattern)]


class Head(Value):
    """The newest edit of a system at one time, and what the card said then."""

    schema_: Literal["syscard.head/1"] = Field(default=SCHEMA, alias="schema")
    system: Annotated[str, StringConstraints(max_length=64)]
    seq: int
    version: int
    link: Sha256
    digest: Sha256
    """Of the card."""
    at: Annotated[str, StringConstraints(max_length=40)]
    """Recorded time of the edit."""


def head_of(rows: Sequence[Stored], card: Card) -> Head:
    """The head of a chain that is not empty, with its card."""
    newest = rows[-1]
    return Head(
        system=card.system,
        seq=newest.seq,
        version=newest.version,
        link=newest.link,
        digest=card.digest,
        at=newest.recorded,
    )


def read_head(named: str, system: str) -> Head | str:
    """A head that somebody kept: a file that `card head --out` wrote, or the link alone.

    Raises:
        UsageError: it is neither, or of another system.
    """
    if _LINK.match(named):
        return named
    try:
        with Path(named).open("rb") as file:
            head = Head.model_validate_json(file.read(_MOST_BYTES))
    except OSError as error:
        raise UsageError(
            f"{named[:200]}: no such file, and no link of 64 hex digits: see: syscard card head"
        ) from error
    except ValidationError as error:
        raise UsageError(f"{named[:200]}: no head of a chain: write one with: syscard card head --out FILE") from error
    if head.system != system:
        raise UsageError(f"{named[:200]}: the head of '{head.system}', not of '{system}': name it with --system")
    return head


def anchored(rows: Iterable[Stored], head: Head | str) -> Stored:
    """The edit of a chain that an older head is of. With a chain that verifies, nothing up to it was rewritten.

    Raises:
        ChainBroken: the chain has no such edit any more, or it stands elsewhere.
    """
    link = head if isinstance(head, str) else head.link
    found = next((row for row in rows if row.link == link), None)
    named = link[:16] if isinstance(head, str) else f"edit {head.seq} (v{head.version}, {link[:16]})"
    if found is None:
        raise ChainBroken(f"{named} is not in the chain: it was rewritten or cut short since that head was taken")
    if not isinstance(head, str) and (found.seq, found.version, found.recorded) != (head.seq, head.version, head.at):
        raise ChainBroken(f"{named}: the chain has it as {found.name} of {found.recorded}: the head was changed")
    return found
