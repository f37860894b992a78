"""`incident silence`, `silences`, `unsilence`, `maintenance`: for a time nobody is called; everything is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from syscard_tui.incident_writing import time_of, until_of, words_of, write
from syscard_tui.options import AsJson, note, options_of, say, say_json

if TYPE_CHECKING:
    from datetime import datetime

    from syscard.card import Card, SilenceCard
    from syscard.edits import Body
    from syscard.incident_edits import Matcher

Reason = Annotated[str, typer.Option("--reason", help="Why, in words.", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("silence")(silence)
    group.command("silences")(list_silences)
    group.command("unsilence")(unsilence)
    group.command("maintenance")(maintenance)


def silence(
    context: typer.Context,
    match: Annotated[str, typer.Argument(help="about=vlm, signal=agrees, risk=IR-14, subject=llm; several by commas.")],
    length: Annotated[
        str,
        typer.Option(
            "--for", help="How long: 2h, 3d; or until 2026-12-01T12:00 (UTC); at most 90 days.", show_default=False
        ),
    ],
    reason: Reason,
) -> None:
    """Keep what matches from calling anybody for a time; it is recorded all the same."""
    _declare(context, _matcher(match), None, length, reason, maintenance=False)


def maintenance(
    context: typer.Context,
    end: Annotated[
        str, typer.Option("--to", help="Until when: 2026-12-01T14:00 (UTC), or how long: 2h.", show_default=False)
    ],
    reason: Reason,
    part: Annotated[str, typer.Argument(help="A component or edge; the whole system where none is named.")] = "",
    start: Annotated[str, typer.Option("--from", help="From when on, UTC; now where it is not said.")] = "",
) -> None:
    """Declare planned work on a part or the whole system, now or ahead; what breaks meanwhile is recorded."""
    from syscard.incident_edits import Matcher

    matcher = Matcher(about=part) if part.strip() else Matcher()
    _declare(context, matcher, start or None, end, reason, maintenance=True)


def _matcher(text: str) -> Matcher:
    from syscard.errors import UsageError
    from syscard.incident_edits import Matcher

    said: dict[str, str] = {}
    for one in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = one.partition("=")
        if not equals or key.strip() not in Matcher.model_fields or not value.strip() or key.strip() in said:
            raise UsageError(f"'{one}': write about=vlm, signal=agrees, risk=IR-14 or subject=llm, several by commas")
        said[key.strip()] = value.strip()
    if not said:
        raise UsageError("a silence says what it is about: about=vlm; for the whole system: incident maintenance")
    return Matcher(**said)


def _declare(
    context: typer.Context, matcher: Matcher, start: str | None, end: str, reason: str, *, maintenance: bool
) -> None:
    from syscard.digest import text_digest
    from syscard.edits import provisional
    from syscard.fold import fold
    from syscard.incident_edits import Silence
    from syscard.silences import due_moves
    from syscard_tui.wiring import author

    words = words_of(reason, "--reason is empty")

    def make(card: Card, at: datetime) -> list[Body]:
        from syscard.edits import Draft

        begin = time_of(start) if start else at
        body = Silence(
            id=f"S-{len(card.silences) + 1}",
            matcher=matcher,
            start=begin,
            until=until_of(end, begin),
            reason_sha256=text_digest(words),
            maintenance=maintenance,
        )
        _not_over(body.until, at, end)
        after = fold(provisional([Draft(body=body, author=author(), observed=at)], at), start=card)
        return [body, *(moved.body for moved in due_moves(after, at, (), author()))]

    card = write(options_of(context), "maintenance" if maintenance else "silence", make, (words,))
    name, known = list(card.silences.items())[-1]
    quiet = sum(i.silence == name for i in card.incidents.values())
    say(f"{name}: {_words(known)}; {quiet} open now, card v{card.version}")


def _not_over(until: datetime, now: datetime, said: str) -> None:
    from syscard.errors import UsageError

    if until <= now:
        raise UsageError(f"{said}: it has passed")


def unsilence(
    context: typer.Context, silence: Annotated[str, typer.Argument(help="As in the list: S-1.", metavar="SILENCE")]
) -> None:
    """End a silence before its time: what it kept quiet is open again."""
    from syscard.errors import NotOnTheCard, UsageError
    from syscard.incident_edits import EndSilence

    name = silence.strip().upper()

    def make(card: Card, at: datetime) -> list[Body]:
        from syscard.edits import MoveIncident

        if name not in card.silences:
            raise NotOnTheCard(f"no silence {name}; there is: {', '.join(card.silences) or 'none'}")
        known = card.silences[name]
        if known.ended or known.declared.until <= at:
            raise UsageError(f"{name} is over already: see it with: syscard incident silences")
        quiet = [i.number for i in card.incidents.values() if i.silence == name]
        again = (MoveIncident(number=n, state="open", why=f"{name} was ended") for n in quiet)
        return [EndSilence(id=name), *again]

    card = write(options_of(context), f"end of {name}", make)
    say(f"{name} ended, card v{card.version}")


def list_silences(context: typer.Context, as_json: AsJson = False) -> None:
    """Silences and maintenance: what they are about, until when, whose they are, and which hold now."""
    options = options_of(context)
    view, now = options.view(), options.house().clock()
    found = [_document(raw, view["texts"], now) for raw in view["card"].get("silences", {}).values()]
    if as_json:
        say_json(found)
        return
    for one in found:
        about = ", ".join(f"{key}={value}" for key, value in one["matcher"].items()) or "the whole system"
        kind = "maintenance" if one["maintenance"] else "silence"
        say(f"{one['id']}  {one['state']}  {kind} of {about}, {one['start']} to {one['until']}, "
            f"by {one['author']}: {one['reason'] or '(text erased)'}")  # fmt: skip
    if not found:
        note("nothing is silenced")


def _document(raw: dict[str, Any], texts: dict[str, str], now: datetime) -> dict[str, Any]:
    from syscard.words import moment, one_line

    said = raw["declared"]
    start, until = moment(said["start"]), moment(raw["ended"] or said["until"])
    holds = start is not None and until is not None and start <= now < until
    waits = start is not None and now < start and raw["ended"] is None
    return {
        "id": said["id"],
        "state": "holds" if holds else "waits" if waits else "over",
        "maintenance": said.get("maintenance", False),
        "matcher": {key: one_line(value) for key, value in said["matcher"].items() if value is not None},
        "start": said["start"],
        "until": said["until"],
        "ended": raw["ended"],
        "author": one_line(raw["author"]),
        "reason": one_line(texts[said["reason_sha256"]]) if said["reason_sha256"] in texts else None,
    }


def _words(known: SilenceCard) -> str:
    said = known.declared
    return f"{said.matcher.words} is quiet from {said.start:%Y-%m-%d %H:%M} to {said.until:%Y-%m-%d %H:%M} UTC"
