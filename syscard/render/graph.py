"""The declared graph with what spans showed beside it, in words. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from syscard.render.facts import evidence_word, observed_text
from syscard.views import View
from syscard.words import cells, figure, moment, one_line, pad, plural, share, stamp, wrap

_HEADS: Final = (("REQUESTS", 9), ("CALLS", 7), ("P95", 9), ("ERRORS", 8))
_DIFFERENCES: Final = {
    "declared_not_seen": "Declared, and not seen",
    "seen_not_declared": "Seen, and declared by nobody",
    "weak": "Seen by the order of the calls alone, which proves nothing is handed on",
}


def graph_document(view: View, differs: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Every component and edge: as declared, as ever observed, and its traffic in the newest window."""
    card, live = view["card"], (view["live"] or {})
    now = live.get("parts", {})
    return {
        "as_of": live.get("as_of"),
        "components": [
            {**_part(part, now), "observed": part["observed"]} for part in card["components"].values()
        ],
        "edges": [{**_part(edge, now), **_edge(view, edge)} for edge in card["interactions"].values()],
        "differs": {name: list(refs) for name, refs in differs.items()},
    }  # fmt: skip


def _part(part: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    same = {"ref": part["ref"], "declared": part["declared"], "state": part["state"], "why": part["why"]}
    return {**same, "now": now.get(part["ref"])}


def _edge(view: View, edge: dict[str, Any]) -> dict[str, Any]:
    named = {name: edge[name] for name in ("source", "target", "evidence_class", "traces")}
    said = view.get("sources", {}).get(f"interactions/{edge['ref']}")
    return {**named, "examples": edge.get("examples", []), "said_in": said}


def graph_text(view: View, differs: Mapping[str, tuple[str, ...]], width: int) -> Iterator[str]:
    """The graph as a table of parts, and where the declared and the observed one differ."""
    told = graph_document(view, differs)
    yield from wrap(
        f"Traffic of the newest window, to {stamp(moment(told['as_of']))}; of an edge, the calls by which something is "
        "handed on." if told["as_of"] else "The monitors have not run: nothing was seen of it.", width)  # fmt: skip
    for title, parts in (("COMPONENTS", told["components"]), ("EDGES", told["edges"])):
        name = min(30, max((cells(one_line(p["ref"])) for p in parts), default=0) + 2)
        name = max(name, len(title))
        yield ""
        yield "  " + pad(title, name) + "".join(pad(head, size, right=True) for head, size in _HEADS)
        for part in parts:
            yield from _lines(part, name, width)
    yield from ("", "DIFFERENCES")
    found = [(says, told["differs"][key]) for key, says in _DIFFERENCES.items() if told["differs"].get(key)]
    for says, refs in found:
        yield from wrap(f"{says}: {', '.join(map(one_line, refs))}", width, first="  ", rest="    ")
    if not found:
        yield "  none: what is declared is what spans show"


def _lines(part: dict[str, Any], name: int, width: int) -> Iterator[str]:
    now = part["now"] or {}
    mark = "!" if part["declared"] is None else "?" if now.get("silent") else " "
    figures = (f"{now.get('requests', 0):,}", f"{now.get('calls', 0):,}", figure(now.get("p95_ms"), "ms"),
               share(now.get("error_share")))  # fmt: skip
    row = f"{mark} {pad(one_line(part['ref']), name)}"
    yield row + "".join(pad(text, size, right=True) for text, (_, size) in zip(figures, _HEADS, strict=True))
    for text in _told(part, now):
        yield from wrap(text, width, first="      ", rest="        ")


def _told(part: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    if part["declared"] is None:
        yield "NOT DECLARED"
    if "evidence_class" in part:
        said = f" (edit {one_line(part['said_in'][:12])})" if part["said_in"] else ""
        yield f"ever: {observed_text(part)}{said}"
        yield from traffic_lines(now)
    for seen in part.get("observed", ()):
        if not seen["declared"]:
            yield f"NOT DECLARED: {one_line(seen['what'])} {one_line(seen['value'])}"
    if silence := silence_text(now):
        yield silence


def traffic_lines(now: Mapping[str, Any]) -> Iterator[str]:
    """What shows an edge in the newest window, and what is found again of what was handed on."""
    if now.get("evidence"):
        yield "now: " + ", ".join(f"{n:,} by {evidence_word(name)}" for name, n in now["evidence"].items())
    for carried in now.get("carries", ()):
        made, taken = one_line(carried["made_as"]), one_line(carried["taken_as"])
        what = f"{carried['things']:,} {carried['what']}"
        yield f"carries {made} -> {taken}: {what} in {plural(carried['requests'], 'request')}"


def silence_text(now: Mapping[str, Any]) -> str:
    """`SILENT: no longer seen, last 2026-11-22 14:02 UTC`; empty of what is not silent."""
    if not now.get("silent"):
        return ""
    last = f", last {stamp(moment(now['last_shown']))}" if now.get("last_shown") else ""
    return f"SILENT: {now['silent']}{last}"
