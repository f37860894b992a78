"""Baselines in words: which is in force, whether its halves agree, what it says little of. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from syscard.words import moment, one_line, plural, stamp, wrap

DISAGREE: Final = 0.01
"""As `syscard.baseline.DISAGREE`; a test holds the two together."""


def disagreeing(base: dict[str, Any]) -> list[dict[str, Any]]:
    """Signals whose halves differ."""
    return [one for one in base.get("halves", ()) if one["p_adjusted"] < DISAGREE]


def halves_text(base: dict[str, Any]) -> str:
    """`halves agree (A/A, smallest of 18 adjusted p 0.41)`, or which signals differ."""
    p, halves = base["agreement_p"], base.get("halves", ())
    if p is None:
        return "halves could not be compared"
    if not halves:  # an earlier release kept the smallest only
        return f"halves {'agree' if p >= DISAGREE else 'DISAGREE'} (A/A, smallest adjusted p {p:.2g})"
    unlike = disagreeing(base)
    if not unlike:
        return f"halves agree (A/A, smallest of {len(halves)} adjusted p {p:.2f})"
    named = ", ".join(f"{one_line(one['signal'])} p {one['p_adjusted']:.2g}" for one in unlike)
    return f"halves DISAGREE in {len(unlike)} of {plural(len(halves), 'signal')}: {named}"


def baseline_text(base: dict[str, Any], width: int, *, every: bool = False) -> Iterator[str]:
    """One baseline; with the p-value of each signal, or only of those whose halves differ."""
    times = f"{stamp(moment(base['start']))} to {stamp(moment(base['end']))}"
    yield from wrap(f"{one_line(base['name'])}: {plural(base['requests'], 'request')}, {times}", width)
    yield from wrap(f"approved by {one_line(base['approved_by'])}; data {base['data_digest'][:12]}", width, first="  ")
    yield from wrap(halves_text(base), width, first="  ", rest="    ")
    if base.get("split"):
        yield from wrap(f"compared: {one_line(base['split'])}; p adjusted by Holm", width, first="  ", rest="    ")
    for one in base.get("halves", ()) if every else ():
        text = f"{one_line(one['signal'])}  p {one['p_value']:.2g}, adjusted {one['p_adjusted']:.2g}"
        says = f"{text}  ({one_line(one['method'])}, n {one['n']:,} and {one['n_other']:,})"
        yield from wrap(says, width, first="    ", rest="      ")
    yield from _signals(base, width)


def _signals(base: dict[str, Any], width: int) -> Iterator[str]:
    yield from wrap(f"signals: {', '.join(map(one_line, base['watched']))}", width, first="  ", rest="    ")
    constant = ", ".join(map(one_line, base["too_constant"])) or "none"
    yield from wrap(f"constant (watched as 'left the constant'): {constant}", width, first="  ", rest="    ")
    for one in base.get("degenerate", ()):
        text = f"{one_line(one['signal'])}  {one_line(one['kind'])}: {one_line(one['says'])}"
        yield from wrap(text, width, first="  ! ", rest="      ")


def history_text(past: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Every baseline, the newest last."""
    for one in past:
        force = "in force" if one["in_force"] else "replaced"
        kept = "" if one["kept"] else ", ITS VALUES ARE GONE OR CHANGED"
        head = f"card v{one['version']}, set {stamp(moment(one['set_at']))} by {one_line(one['set_by'])}, {force}{kept}"
        yield from wrap(head, width)
        yield from (f"  {line}" for line in baseline_text(one["baseline"], width - 2))
