"""The report as PDF/A-2b by Typst: no network, no fonts but those that the package carries, no file but the template.

The only module that imports Typst.
"""

from __future__ import annotations

import json
from datetime import datetime
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from syscard.errors import MissingExtra, UsageError
from syscard.render.page import Occasion, Report
from syscard.render.paper import MOST_PAGES, ROOMS, document
from syscard.render.report import report
from syscard.views import View
from syscard.words import one_line

if TYPE_CHECKING:
    import typst

_STANDARD: Final = "a-2b"


def pdf(
    view: View, previous: dict[str, Any] | None = None, now: datetime | None = None, occasion: Occasion | None = None
) -> bytes:
    """The snapshot on paper; the arguments are those of `report`.

    Raises:
        MissingExtra: Typst is not installed.
        UsageError: Typst cannot set it, with its words.
    """
    return as_pdf(report(view, previous, now, occasion), view, now)


def as_pdf(page: Report, view: View, now: datetime | None = None) -> bytes:
    """A report of a view on paper.

    Raises:
        MissingExtra: Typst is not installed.
        UsageError: Typst cannot set it, with its words.
    """
    typst = _typst()
    footer = f"{one_line(view['card']['system'])} v{view['card']['version']}, digest {view['digest'][:16]}"
    try:
        data = fitted(page, view, footer)
        made = (now or datetime.fromisoformat(view["card"]["observed"])).replace(microsecond=0)
        found = _compiler(data).compile(format="pdf", pdf_standards=_STANDARD, timestamp=made)
    except typst.TypstError as error:
        raise UsageError(f"the PDF could not be set: {one_line(error)}") from error
    return cast("bytes", found)  # one document


def fitted(page: Report, view: View, footer: str) -> dict[str, Any]:
    """What the template draws, with as much before the annex as its pages hold."""
    for room in ROOMS:
        data = document(page, view, room, footer)
        if body_pages(data) <= MOST_PAGES:
            break
    return data


def body_pages(data: dict[str, Any]) -> int:
    """How many pages stand before the annex."""
    alone = _compiler({**data, "annex": []})
    return int(json.loads(alone.query("<body-ends>", field="value", one=True)))


def _typst() -> ModuleType:
    try:
        import typst
    except ImportError as error:
        raise MissingExtra("server", "snapshot") from error
    return typst


def _compiler(data: dict[str, Any]) -> typst.Compiler:
    template = files("syscard.render").joinpath("templates", "snapshot.typ").read_bytes()
    inputs = {"page": json.dumps(data, ensure_ascii=False)}
    compiler: typst.Compiler = _typst().Compiler(template, ignore_system_fonts=True, sys_inputs=inputs)
    return compiler
