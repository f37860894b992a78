"""Links out to where a team's traces live, from a template in system.yaml. Standard library only; pure.

A trace id comes from outside: what goes into a link is quoted, and only `http` and `https` make one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any, Final
from urllib.parse import quote, urlsplit

PLACEHOLDERS: Final = ("trace_id", "start_ms", "start_iso")
_LONGEST: Final = 2000
_REFERENCE: Final = re.compile(r"^([0-9A-Za-z_-]{1,128})(?:@([0-9]{1,17}))?$")
_MARKUP: Final = re.compile(r"[\s<>\"'`\\\x00-\x1f\x7f]")
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def checked_template(text: str) -> str:
    """A template that links can be made of.

    Raises:
        ValueError: it is no web address, holds markup, or names what no trace has.
    """
    if len(text) > _LONGEST or _MARKUP.search(text):
        raise ValueError("a link has no blanks, quotes or angle brackets, and at most 2,000 characters")
    try:
        fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ValueError(f"its braces do not match: write {_shown()}") from error
    if any(name not in PLACEHOLDERS or spec or how for name, spec, how in fields):
        raise ValueError(f"it may name only {_shown()}")
    if "trace_id" not in {name for name, _, _ in fields}:
        raise ValueError("it does not name {trace_id}: every trace would lead to one page")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or "{" in parts.netloc:
        raise ValueError("write a web address, e.g. https://traces.example/trace/{trace_id}")
    if parts.username or parts.password:
        raise ValueError("a card holds no password: leave the credentials out of the address")
    return text


def _shown() -> str:
    return ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


def link(template: str | None, reference: str) -> str | None:
    """Where a trace (`trace_id@start`, in microseconds) can be looked at; None where nothing says so."""
    found = _REFERENCE.match(reference)
    if not template or not found or not _is_sound(template):
        return None
    start_us = int(found[2] or 0)
    start = _EPOCH + timedelta(microseconds=start_us)
    values = {"trace_id": found[1], "start_ms": str(start_us // 1000), "start_iso": f"{start:%Y-%m-%dT%H:%M:%SZ}"}
    return template.format(**{name: quote(value, safe="") for name, value in values.items()})


def _is_sound(template: str) -> bool:
    """Asked again of every card: one that was changed behind our back makes no link either."""
    try:
        return bool(checked_template(template))
    except ValueError:
        return False


def links(card: dict[str, Any], references: list[str]) -> dict[str, str]:
    """Reference -> link, of those that have one; the JSON of a card in."""
    template = card["traces"].get("trace_url")
    found = {reference: link(template, reference) for reference in references}
    return {reference: url for reference, url in found.items() if url}
