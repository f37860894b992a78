"""A card version to keep: Markdown, JSON, and one HTML file that opens offline."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from syscard.blindspots import blind_spots
from syscard.render.html import html as html
from syscard.render.markdown import markdown as markdown
from syscard.views import View

SCHEMA: Final = "syscard.snapshot/1"


def json_document(view: View) -> dict[str, Any]:
    """The snapshot as data.

    Keys: `schema`, `system`, `version`, `written`, `digest` (of the card), `head` (link of the newest edit), `edits`
    (length of the chain), `card`, `live` (None before the monitors ran), `gate` (`stage`, `blocked`, `reasons`),
    `blind_spots` (what watches what), `sources` (which edits say figures without evidence of their own). Notes of
    people stand in the card by digest only; their text stays in the home, where it can be erased.
    """
    kept = {key: view[key] for key in ("written", "digest", "head", "edits", "card", "live", "gate")}
    watched = [asdict(cell) for cell in blind_spots(view)]
    return {"schema": SCHEMA, "system": view["card"]["system"], "version": view["card"]["version"], **kept,
            "blind_spots": watched, "sources": view.get("sources", {})}  # fmt: skip
