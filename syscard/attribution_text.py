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
    why = f" ({_less_sure(found)})" if found["lowered_by"] else ""
    sure = f"confidence {one_line(found['confidence'])}{why}"
    if found["first"] is None:
        return f"no part changed beyond doubt, given what reaches it; {sure}"
    own = [p for p in parts if p["part"] in found["causes"]]
    told = " and ".join(f"{one_line(p['part'])}{_share_of(p, found)}" for p in own)
    itself = "themselves, given what reaches them" if len(own) > 1 else "itself, given what reaches it"
    return f"{told} changed {itself}; {sure}"


def untold(incident: Mapping[str, Any]) -> str:
    """Why nothing was tested; empty where it was, or where nobody tried."""
    found = incident.get("attribution") or {}
    if not found or found["parts"]:
        return ""
    return f"cannot tell who changed itself: {_less_sure(found)}"


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
        share = f"  {_range(p)}" if p["share"] is not None else ""
        probability = f"  p {p['p_adjusted']:.2g}" if p["p_adjusted"] is not None else ""
        why = f"  {one_line(p['why'])}" if p["why"] else ""
        yield f"{pad(one_line(p['part']), width)}  {pad(one_line(p['verdict']), 14)}{share}{probability}{why}"


def short_row(incident: Mapping[str, Any]) -> tuple[str, str, str, str] | None:
    """Who is first, the share of the damage, how sure, and what makes it less sure; None where nothing was tested."""
    found = incident.get("attribution") or {}
    if not found or not found["parts"]:
        return None
    share = next((_range(p) for p in found["parts"] if p["part"] == found["first"]), "")
    named = " and ".join(map(one_line, found["causes"])) if found["first"] else "no part beyond doubt"
    return named, share or "not worked out", one_line(found["confidence"]), _less_sure(found) or "nothing"


def factor_lines(incident: Mapping[str, Any]) -> Iterator[str]:
    """Who changed and who may inherit it, for people who look for what let an incident happen: never as a proof."""
    found = incident.get("attribution") or {}
    if not found or not found["parts"]:
        return
    for p in found["parts"]:
        if p["verdict"] == "unchanged" or ("->" in p["part"] and p["verdict"] != "changed itself"):
            continue
        share = f", {_range(p)} of the rise of misses of {one_line(found['target'])}" if _range(p) else ""
        yield f"{one_line(p['part'])}: {one_line(p['verdict'])}{share}{'; ' * bool(p['why'])}{one_line(p['why'])}"
    less = _less_sure(found)
    yield f"confidence {one_line(found['confidence'])}{f', lowered by: {less}' if less else ''}"
    yield "the test tells who changed itself, given what reaches it; it is no proof of cause"


def _less_sure(found: Mapping[str, Any]) -> str:
    return "; ".join(map(one_line, found["lowered_by"]))


def _range(part: Mapping[str, Any]) -> str:
    """`58 % (41 to 70 %)`: a share with the 5th and 95th percentile over resamples; empty where there is none."""
    if part["share"] is None:
        return ""
    return f"{_percent(part['share'])} ({100 * part['low']:.0f} to {_percent(part['high'])})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
