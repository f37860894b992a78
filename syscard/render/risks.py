"""Risks of the catalogue as text and as documents: every one in every place, what was found, and what is missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from syscard.errors import NotOnTheCard
from syscard.intervals import wilson
from syscard.views import View
from syscard.words import moment, one_line, pad, stamp, wrap

_WIDTH: Final = 80
_MARKS: Final = {"seen": "!", "not seen": " ", "unknown": "?"}
_ORDER: Final = ("seen", "unknown", "not seen")
_NAMED: Final = re.compile(r"\bIR-\d\d\b")
NEVER: Final = "not assessed yet: run: syscard monitor --once"
NO_MONITOR: Final = "this release has no monitor for it"


def declared_as(declared: dict[str, Any]) -> tuple[str, ...]:
    """Risks of the catalogue that a declared risk is: as it says, else those that its words name."""
    if declared.get("catalogue"):
        return (str(declared["catalogue"]),)
    return tuple(dict.fromkeys(_NAMED.findall(str(declared.get("says", "")))))


def assessed(card: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What stands on a card, by `IR-13 agent->cf`; empty on cards of earlier releases."""
    found: dict[str, dict[str, Any]] = card.get("assessed", {})
    return found


def documents(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Every risk of the catalogue in every place, in the order of the catalogue: what `risk list --json` prints."""
    from syscard.risks import catalogue

    return [_document(card, entry.id, one) for entry in catalogue().values() for one in _places(card, entry.id)]


def _places(card: dict[str, Any], risk: str) -> list[dict[str, Any] | None]:
    """What was found of one risk, place by place; one None where nothing was."""
    return [one for one in assessed(card).values() if one["found"]["risk"] == risk] or [None]


def _document(card: dict[str, Any], risk: str, one: dict[str, Any] | None) -> dict[str, Any]:
    from syscard.risks import Assessment, catalogue

    entry = catalogue()[risk]
    why = NO_MONITOR if assessed(card) else NEVER
    found = one["found"] if one else {"risk": risk, "about": "system", "state": "unknown", "why": why}
    known = Assessment.model_validate(found)
    figures = {name: getattr(known, name) for name in Assessment.model_fields}
    declared = [ref for ref, r in card["risks"].items() if risk in declared_as(r["declared"])]
    return {
        **figures,
        "name": entry.name,
        "threshold": entry.threshold if known.threshold is None else known.threshold,
        "least": entry.least,
        "severity": known.severity or entry.severity,
        "mitigation": entry.mitigation,
        "since": one["since"] if one else None,
        "measured": one["measured"] if one else None,
        "evidence": one["evidence"] if one else None,
        "calibration": one.get("calibration") if one else None,
        "frequency": frequency(one),
        "declared": declared,
    }


def frequency(one: dict[str, Any] | None) -> dict[str, Any] | None:
    """In how many assessments it was seen, with `low` and `high` (95 %); None where nothing was counted.

    Assessments in a row share requests: Wilson's interval takes `overlap` of them for one.
    """
    if one is None or (counted := one.get("frequency")) is None:
        return None
    bounds = wilson(counted["seen"] / counted["looks"], max(1, counted["looks"] / counted["overlap"]))
    return {**counted, "low": round(bounds.low, 6), "high": round(bounds.high, 6)}


def at_place(card: dict[str, Any], about: str) -> list[dict[str, Any]]:
    """Risks of the catalogue in one place, in its order; none where nothing was assessed there."""
    from syscard.risks import catalogue

    known = catalogue()
    return [_document(card, one["found"]["risk"], one) for one in assessed(card).values()
            if one["found"]["about"] == about and one["found"]["risk"] in known]  # fmt: skip


def entry_document(card: dict[str, Any], risk: str) -> dict[str, Any]:
    """One risk as the catalogue has it, with what was found in each place: what `risk show --json` prints.

    Raises:
        NotOnTheCard: the catalogue has no such risk.
    """
    from syscard.risks import catalogue

    if risk not in catalogue():
        known = list(catalogue())
        raise NotOnTheCard(f"no risk '{one_line(risk)}' in the catalogue; there is: {known[0]} to {known[-1]}")
    places = [_document(card, risk, one) for one in _places(card, risk)]
    return {**catalogue()[risk].model_dump(mode="json"), "places": places}


def risk_list_text(view: View, width: int = _WIDTH) -> str:
    """Every risk of the catalogue in every place, what is seen first."""
    found = sorted(documents(view["card"]), key=lambda one: _ORDER.index(one["state"]))
    lines = [line for one in found for line in _row(one, width, _named(one))]
    return "\n".join([*lines, "", counts_text(found), "one of them in full: syscard risk show IR-13"]) + "\n"


def counts_text(found: list[dict[str, Any]]) -> str:
    """`1 seen, 8 unknown, 22 not seen`."""
    counts = Counter(one["state"] for one in found)
    return ", ".join(f"{counts[state]} {state}" for state in _ORDER)


def _row(one: dict[str, Any], width: int, rests: str = "") -> Iterator[str]:
    since = f" since {stamp(moment(one['since']))}" if one["since"] and one["state"] != "unknown" else ""
    head = f"{one['risk']} {pad(one_line(one['about']), 12)} {one['state'].upper()}{since}  {one_line(one['name'])}"
    yield from wrap(head, width, first=f"{_MARKS[one['state']]} ", rest="    ")
    yield from wrap(f"{said(one)}{rests}", width, first="    ")


def resting_on(*found: dict[str, Any]) -> str:
    """`edit 5ee1ab12cd34`: the edits that hold what was found; empty where nothing was ever assessed."""
    return ", ".join(dict.fromkeys(f"edit {one['evidence'][:12]}" for one in found if one.get("evidence")))


def _named(*found: dict[str, Any]) -> str:
    return f" ({edits})" if (edits := resting_on(*found)) else ""


def said(found: dict[str, Any]) -> str:
    """What was found, or what is missing, with n."""
    n = f"n {found['n']:,}" if found.get("n") else ""
    told = [found.get("says", ""), f"unknown: {found['why']}" if found["state"] == "unknown" else found.get("why", "")]
    return "; ".join(one_line(part) for part in (*told, n, found.get("detectable", "")) if part)


def risk_text(view: View, risk: str, width: int = _WIDTH) -> str:
    """One risk as the catalogue has it, and how it stands in each place.

    Raises:
        NotOnTheCard: the catalogue has no such risk.
    """
    return "\n".join(_entry(entry_document(view["card"], risk), width)) + "\n"


def _entry(entry: dict[str, Any], width: int) -> Iterator[str]:
    yield from wrap(f"{entry['id']}  {entry['name']}", width, rest="  ")
    for label, text in (
        ("is", entry["definition"]),
        ("between", entry["edges"]),
        ("measured", entry["statistic"]),
        ("without it", entry["null"]),
        ("needs", f"{'; '.join(entry['needs'])}; n {entry['least']}"),
        ("severity", entry["severity"]),
        ("do first", entry["mitigation"]),
        *(("from", reference) for reference in entry["references"]),
    ):
        yield from wrap(text, width, first=f"  {pad(label, 14)}")
    for one in entry["places"]:
        yield ""
        yield from _place(one, width)


def _place(one: dict[str, Any], width: int) -> Iterator[str]:
    yield from _row(one, width)
    if one["effect"] is not None:
        interval = f" ({effect_text(one, 'low')} to {effect_text(one, 'high')})" if one["low"] is not None else ""
        text = f"{effect_text(one, 'effect')}{interval}; what matters is {effect_text(one, 'threshold')}"
        yield from wrap(text, width, first=f"    {pad('effect', 12)}")
    if one["calibration"]:
        yield from wrap(calibration_text(one), width, first=f"    {pad('threshold', 12)}")
    if one["evidence"]:
        text = f"edit {one['evidence'][:12]}, requests up to {stamp(moment(one['measured']))}"
        yield from wrap(text, width, first=f"    {pad('evidence', 12)}")
    for label, refs in (("declared as", one["declared"]), ("traces", one["traces"])):
        yield from wrap(", ".join(map(one_line, refs)), width, first=f"    {pad(label, 12)}") if refs else ()


def effect_text(found: dict[str, Any], key: str) -> str:
    """An effect in the unit of its threshold: `+6.1 points`, `1.8 times`, `0.31`."""
    value = found[key]
    if value is None:
        return "no bound"
    if found["scale"] == "share":
        return f"{100 * value:+.2g} points"
    return f"{value:.3g} times" if found["scale"] == "factor" else f"{value:.3g}"


def calibration_text(found: dict[str, Any]) -> str:
    """Where a threshold comes from: `+4.3 points: the 99th percentile of 20 windows ... is +4.3 points`."""
    kept = {**found["calibration"], "scale": found["scale"]}
    threshold, default = effect_text(kept, "threshold"), effect_text(kept, "default")
    if kept["value"] is None:
        return f"{threshold}: {one_line(kept['method'])}"
    size = f"{kept['windows']} windows of {kept['size']} requests"
    said = f"{one_line(kept['method'])} ({size}) is {effect_text(kept, 'value')}, the catalogue's {default}"
    return f"{threshold}, the larger of two: {said}"


def section_lines(card: dict[str, Any], width: int) -> Iterator[str]:
    """The short form of a card: what is seen, how many are not, and what cannot be told for want of what."""
    found = standing(card)
    if not found:
        return
    yield from wrap(f"of the catalogue: {counts_text(found)} (syscard risk list)", width, first="  ")
    for one in (one for one in found if one["state"] == "seen"):
        text = f"{places([one])}  SEEN since {stamp(moment(one['since']))}: {said(one)}{_named(one)}"
        yield from wrap(text, width, first="! ", rest="    ")
    for why, ones in missing(found).items():
        yield from wrap(f"{places(ones)}: unknown: {why}{_named(*ones)}", width, first="? ", rest="    ")


def standing(card: dict[str, Any]) -> list[dict[str, Any]]:
    """What was found in each place, with since when and the digest of the edit that holds it."""
    return [{**one["found"], "since": one["since"], "evidence": one["evidence"]} for one in assessed(card).values()]


def missing(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What is missing -> what was found of the risks and places that want for it."""
    by: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        if one["state"] == "unknown":
            by.setdefault(one_line(one["why"]), []).append(one)
    return by


def places(found: list[dict[str, Any]]) -> str:
    """`IR-01 cf->vlm, IR-01 cf->llm`."""
    return ", ".join(f"{one['risk']} {one_line(one['about'])}" for one in found)


def of_declared(card: dict[str, Any], declared: dict[str, Any]) -> str:
    """How the risks of the catalogue stand that a declared risk is; empty where it is none of them."""
    refs = declared_as(declared)
    told = [one["found"] for one in assessed(card).values() if one["found"]["risk"] in refs]
    return "; ".join(f"{one['risk']} {one['state']} on {one_line(one['about'])}" for one in told)
