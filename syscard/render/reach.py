"""How far an incident reaches, in words. Standard library only."""

from __future__ import annotations

from typing import Any

from syscard.words import plural, share


def reach_text(reach: dict[str, Any]) -> str:
    """`120 of 400 requests (30.0%) came while it fired`."""
    part = f" ({share(reach['requests'] / reach['of'])})" if reach["of"] else ""
    return f"{reach['requests']:,} of {plural(reach['of'], 'request')}{part} came while it fired"
