"""`incident serious`, `clocks`, `postmortem`, `rules`: what is owed to others afterwards, and what was learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from syscard_tui.incident_writing import Number, known, number_of, time_of, write
from syscard_tui.options import AsJson, note, options_of, say, say_json

_WIDTH: Final = 80
_LARGEST: Final = 10_000_000
"""Bytes of a postmortem."""


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("serious")(serious)
    group.command("clocks")(list_clocks)
    group.command("postmortem")(postmortem)
    group.command("rules")(list_rules)


def serious(
    context: typer.Context,
    incident: Number,
    says: Annotated[
        str, typer.Option("--as", help="assess, no or yes: you decide, never the software.", show_default=False)
    ],
    category: Annotated[str, typer.Option(help="Which kind, for yes: see docs/incidents.md.")] = "",
    aware: Annotated[
        str, typer.Option(help="When it became known, UTC: 2026-11-30T12:00; the clocks start then.")
    ] = "",
    regime: Annotated[str, typer.Option(help="By which rules.")] = "eu_ai_act",
) -> None:
    """Say whether an incident is serious in the sense of a regime; its traces are held unless you say no."""
    from syscard.errors import UsageError
    from syscard.incident_edits import AssessIncident
    from syscard.regimes import regime_of

    number, rules = number_of(incident), regime_of(regime)
    if says not in ("assess", "no", "yes"):
        raise UsageError(f"--as {says}: write assess, no or yes")
    kind = rules.category(category).id if category else None
    known_at = time_of(aware) if aware else None

    def make(card: Any, at: Any) -> list[AssessIncident]:
        known(card.incidents, number)
        if known_at is not None and known_at > at:
            raise UsageError(f"--aware {aware}: it has not come yet")
        body = {"number": number, "serious": says, "regime": regime, "category": kind, "aware": known_at}
        return [AssessIncident.model_validate(body)]

    card = write(options_of(context), f"serious {incident}", make)
    say(f"INC-{number}: {card.incidents[number].events[-1].what}, card v{card.version}")
    if says == "yes":
        say(f"due dates: syscard incident clocks. {rules.check}")


def list_clocks(context: typer.Context, as_json: AsJson = False) -> None:
    """By when serious incidents must be reported, and what is late."""
    from syscard.regimes import clocks

    options = options_of(context)
    house, ref = options.house(), options.ref()
    with house.records() as records:
        found = clocks(records.current(ref), house.clock())
    if as_json:
        say_json([clock.model_dump(mode="json") for clock in found])
        return
    for clock in found:
        word = "LATE" if clock.late else "due"
        bound = "" if clock.applies else " (the duty had not begun then)"
        say(f"INC-{clock.incident}  {word} {clock.due:%Y-%m-%d %H:%M} UTC: {clock.category}, {clock.days} days from "
            f"{clock.aware:%Y-%m-%d %H:%M} UTC, {clock.regime} {clock.article}{bound}")  # fmt: skip
    for check in dict.fromkeys(clock.check for clock in found):
        say(check)
    if not found:
        note("no clock runs: nobody has called an incident serious")


def postmortem(
    context: typer.Context,
    incident: Number,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the draft; standard output where none is named.")
    ] = None,
    attach: Annotated[
        Path | None, typer.Option(help="A postmortem that was written: its digest goes into the chain.")
    ] = None,
) -> None:
    """Draft a postmortem from the timeline, in the blameless form; or attach the one that was written."""
    from syscard.errors import UsageError

    number = number_of(incident)
    if attach is not None and out is not None:
        raise UsageError("--out writes a draft, --attach takes what was written: one of the two")
    if attach is not None:
        _attach(context, number, attach)
        return
    text = _draft(context, number)
    if out is None:
        say(text.rstrip("\n"))
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}: name a file that is not there yet") from error
    say(f"{out}: a draft of the postmortem of INC-{number}")


def _draft(context: typer.Context, number: int) -> str:
    from syscard.diff import material_diff
    from syscard.edits import OpenIncident
    from syscard.render.postmortem import postmortem as drafted

    options = options_of(context)
    house, ref, view = options.house(), options.ref(), options.view()
    known(view["card"]["incidents"], number)
    with house.records() as records:
        opened = (e.version for e in records.edits(ref) if _opens(e.body, OpenIncident, number))
        before = records.card(ref, max(1, next(opened, 1) - 1)).model_dump(mode="json")
    return drafted(view, number, material_diff(before, view["card"]))


def _opens(body: Any, kind: type, number: int) -> bool:
    return isinstance(body, kind) and getattr(body, "number", None) == number


def _attach(context: typer.Context, number: int, path: Path) -> None:
    import hashlib

    from syscard.errors import UsageError
    from syscard.incident_edits import AttachPostmortem

    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path}: larger than {_LARGEST:,} bytes: attach the text")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: name the file that was written") from error

    def make(card: Any, _at: Any) -> list[AttachPostmortem]:
        known(card.incidents, number)
        return [AttachPostmortem(number=number, sha256=digest, name=path.name[:200])]

    card = write(options_of(context), f"postmortem of INC-{number}", make)
    say(f"INC-{number}: postmortem {path.name} ({digest[:12]}), card v{card.version}")


def list_rules(context: typer.Context, as_json: AsJson = False) -> None:
    """How often the incidents of each rule were real, by those that people have judged."""
    from syscard.precision import records
    from syscard.words import one_line, pad, wrap

    found = records(options_of(context).view()["card"])
    if as_json:
        say_json(
            [
                {
                    **r._asdict(),
                    "judged": r.judged,
                    "precision": r.precision,
                    "low": r.interval.low if r.judged else None,
                    "high": r.interval.high if r.judged else None,
                    "recalibrate": r.recalibrate,
                }
                for r in found
            ]
        )
        return
    widest = max((len(r.rule) for r in found), default=0)
    for r in found:
        for line in wrap(r.words, _WIDTH, first=f"{pad(one_line(r.rule), min(40, widest))}  "):
            say(line)
    if not found:
        note("no incident is over yet")
