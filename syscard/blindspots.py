"""What watches what: every part against the topics of a card, and where nothing looks. Standard library only.

A cell is watched where a signal, a claim or a comparison of groups gives a verdict; unknown where one is there and
gives none; else it is a blind spot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from syscard.slices import claim_status, claim_unit, missing_text
from syscard.views import View
from syscard.words import one_line

Topic = Literal["quality", "drift", "latency", "cost", "safety", "fairness"]
TOPICS: Final[tuple[Topic, ...]] = ("quality", "drift", "latency", "cost", "safety", "fairness")
OF_KIND: Final[dict[str, Topic]] = {
    "share": "quality",
    "rate": "quality",
    "number": "drift",
    "category": "drift",
    "volume": "drift",
    "embedding": "drift",
    "ratio": "cost",
    "latency": "latency",
}
"""What a signal is about if its pack does not say."""
SILENT: Final = "nobody has looked since: the watcher is silent"
_VERDICTS: Final = ("ok", "warn", "breach", "holds", "broken", "even", "uneven")


@dataclass(frozen=True)
class Cell:
    """One part and one topic."""

    part: str
    topic: str
    state: Literal["watched", "unknown", "not watched"]
    by: tuple[str, ...] = ()
    """Signals, claims and comparisons of groups that give a verdict; of an unknown cell those that should."""
    why: str = ""


@dataclass(frozen=True)
class _Watching:
    part: str
    topic: str
    name: str
    state: str
    why: str


def blind_spots(view: View, *, fresh: bool = True) -> tuple[Cell, ...]:
    """Every component, edge and the system by every topic, in order.

    Args:
        view: the card and what the monitors know.
        fresh: False where the watcher is silent: then nothing is watched now.
    """
    found: defaultdict[tuple[str, str], list[_Watching]] = defaultdict(list)
    for one in _watching(view):
        found[one.part, one.topic].append(one)
    parts = [*view["card"]["components"], *view["card"]["interactions"], "system"]
    return tuple(_cell(part, topic, found[part, topic], view, fresh=fresh) for part in parts for topic in TOPICS)


def _cell(ref: str, topic: str, found: Sequence[_Watching], view: View, *, fresh: bool) -> Cell:
    part = one_line(ref)
    telling = tuple(w.name for w in found if w.state in _VERDICTS)
    if telling and fresh:
        return Cell(part, topic, "watched", telling)
    if telling:
        return Cell(part, topic, "unknown", telling, SILENT)
    if found:
        return Cell(part, topic, "unknown", tuple(w.name for w in found), found[0].why or "no verdict yet")
    if not view["live"]:
        return Cell(part, topic, "unknown", why="the monitors have not run")
    if topic == "fairness" and view["card"]["traces"].get("segments") and not view["live"].get("groups"):
        return Cell(part, topic, "unknown", why="groups were not compared yet")
    return Cell(part, topic, "not watched")


def _watching(view: View) -> Iterator[_Watching]:
    live = view["live"] or {}
    for signal in live.get("signals", {}).values():
        topic = signal.get("topic") or OF_KIND.get(signal["kind"])
        if topic:
            name = one_line(signal["key"].removeprefix(f"{signal['about']}."))
            yield _Watching(signal["about"], topic, name, signal["state"], one_line(signal["why"]))
    for ref, claim in view["card"]["claims"].items():
        declared = claim["declared"]
        why = missing_text(claim["slices"][0])
        yield _Watching(str(declared.get("about")), topic_of(declared), one_line(ref), claim_status(claim), why)
    yield from _of_groups((live.get("groups") or {}).get("disparities", ()))


def _of_groups(disparities: Iterable[dict[str, Any]]) -> Iterator[_Watching]:
    for told in disparities:
        name = one_line(f"{told['label']} by {told['segment']}")
        yield _Watching(told["about"], "fairness", name, told["state"], one_line(told["why"]))


def topic_of(claim: dict[str, Any]) -> str:
    """What a claim is about: as declared, else by its metric; what must never happen is a matter of safety."""
    metric = str(claim.get("metric", ""))
    if claim.get("topic"):
        return str(claim["topic"])
    if metric.startswith("disparity("):
        return "fairness"
    if claim_unit(claim) == "s" or "latency" in metric:
        return "latency"
    if "tokens" in metric:
        return "cost"
    never = str(claim.get("expect", "")).replace(" ", "") in ("==0", "<=0")
    return "safety" if never else "quality"
