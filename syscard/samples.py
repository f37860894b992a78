"""A sample in words: what stands beside a figure whose requests their senders had sampled. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from syscard.words import share

_BY: Final = {"probability": "at random", "rate limit": "by a rate limit", "tail": "by a tail sampler"}
_WHOLE: Final = 0.995
"""From this share of the requests on, all of them are spoken of."""


def sample_mark(sampling: Mapping[str, Any] | None) -> str:
    """`sampled 1 in 10, biased towards errors`; empty where no request says that it is one of a sample."""
    if not sampling or not sampling["sampled"]:
        return ""
    part = sampling["sampled"] / max(1, sampling["requests"])
    some = f"{share(part)} " if part < _WHOLE else ""
    how = f"biased towards {sampling['towards']}" if sampling.get("towards") else _BY.get(sampling.get("by") or "", "")
    how_many = _how_many(sampling.get("kept"))
    between = ", " if "," in how_many or how.startswith("biased") else " "
    return f"{some}sampled{how_many}{between if how else ''}{how}"


def _how_many(kept: float | None) -> str:
    if kept is None:
        return ", nobody says how many"
    if kept > 0.5:
        return f", {share(kept)} kept"
    return f" 1 in {1 / kept:,.0f}" if kept < 0.1 else f" 1 in {1 / kept:.3g}"


def beside(text: str, sampling: Mapping[str, Any] | None) -> str:
    """A figure with its mark: `0.30 (sampled 1 in 10 at random)`."""
    mark = sample_mark(sampling)
    return f"{text} ({mark})" if mark else text


def together(marks: Mapping[str, str]) -> str:
    """The marks of several figures, by their names, in one line: one for all where they are alike."""
    found = {name: mark for name, mark in marks.items() if mark}
    alike = dict.fromkeys(found.values())
    return next(iter(alike)) if len(alike) == 1 else "; ".join(f"{name} {mark}" for name, mark in found.items())
