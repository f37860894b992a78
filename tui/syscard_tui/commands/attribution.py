"""`incident attribute`: who changed, made anew, and beside it what another library says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syscard_tui.incident_writing import Number, known, number_of
from syscard_tui.options import AsJson, note, options_of, say, say_json

if TYPE_CHECKING:
    from syscard_monitors.anew import Anew
    from syscard_monitors.cross_check import CrossCheck

_COLUMNS = "  {:<28}  {:<14}  {:>7}  {:>7}"


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("attribute")(attribute)


def attribute(
    context: typer.Context,
    incident: Number,
    check: Annotated[str, typer.Option(help="Ask another library, too: dowhy (it takes a minute or more).")] = "",
    as_json: AsJson = False,
) -> None:
    """Make the attribution of an incident anew from its requests and the baseline; nothing is written."""
    from syscard.errors import UsageError

    if check not in ("", "dowhy"):
        raise UsageError(f"--check {check[:40]}: write dowhy")
    made, compared = _made(context, number_of(incident), check=bool(check))
    if as_json:
        say_json(_document(made, compared, check=bool(check)))
        return
    for line in _lines(made):
        say(line)
    if check:
        for line in _check_lines(made, compared):
            say(line)


def _made(context: typer.Context, number: int, *, check: bool) -> tuple[Anew, CrossCheck | None]:
    from syscard_monitors.cross_check import DEADLINE_S, cross_check, needed
    from syscard_monitors.drift import DriftWorker

    house, ref = options_of(context).house(), options_of(context).ref()
    known(options_of(context).view()["card"]["incidents"], number)
    if check:
        needed()
    with house.records() as records:
        made = house.watcher(records, DriftWorker()).attribution(ref, number)
    if not check or made.question is None:
        return made, None
    note(f"asking DoWhy about {len(made.question.parts)} signals: a minute or more, {DEADLINE_S / 60:.0f} at most")
    return made, cross_check(made.found, made.question)


def _document(made: Anew, compared: CrossCheck | None, *, check: bool) -> dict[str, Any]:
    document = {
        "number": made.incident.number,
        "since": made.incident.since,
        "until": made.until,
        "sampled": made.sampled,
        "as_on_card": made.found.same_as(made.incident.attribution),
        "attribution": made.found.model_dump(mode="json"),
    }
    return {**document, "check": compared.model_dump(mode="json") if compared else None} if check else document


def _lines(made: Anew) -> Iterator[str]:
    from syscard.attribution_text import cause_text, untold, verdict_lines
    from syscard.words import wrap

    found = made.found.model_dump(mode="json")
    sample = ", a sample" if made.sampled else ""
    yield (
        f"INC-{made.incident.number}: {made.found.n_now:,} requests{sample}, {made.incident.since:%Y-%m-%d %H:%M} to"
        f" {made.until:%Y-%m-%d %H:%M} UTC, against {made.found.n_before:,} of the baseline"
    )
    yield from wrap(untold({"attribution": found}) or cause_text(found, found["parts"]), 100)
    for line in verdict_lines(found):
        yield f"  {line}"
    yield from wrap(_card_text(made), 100)


def _card_text(made: Anew) -> str:
    from syscard.words import one_line

    kept = made.incident.attribution
    if kept is None:
        return "the card has no attribution of it; nothing was written"
    if kept.same_as(made.found):
        return "the card says the same; nothing was written"
    named = one_line(kept.first or "no part")
    other = "; the baseline or what is compared is another now" if kept.n_now == made.found.n_now else ""
    return f"the card names {named}, over {kept.n_now:,} requests{other}; nothing was written"


def _check_lines(made: Anew, compared: CrossCheck | None) -> Iterator[str]:
    from syscard.words import one_line, wrap

    yield ""
    if compared is None:
        yield "DoWhy was not asked: there is nothing to compare"
        return
    yield from wrap(_asked_text(compared), 100)
    yield _COLUMNS.format("part", "ours", "share", "DoWhy").rstrip()
    for p in compared.parts:
        mark = " *" if p.changed else ""
        yield f"{_COLUMNS.format(one_line(p.part), p.ours or '-', _percent(p.share), _percent(p.dowhy))}{mark}"
    yield "  * a mechanism of it changed, by DoWhy's own test"
    yield from wrap(f"{_agreement(made, compared)}. A cross-check: disagreement is no verdict", 100)


def _asked_text(compared: CrossCheck) -> str:
    from syscard.words import one_line

    seen, made = (_figure(value, compared.of) for value in (compared.change, compared.total))
    unit = "standard deviations" if compared.of == "mean" else "of requests"
    left = f"; {compared.left_out} more act on it and moved less: they are left out" if compared.left_out else ""
    return (
        f"{one_line(compared.engine)} on the {compared.of} of {one_line(compared.says)} ({seen} {unit}, of which its"
        f" mechanisms make {made}):"
        f" {compared.signals} signals, {compared.rows_before:,} rows before and {compared.rows_now:,} now{left}"
    )


def _figure(value: float, of: str) -> str:
    return f"{value:+.2f}" if of == "mean" else f"{100 * value:+.1f} %"


def _agreement(made: Anew, compared: CrossCheck) -> str:
    from syscard.attribution import component_of
    from syscard.words import one_line

    ours, theirs = (one_line(one or "no part") for one in (made.found.first, compared.first))
    if compared.agrees is None:
        return f"ours names {ours}, of which DoWhy was asked nothing: no signal of it acts on what was shared out"
    if compared.agrees:
        return f"both name {ours} first"
    same = made.found.first and compared.first and component_of(made.found.first) == component_of(compared.first)
    return f"ours names {ours} first, DoWhy {theirs}{', of the same component' if same else ''}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
