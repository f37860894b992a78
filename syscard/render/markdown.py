"""The report as Markdown. Everything from outside is escaped: it can be no heading, link, image, cell or markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from syscard.render.page import Occasion, Report, Section, Table
from syscard.render.report import report
from syscard.views import View
from syscard.words import one_line

# `<` and `&` as entities, because several renderers pass HTML through even after a backslash.
_SPECIAL: Final = re.compile(r"([\\`*_\[\]|~$])")
_AT_START: Final = re.compile(r"^([#>+=-]|\d+(?=[.)]))")
_LINK: Final = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\b(www)(?=\.)|@")


def markdown(
    view: View, previous: dict[str, Any] | None = None, now: datetime | None = None, occasion: Occasion | None = None
) -> str:
    """The snapshot as Markdown; the arguments are those of `report`."""
    return as_markdown(report(view, previous, now, occasion))


def as_markdown(page: Report) -> str:
    """A report as Markdown."""
    return "\n".join(_document(page)) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no cell border, no link that a renderer makes by itself."""
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    plain = _SPECIAL.sub(r"\\\1", plain)
    plain = _AT_START.sub(lambda m: m[1] + "\\" if m[1].isdigit() else "\\" + m[1], plain)
    return _LINK.sub(_unlinked, plain)


def _unlinked(found: re.Match[str]) -> str:
    """The last letter of a scheme as an entity: it reads the same, and no renderer makes a link of it."""
    text = found[0]
    return f"{text[:-1]}&#{ord(text[-1])};"


def _document(page: Report) -> Iterator[str]:
    yield from (f"# {escaped(page.title)}", "", f"**{escaped(page.summary)}**", "")
    yield from (f"- {escaped(label)}: {escaped(text)}" for label, text in page.facts)
    for section in page.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {escaped(section.title)}", "")
    for text in section.says:
        yield from (escaped(text), "")
    yield from (f"- {escaped(item)}" for item in section.items)
    for table in section.tables:
        yield from _table(table)
    if section.links:
        yield from ("*Example traces*", "")
        yield from (f"- {escaped(f'{whose}: {text}: {url}')}" for whose, text, url in section.links)


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield from (escaped(table.empty), "")
        return
    yield from (f"*{escaped(table.caption)}*", "")
    yield _row(table.heads)
    yield "|" + " --- |" * len(table.heads)
    yield from (_row(row) for row in table.rows)
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(escaped(cell) or " " for cell in cells) + " |"
