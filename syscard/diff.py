"""What materially changed between two versions of a card, in plain sentences, the gravest first.

Pure functions over the JSON of two cards (`view["card"]`, or `Card.model_dump(mode="json")`); standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from syscard.incident_states import OPEN_STATES
from syscard.samples import sample_mark
from syscard.slices import claim_status, claim_unit, telling_slice
from syscard.words import figure, one_line, plural

CardJson = dict[str, Any]
Mark = Literal["+", "-", "=", "?"]
_TEXT_LIMIT: Final = 60


@dataclass(frozen=True)
class Change:
    """One thing that a reader of the card must know."""

    kind: str
    """What changed: `claim`, `incident`, `part`, `group`, `risk`, `unknown`, `dataset`, `version`, `declared`, `waiver`
    or `baseline`; of `syscard.diff_standing` also `approval`."""
    mark: Mark
    """`+` came, `-` went or changed, `=` stands as it should again, `?` is not known any more."""
    text: str
    ref: str
    """Where to look next: `INC-1`, `E-7`, `edit 5ee1ab12cd34`, or the part itself."""


def material_diff(before: CardJson, after: CardJson) -> tuple[Change, ...]:
    """Every material difference, ordered by how much it matters; empty for two equal cards."""
    found = [(rank, change) for rule in _RULES for rank, change in rule(before, after)]
    return tuple(change for _, change in sorted(found, key=lambda pair: pair[0]))


_Ranked = Iterator[tuple[int, Change]]
# Ranks: 0 broken claims, 1 incidents, 2 claims no longer known, 3 parts, 4 groups, risks and waivers, 5 claims that
# hold again, 6 incidents over, 7 parts, groups and risks that are well again, 8 parts and versions that came or went,
# 9 declared text, 10 the rest.


def _said(word: str, text: str) -> str:
    return f"{word:<9} {text}"


def _table(card: CardJson, name: str) -> dict[str, Any]:
    return {str(key): value for key, value in card.get(name, {}).items()}


def _both(before: CardJson, after: CardJson, name: str) -> Iterator[tuple[str, Any, Any]]:
    """Every key of either side, with what stands on each; None where it is missing."""
    old, new = _table(before, name), _table(after, name)
    for key in dict.fromkeys((*new, *old)):
        yield key, old.get(key), new.get(key)


def _claims(before: CardJson, after: CardJson) -> _Ranked:
    for ref, old, new in _both(before, after, "claims"):
        if new is None:
            yield 9, Change("claim", "-", f"claim {one_line(ref)} was taken off the card", one_line(ref))
            continue
        was, now = (claim_status(old) if old else None), claim_status(new)
        if was != now:
            yield _crossing(ref, old, new, was, now, after)
        else:
            yield from _slices(ref, old, new, after)


def _crossing(ref: str, old: Any, new: Any, was: str | None, now: str, card: CardJson) -> tuple[int, Change]:
    rank, mark = _CROSSED.get(now, (2, "?"))
    if was is None and now == "unknown":
        rank, mark = 9, "+"
    lost = "lost its evidence: " if was in ("holds", "broken") and now in ("unknown", "stale") else ""
    text = _said(now.upper(), f"{one_line(ref)}  {lost}{_moved(old, new)} ({_behind(new)})")
    return rank, Change("claim", mark, text, _where(ref, new, card))


_CROSSED: Final[dict[str, tuple[int, Mark]]] = {"broken": (0, "+"), "stale": (2, "?"), "holds": (5, "=")}


def _moved(old: Any, new: Any) -> str:
    """`0.91 -> 0.30`, in the slice that decides."""
    unit, slice_ = claim_unit(new["declared"]), telling_slice(new)
    values = [s["value"] for s in (old or {"slices": []})["slices"] if s["slice"] == slice_["slice"]]
    where = "" if slice_["slice"] == "all" else f" in {one_line(slice_['slice'])}"
    if slice_["value"] is None:
        return one_line(slice_["why"]) or "no figure"
    shown = figure(slice_["value"], unit)
    return (f"{figure(values[0], unit)} -> {shown}" if values and values[0] is not None else shown) + where


def _behind(claim: Any) -> str:
    slice_ = telling_slice(claim)
    promised = f"promised {one_line(claim['declared'].get('expect', '?'))}"
    figures = f"{promised}, n {slice_['n']:,}" if slice_["value"] is not None else promised
    mark = sample_mark(slice_.get("sampled"))
    return f"{figures}, {mark}" if mark else figures


def _where(ref: str, claim: Any, card: CardJson) -> str:
    """The incident about the same part, else the evidence, else the claim itself."""
    about = claim["declared"].get("about")
    for incident in reversed(_table(card, "incidents").values()):
        parts = {incident["subject"], *(f["about"] for f in incident["findings"]), *incident["inherited_by"]}
        if incident["state"] in OPEN_STATES and about in parts and claim_status(claim) == "broken":
            return f"INC-{incident['number']}"
    evidence = card.get("evidence", {}).get(telling_slice(claim)["evidence"] or "")
    return str(evidence["id"]) if evidence else one_line(ref)


def _slices(ref: str, old: Any, new: Any, card: CardJson) -> _Ranked:
    """Slices that broke inside a claim that was broken before."""
    was = {s["slice"]: s["status"] for s in old["slices"]}
    for slice_ in new["slices"]:
        if slice_["status"] == "broken" != was.get(slice_["slice"]):
            value = figure(slice_["value"], claim_unit(new["declared"]))
            text = _said("BROKEN", f"{one_line(ref)}  also in {one_line(slice_['slice'])}: {value} ({_behind(new)})")
            yield 0, Change("claim", "+", text, _where(ref, new, card))


def _incidents(before: CardJson, after: CardJson) -> _Ranked:
    for _, old, new in _both(before, after, "incidents"):
        incident = new or old
        name, was, now = f"INC-{incident['number']}", (old or {}).get("state"), (new or {}).get("state")
        says = f"{name} {incident['severity']}: {one_line(incident['subject'])}: {one_line(incident['title'])}"
        if was == now:
            if now in OPEN_STATES and old["severity"] != new["severity"]:
                yield 1, Change("incident", "+", _said("RAISED", f"{says}, was {old['severity']}"), name)
            continue
        if now in OPEN_STATES:
            word = str(now).upper() if was in OPEN_STATES else "REOPENED" if was else "OPENED"
            yield 1, Change("incident", "+", _said(word, says), name)
        else:
            over = str(now or "gone").replace("_", " ").upper()
            yield 6, Change("incident", "=", _said(over, says), name)


def _parts(before: CardJson, after: CardJson) -> _Ranked:
    for table, kind in (("components", "component"), ("interactions", "interaction")):
        for ref, old, new in _both(before, after, table):
            if old is None or new is None:
                yield 8, _came_or_went(kind, ref, new)
            elif old["state"] != new["state"]:
                yield _part_moved(ref, old, new)


def _came_or_went(kind: str, ref: str, new: Any) -> Change:
    if new is None:
        return Change("part", "-", _said("GONE", f"{kind} {one_line(ref)}"), one_line(ref))
    return Change(
        "part", "+", _said("NEW", f"{kind} {one_line(ref)}{'' if new['declared'] else ', not declared'}"), one_line(ref)
    )


def _part_moved(ref: str, old: Any, new: Any) -> tuple[int, Change]:
    state = new["state"]
    why = f": {one_line(new['why'])}" if new["why"] else ""
    name = f"INC-{new['incident']}" if new["incident"] is not None else one_line(ref)
    rank, mark = _PART_MOVED.get(state, (3, "?"))
    return rank, Change("part", mark, _said(state.upper(), f"{one_line(ref)}, was {old['state']}{why}"), name)


_PART_MOVED: Final[dict[str, tuple[int, Mark]]] = {"ok": (7, "="), "broken": (3, "+"), "inherited": (3, "+")}


TOLD_OF_GROUPS: Final = ("uneven", "amplified")
"""States of a metric by segment that are told when they come and when they go."""


def _groups(before: CardJson, after: CardJson) -> _Ranked:
    """Metrics that crossed what is tolerated between groups, and those that are no longer known to."""
    for ref, old, new in _both(before, after, "groups"):
        was, now = (one["state"] if one else "unknown" for one in (old, new))
        if was != now and (was in TOLD_OF_GROUPS or now in TOLD_OF_GROUPS):
            before_that = f", was {was}" if old else ""
            yield _crossed("group", now, TOLD_OF_GROUPS, f"{one_line(ref)}{before_that}", new or old)


def _assessed(before: CardJson, after: CardJson) -> _Ranked:
    """Risks of the catalogue that are seen now, or not any more."""
    for ref, old, new in _both(before, after, "assessed"):
        was, now = (one["state"] if one else "unknown" for one in (old, new))
        if was != now and "seen" in (was, now):
            found = new["found"] if new else {}
            says = one_line((found.get("says") if now != "unknown" else found.get("why")) or "")
            before_that = f", was {was}" if old else ""
            yield _crossed("risk", now, ("seen",), f"{one_line(ref)}{before_that}{says and f': {says}'}", new or old)


def _crossed(kind: str, now: str, bad: tuple[str, ...], text: str, rests: dict[str, Any]) -> tuple[int, Change]:
    """What an assessment says now, by the edit that holds its figures."""
    mark: Mark = "+" if now in bad else "?" if now == "unknown" else "="
    word = "RISK SEEN" if now == "seen" else now.upper()
    return (7 if mark == "=" else 4), Change(kind, mark, _said(word, text), f"edit {rests['evidence'][:12]}")


def _risks(before: CardJson, after: CardJson) -> _Ranked:
    for ref, old, new in _both(before, after, "risks"):
        seen = tuple((new or {}).get("observed_in", ()))[len((old or {}).get("observed_in", ())) :]
        if new is not None and seen:
            says = one_line(new["says"][-1]) if new["says"] else one_line(new["declared"].get("says", ""))
            yield 4, Change("risk", "+", _said("RISK", f"{one_line(ref)} now observed: {says}"), f"INC-{seen[-1]}")
        asked, asks = (one is not None and one["declared"].get("kind") == "unknown" for one in (old, new))
        if asked != asks:
            yield 9, _came("risk", ref, asks, (new or old)["declared"], question=True)
        elif (old is None) != (new is None):
            yield 9, _came("risk", ref, new is not None, (new or old)["declared"])


def _unknowns(before: CardJson, after: CardJson) -> _Ranked:
    for ref, old, new in _both(before, after, "unknowns"):
        if (old is None) != (new is None):
            yield 9, _came("unknown", ref, new is not None, new or old, question=True)


def _datasets(before: CardJson, after: CardJson) -> _Ranked:
    for ref, old, new in _both(before, after, "datasets"):
        if (old is None) != (new is None):
            yield 9, _came("dataset", ref, new is not None, {"says": (new or old)["name"]})


def _came(kind: str, ref: str, is_new: bool, declared: Any, *, question: bool = False) -> Change:
    """Something that is declared now or no longer; of a question, that it was opened or closed."""
    asked: tuple[tuple[Mark, str], ...] = ("=", "CLOSED"), ("?", "OPEN")
    listed: tuple[tuple[Mark, str], ...] = ("-", "GONE"), ("+", "NEW")
    mark, word = (asked if question else listed)[is_new]
    text = _said(word, f"{kind} {one_line(ref)}: {one_line(declared.get('says', ''))}")
    return Change(kind, mark, text, one_line(ref))


def _versions(before: CardJson, after: CardJson) -> _Ranked:
    for ref, old, new in _both(before, after, "components"):
        known = [(o["what"], o["value"]) for o in (old or {}).get("observed", ())]
        for seen in (new or {}).get("observed", ()):
            if (seen["what"], seen["value"]) not in known:
                was = [value for what, value in known if what == seen["what"]]
                change = f"{one_line(was[-1])} -> {one_line(seen['value'])}" if was else one_line(seen["value"])
                undeclared = "" if seen["declared"] else ", not declared"
                text = _said("SEEN", f"{one_line(ref)} {one_line(seen['what'])} {change}{undeclared}")
                yield 8, Change("version", "+", text, one_line(ref))


def _declared(before: CardJson, after: CardJson) -> _Ranked:
    for name in ("identity", "traces", "monitors"):
        yield from _texts(name, name, before.get(name) or {}, after.get(name) or {})
    for table in ("components", "interactions", "claims", "risks"):
        for ref, old, new in _both(before, after, table):
            if old is not None and new is not None:
                yield from _texts(ref, ref, old["declared"] or {}, new["declared"] or {})
    for table in ("unknowns", "datasets"):
        for ref, old, new in _both(before, after, table):
            if old is not None and new is not None:
                yield from _texts(ref, ref, old, new)


def _texts(where: str, ref: str, old: dict[str, Any], new: dict[str, Any]) -> _Ranked:
    for key in dict.fromkeys((*new, *old)):
        if old.get(key) != new.get(key):
            was, now = _shown(old.get(key)), _shown(new.get(key))
            text = f"DECLARED  {one_line(where)} {one_line(key)}: {was} -> {now}"
            yield 9, Change("declared", "-", text, one_line(ref))


def _shown(value: Any) -> str:
    """A declared value, short."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, list):
        value = ", ".join(str(v) for v in value)
    if isinstance(value, dict):
        value = ", ".join(f"{k} {v}" for k, v in value.items())
    text = one_line(value)
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 3] + "..."


