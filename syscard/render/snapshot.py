"""A card version to keep: Markdown, JSON, one HTML file that opens offline, and PDF."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from syscard.blindspots import blind_spots
from syscard.render.html import drawn
from syscard.render.html import html as html
from syscard.render.markdown import as_markdown
from syscard.render.markdown import markdown as markdown
from syscard.render.page import Occasion
from syscard.render.pdf import as_pdf
from syscard.render.report import report, verdict_at
from syscard.views import View

SCHEMA: Final = "syscard.snapshot/1"


def drawings(
    view: View, previous: dict[str, Any] | None, now: datetime, occasion: Occasion | None = None
) -> dict[str, bytes]:
    """Every file of a snapshot by its suffix; the arguments are those of `report`, which is asked once.

    Raises:
        MissingExtra: Jinja2 or Typst is not installed.
        UsageError: the PDF cannot be set.
    """
    page = report(view, previous, now, occasion)
    document = json.dumps(json_document(view, now, occasion), indent=2, ensure_ascii=False) + "\n"
    return {
        "md": as_markdown(page).encode(),
        "json": document.encode(),
        "html": drawn("snapshot.html.j2", page, view).encode(),
        "pdf": as_pdf(page, view, now),
    }


def json_document(view: View, now: datetime | None = None, occasion: Occasion | None = None) -> dict[str, Any]:
    """The snapshot as data.

    Keys: `schema`, `system`, `version`, `written`, `digest` (of the card), `head` (link of the newest edit), `edits`
    (length of the chain), `card`, `live` (None before the monitors ran), `gate` (`stage`, `blocked`, `reasons`),
    `blind_spots` (what watches what), `sources` (which edits say figures without evidence
    of their own), `verdict` (by the clock `now`), and `snapshot` (None where none is taken):
    `number`, `reason`, `start`, `end`, `seen` (what came in that time; None where nobody counted). Notes of people
    stand in the card by digest only; their text stays in the home, where it can be erased.
    """
    kept = {key: view[key] for key in ("written", "digest", "head", "edits", "card", "live", "gate")}
    watched = [asdict(cell) for cell in blind_spots(view)]
    return {"schema": SCHEMA, "system": view["card"]["system"], "version": view["card"]["version"], **kept,
            "blind_spots": watched, "sources": view.get("sources", {}), "verdict": verdict_at(view, now, occasion),
            "snapshot": _occasion(occasion)}  # fmt: skip


def _occasion(occasion: Occasion | None) -> dict[str, Any] | None:
    from syscard.digest import plain  # loads a library that no other face needs

    if occasion is None:
        return None
    seen = None if occasion.seen is None else asdict(occasion.seen)
    told = {"number": occasion.number, "reason": occasion.reason, "start": occasion.start, "end": occasion.end}
    found: dict[str, Any] = plain({**told, "seen": seen})
    return found
