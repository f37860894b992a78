"""How commands and screens write about incidents: one batch of edits by the human at this terminal, checked before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.edits import Body
    from syscard.incident_states import IncidentState
    from syscard_tui.options import Options
    from syscard_tui.wiring import House

LONGEST_TEXT: Final = 4000
_MOST_DIGITS: Final = 9
Number = Annotated[str, typer.Argument(help="INC-3 or 3.", metavar="INC")]
Make = Callable[["Card", datetime], Sequence["Body"]]
"""What is to be written on the newest card, at a moment."""


def write(options: Options, cause: str, make: Make, texts: Sequence[str] = ()) -> Card:
    """Edits by a human to the system that is meant, as one version of the card.

    Raises:
        SyscardError: they may not be made; nothing was written.
    """
    return write_to(options.house(), options.ref(), cause, make, texts)


def write_to(house: House, ref: str, cause: str, make: Make, texts: Sequence[str] = ()) -> Card:
    """The same, to a system of a home.

    Raises:
        SyscardError: they may not be made; nothing was written.
    """
    from pydantic import ValidationError

    from syscard.edits import Draft
    from syscard.errors import UsageError
    from syscard_tui.wiring import author

    with house.records() as records, records.transaction() as transaction:
        at = house.clock()
        card, _ = transaction.newest(ref)
        try:
            bodies = make(card, at)
        except ValidationError as error:
            raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
        drafts = [Draft(body=body, author=author(), observed=at) for body in bodies]
        return transaction.append(ref, drafts, cause=cause, recorded=at, texts=texts)


def move(
    house: House, ref: str, number: int, state: IncidentState, reason: str = "", *, resolution: str | None = None
) -> str:
    """Move an incident to a state; gives what is to be said.

    Raises:
        SyscardError: it may not be moved there, or cannot be written.
    """
    from syscard.digest import text_digest
    from syscard.edits import MoveIncident

    words = reason.strip()
    said = {"text_sha256": text_digest(words)} if words else {}

    def make(card: Card, _at: datetime) -> list[Body]:
        allowed(card, number, state)
        return [MoveIncident.model_validate({"number": number, "state": state, "resolution": resolution, **said})]

    card = write_to(house, ref, f"{state} INC-{number}", make, (words,) if words else ())
    return f"INC-{number} {state}, card v{card.version}"


def note_on(house: House, ref: str, number: int, text: str) -> str:
    """Write something down on an incident; gives what is to be said.

    Raises:
        SyscardError: it is empty, there is no such incident, or it cannot be written.
    """
    from syscard.digest import text_digest
    from syscard.edits import NoteOnIncident

    words = words_of(text, "an empty note: what did you find out?")

    def make(card: Card, _at: datetime) -> list[Body]:
        known(card.incidents, number)
        return [NoteOnIncident(number=number, text_sha256=text_digest(words))]

    card = write_to(house, ref, f"note on INC-{number}", make, (words,))
    return f"noted on INC-{number}, card v{card.version}"


def number_of(text: str) -> int:
    """`INC-3` or `3`.

    Raises:
        UsageError: neither.
    """
    from syscard.errors import UsageError

    digits = text.upper().removeprefix("INC-")
    if not digits.isdecimal() or not digits.isascii() or len(digits) > _MOST_DIGITS:
        raise UsageError(f"'{text[:40]}' is no incident: write INC-3 or 3")
    return int(digits)


def known(incidents: Mapping[Any, Any], number: int) -> None:
    """Refuse what is not on the card.

    Raises:
        NotOnTheCard: names the incidents there are.
    """
    from syscard.errors import NotOnTheCard

    if number not in incidents and str(number) not in incidents:
        names = ", ".join(f"INC-{n}" for n in incidents) or "none"
        raise NotOnTheCard(f"no INC-{number}; there is: {names}")


def allowed(card: Card, number: int, to: str) -> None:
    """Refuse a move that the states do not have.

    Raises:
        NotOnTheCard: there is no such incident.
        UsageError: it may not be moved there.
    """
    from syscard.errors import UsageError
    from syscard.incident_states import refusal

    known(card.incidents, number)
    refused = refusal(number, card.incidents[number].state, to)
    if refused:
        raise UsageError(refused)


def may_merge(card: Card, number: int, into: int, *, force: bool) -> None:
    """Refuse to merge into what is over, and unless it is forced, what is open into what somebody has accepted.

    Raises:
        NotOnTheCard: there is no such incident.
        UsageError: it may not be merged.
    """
    from syscard.errors import UsageError
    from syscard.incident_states import hides

    allowed(card, number, "merged")
    known(card.incidents, into)
    source, target = card.incidents[number], card.incidents[into]
    if not target.is_live:
        raise UsageError(f"INC-{into} is {target.state}: merge into one that is open")
    if hides(source.state, target.state) and not force:
        until = f"until {target.accepted_until:%Y-%m-%d %H:%M} UTC " if target.accepted_until else ""
        raise UsageError(
            f"INC-{into} is accepted {until}and calls nobody: INC-{number} (an open {source.severity}) would be hidden "
            f"in it; merge INC-{into} into INC-{number}, or add --force"
        )


def words_of(text: str, what: str) -> str:
    """Free text that says something, cut to a length.

    Raises:
        UsageError: it is empty.
    """
    from syscard.errors import UsageError

    words = text.strip()[:LONGEST_TEXT]
    if not words:
        raise UsageError(f"{what}: write it in quotes")
    return words


def until_of(text: str, now: datetime) -> datetime:
    """`2h`, `3d`, or a time in UTC as `2026-12-01T12:00`.

    Raises:
        UsageError: neither.
    """
    from syscard.errors import UsageError
    from syscard.units import parse_duration

    try:
        length: timedelta = parse_duration(text)
    except ValueError:
        return time_of(text)
    try:
        return now + length
    except OverflowError as error:
        raise UsageError(f"'{text}' is longer than a time can be") from error


def time_of(text: str) -> datetime:
    """A time, in UTC where it says no zone.

    Raises:
        UsageError: it is none.
    """
    from syscard.errors import UsageError

    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{text}' is no time: write 2026-12-01T12:00 (UTC)") from error