def _waivers(before: CardJson, after: CardJson) -> _Ranked:
    for ref, old, new in _both(before, after, "waivers"):
        if new is None or (old is not None and old["revoked"] == new["revoked"]):
            continue
        scope = f" for {', '.join(map(one_line, new['scope']))}" if new["scope"] else ""
        what = f"{ref} {one_line(new['rule'])}{scope}"
        if new["revoked"]:
            by = one_line(new["revoked"]["by"])
            yield 4, Change("waiver", "=", _said("REVOKED", f"{what}, by {by}"), ref)
        else:
            by = one_line(new["approver"])
            yield 4, Change("waiver", "-", _said("WAIVED", f"{what} until {new['expires'][:10]}, granted by {by}"), ref)


def _baseline(before: CardJson, after: CardJson) -> _Ranked:
    old, new = before.get("baseline"), after.get("baseline")
    if old == new:
        return
    if new is None:
        yield 10, Change("baseline", "-", _said("GONE", "the baseline"), "baseline")
        return
    requests = plural(new["requests"], "request")
    text = _said("BASELINE", f"{one_line(new['name'])}, {requests}, approved by {one_line(new['approved_by'])}")
    yield 10, Change("baseline", "+", text, "baseline")


_RULES: Final[tuple[Callable[[CardJson, CardJson], _Ranked], ...]] = (
    _claims, _incidents, _parts, _groups, _assessed, _risks, _unknowns, _datasets, _versions, _declared, _waivers,
    _baseline,
)  # fmt: skip
