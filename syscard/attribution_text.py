"""An attribution in words, for every face. Standard library only: it reads what the card holds as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from syscard.words import one_line, pad

METHOD_BY_ORDER: Final = "order"


def method_of(incident: Mapping[str, Any]) -> str:
    """`conditional test, Shapley`, `conditional test`, or `order`: that of the declared graph, which is no test."""
    found = incident.get("attribution") or {}
    return str(found["method"]) if found.get("parts") else METHOD_BY_ORDER


def cause_text(found: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> str:
    """Who changed itself, how sure that is, and what makes it less sure."""
    why = f" ({'; '.join(map(one_line, found['lowered_by']))})" if found["lowered_by"] else ""
    sure = f"confidence {found['confidence']}{why}"
    if found["first"] is None:
        return f"no part changed beyond doubt, given what reaches it; {sure}"
    own = [p for p in parts if p["part"] in found["causes"]]
    told = " and ".join(f"{one_line(p['part'])}{_share_of(p, found)}" for p in own)
    return f"{told} changed {'themselves' if len(own) > 1 else 'itself'}, given what reaches it; {sure}"


def _share_of(part: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    if part["share"] is None:
        return ""
    return f" ({_percent(part['share'])} of the rise of misses of {one_line(found['target'])})"


def verdict_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A table: part, verdict, share of the damage, p."""
    rows = found["parts"]
    if not rows:
        return
    width = max(len(one_line(p["part"])) for p in rows)
    for p in rows:
        share = (
            f"  {_percent(p['share'])} ({_percent(p['low'])} to {_percent(p['high'])})"
            if p["share"] is not None
            else ""
        )
        probability = f"  p {p['p_adjusted']:.2g}" if p["p_adjusted"] is not None else ""
        why = f"  {one_line(p['why'])}" if p["why"] else ""
        yield f"{pad(one_line(p['part']), width)}  {pad(p['verdict'], 14)}{share}{probability}{why}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
