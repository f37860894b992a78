"""Risks, those of the catalogue too, and what nobody knows. Standard library only."""

from __future__ import annotations

from typing import Any

from syscard.render.facts import spread
from syscard.render.page import Section, Table
from syscard.render.risks import counts_text, resting_on, said, standing
from syscard.views import View
from syscard.words import moment, one_line, stamp


def risks(view: View) -> Section:
    """Declared risks, those of the catalogue that are seen or unknown, and open questions."""
    card = view["card"]
    risks = tuple(
        (one_line(ref), one_line(r["declared"].get("about", "")), one_line(r["declared"].get("says", "")), _seen(r),
         f"{spread(r['declared'], skip=('id', 'says', 'about'))} (declared)")
        for ref, r in sorted(card["risks"].items(), key=lambda pair: not pair[1]["observed_in"])
    )  # fmt: skip
    unknowns = tuple(
        (one_line(ref), one_line(u.get("says", "")), one_line(u.get("owner", "nobody")),
         f"{one_line(u.get('answer_by', '?'))} (declared)")
        for ref, u in card["unknowns"].items()
    )  # fmt: skip
    found = standing(card)
    counts = (f"Interaction risks of the catalogue: {counts_text(found)}.",) if found else ()
    return Section("risks", "Risks and unknowns", says=counts, tables=(
        Table("Risks, observed ones first", ("Risk", "About", "What", "Observed", "Treatment"), risks,
              "No risk is declared."),
        *((_of_catalogue(found),) if found else ()),
        Table("Open questions", ("Unknown", "Question", "Owner", "Answer by"), unknowns, "No unknown is declared."),
    ))  # fmt: skip


def _of_catalogue(found: list[dict[str, Any]]) -> Table:
    """What is seen, and what cannot be told, by name; the rest is a count."""
    seen = [(_named(one["risk"]), one_line(one["about"]), f"seen since {stamp(moment(one['since']))}", said(one),
             resting_on(one))
            for one in found if one["state"] == "seen"]  # fmt: skip
    wanting: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in found:
        if one["state"] == "unknown":
            wanting.setdefault((one["risk"], one_line(one["why"])), []).append(one)
    unknown = [
        (_named(risk), ", ".join(one_line(one["about"]) for one in ones), "unknown", why, resting_on(*ones))
        for (risk, why), ones in wanting.items()
    ]
    heads = ("Risk", "Where", "State", "What was found or is missing", "Evidence")
    none = "All are looked at, and none is seen."
    return Table("Interaction risks that are seen or unknown", heads, (*seen, *unknown), none)


def _named(risk: str) -> str:
    """`IR-01 Error propagation`: a number alone says nothing to who has not read the catalogue."""
    from syscard.risks import catalogue  # brings pydantic

    known = catalogue().get(risk)
    return f"{one_line(risk)} {known.name}" if known else one_line(risk)


def _seen(risk: dict[str, Any]) -> str:
    incidents = ", ".join(f"INC-{n}" for n in risk["observed_in"])
    return f"{incidents}: {'; '.join(map(one_line, risk['says']))}" if incidents else "not so far"
