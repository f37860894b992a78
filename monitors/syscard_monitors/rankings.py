"""Lists that were recommended, joined to what came of them: what ranking metrics are computed from. Pure.

A request is one list of a component, and counts as one user: who it was for is not known here. Feedback names its
request by a link, and what was taken by `position` in what was shown (1 is the top, 0 is nothing), or by `item`.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from syscard.errors import UsageError
from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.drift import ByPurchase, RankedItem, Ranking

MOST_REQUESTS: Final = 10_000
"""Of one component, the newest."""
LEAST_LISTS: Final = 10
MOST_PLACES: Final = 10
ACCURACY: Final = ("NDCG", "MAP", "HitRate", "MRR")
"""Evidently's metrics that need to know what was taken."""
OTHERS: Final = ("Personalization", "PopularityBiasMetric", "Novelty", "Diversity", "Serendipity")
_ITEMS: Final = "items"
_HISTORY: Final = "history"
_LINKS: Final = "span.links"


@dataclass(frozen=True)
class Training:
    """What a recommender was trained on, as its owner says."""

    purchases: tuple[tuple[str, str], ...] = ()
    """(user, item)."""
    features: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Numbers that describe an item."""


class Judged(NamedTuple):
    """One list, and what was taken of it."""

    items: tuple[str, ...]
    taken: str | None
    history: tuple[str, ...] = ()
    """What the one behind the request took before."""


class Ranked(NamedTuple):
    """What can be said of one component's lists."""

    ranking: Ranking | None
    lists: int
    answered: int
    """Of which it is known what was taken."""
    missing: dict[str, str]
    """Metric -> why it is not there."""


def rankings(
    system: System, requests: Sequence[Request], feedback: Iterable[Request], training: Training
) -> dict[str, Ranked]:
    """Of every declared component that makes lists of items."""
    answers = _answers(feedback)
    found = {}
    for ref in system.components:
        lists = [(request, items) for request in requests if (items := _list(request, ref))][-MOST_REQUESTS:]
        judged = [
            j._replace(history=_list(request, ref, _HISTORY))
            for request, items in lists
            if (j := _judged(request, items, answers)) is not None
        ]
        if lists:
            found[ref] = _ranked(ref, [items for _, items in lists], judged, training)
    return found


def _answers(feedback: Iterable[Request]) -> dict[str, Request]:
    """Request (`trace/span`) -> what came of it; the first answer counts, as in claims."""
    found: dict[str, Request] = {}
    for answer in feedback:
        for links in answer.values.get(_LINKS, ()):
            for link in links if isinstance(links, list) else ():
                found.setdefault(str(link), answer)
    return found


def _list(request: Request, ref: str, name: str = _ITEMS) -> tuple[str, ...]:
    """The list that the component made, or was given, last."""
    made = [items for items in request.values.get(f"{ref}.{name}", ()) if isinstance(items, list)]
    return tuple(dict.fromkeys(map(str, made[-1]))) if made else ()


def _judged(request: Request, items: tuple[str, ...], answers: Mapping[str, Request]) -> Judged | None:
    """The list with what was taken, None where that is not known. What was taken from elsewhere is a miss of this."""
    answer = answers.get(request.place.request)
    if answer is None:
        return None
    said = {name: answer.values.get(name, [None])[0] for name in ("item", "position", "accepted")}
    if said["accepted"] is False or said["position"] == 0:
        return Judged(items, None)
    if said["item"] is not None:
        return Judged(items, str(said["item"]))
    place, shown = said["position"], _shown(request)
    if isinstance(place, int) and 0 < place <= len(shown):
        return Judged(items, shown[place - 1])
    return None


def _shown(request: Request) -> tuple[str, ...]:
    """What the user saw: the list of the component whose span is the request's root, else the only one there is."""
    root = next((span.component for span in request.spans if span.span_id == request.root_id), None)
    shown = _list(request, root) if root is not None else ()
    lists = [name for name in request.values if name.endswith(f".{_ITEMS}")]
    return shown or (_list(request, lists[0].removesuffix(f".{_ITEMS}")) if len(lists) == 1 else ())


def _ranked(ref: str, lists: list[tuple[str, ...]], judged: list[Judged], training: Training) -> Ranked:
    accurate = len(judged) >= LEAST_LISTS
    used = judged if accurate else [Judged(items, None) for items in lists]
    k = min(MOST_PLACES, Counter(len(one.items) for one in used).most_common(1)[0][0])
    even = all(len(one.items) >= k for one in used)
    missing = dict(_missing(len(judged), k, {item for one in used for item in one.items}, training, even=even))
    missing |= dict(_without_serendipity(ref, judged, k, training))
    if len(used) < LEAST_LISTS:
        why = f"needs {LEAST_LISTS} lists, has {len(used)}"
        return Ranked(None, len(lists), len(judged), dict.fromkeys((*ACCURACY, *OTHERS), why))
    numbers: dict[str, int] = {}
    rows = tuple(
        RankedItem(request, _number(numbers, item), rank, int(item == one.taken))
        for request, one in enumerate(used)
        for rank, item in enumerate(one.items, start=1)
    )
    users: dict[str, int] = {}
    trained = tuple(ByPurchase(_number(users, user), _number(numbers, item)) for user, item in training.purchases)
    described = {} if "Diversity" in missing else {_number(numbers, i): row for i, row in training.features.items()}
    before = () if "Serendipity" in missing else _histories(used, numbers)
    ranking = Ranking(ref, k, rows, accurate, even, trained, described, before)
    return Ranked(ranking, len(lists), len(judged), missing)


def _histories(used: Sequence[Judged], numbers: dict[str, int]) -> tuple[ByPurchase, ...]:
    return tuple(ByPurchase(n, _number(numbers, item)) for n, one in enumerate(used) for item in one.history)


def _missing(judged: int, k: int, items: set[str], training: Training, *, even: bool) -> Iterator[tuple[str, str]]:
    """Metrics that cannot be computed, each with the reason."""
    if judged < LEAST_LISTS:
        why = f"needs {LEAST_LISTS} lists of which it is known what was taken, has {judged}"
        yield from ((name, why) for name in ACCURACY)
    if not even:
        yield "Personalization", f"needs {k} items in every list"
    if not training.purchases:
        why = "needs what the recommender was trained on: --trained-on FILE"
        yield from ((name, why) for name in ("PopularityBiasMetric", "Novelty"))
    if not items <= {*training.features}:
        yield "Diversity", "needs numbers that describe every item: more columns in the file of --trained-on"


def _without_serendipity(ref: str, judged: Sequence[Judged], k: int, training: Training) -> Iterator[tuple[str, str]]:
    """Why there is none: it asks how unlike what one had taken before was what one took."""
    told = [one for one in judged if one.history and one.taken in one.items[:k]]
    if not {item for one in judged for item in (*one.items, *one.history)} <= {*training.features}:
        yield "Serendipity", "needs numbers that describe every item: more columns in the file of --trained-on"
    if len(told) < LEAST_LISTS:
        what = f"{ref}.{_HISTORY} (a list of the items that the user took before)"
        yield "Serendipity", f"needs {what} in {LEAST_LISTS} requests of which an item was taken, has {len(told)}"


def _number(known: dict[str, int], name: str) -> int:
    return known.setdefault(name, len(known))


def read_training(path: Path) -> Training:
    """A CSV file with the columns `user` and `item`, a row each time one took the other; others describe the item.

    Raises:
        UsageError: the file is none.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            names = rows.fieldnames or []
            if not {"user", "item"} <= {*names}:
                raise UsageError(f"{path}: its first line must name the columns user and item")
            more = [name for name in names if name not in ("user", "item")]
            kept = [(row["user"], row["item"], _numbers(path, rows.line_num, row, more)) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'not a CSV file in UTF-8'}") from error
    if not kept:
        raise UsageError(f"{path}: it has no rows")
    features = {item: numbers for _, item, numbers in kept} if more else {}
    return Training(tuple((user, item) for user, item, _ in kept), features)


def _numbers(path: Path, line: int, row: Mapping[str, Any], names: Iterable[str]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(row[name]) for name in names)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}:{line}: what describes an item must be a number in every row") from error
    if not all(map(math.isfinite, numbers)):
        raise UsageError(f"{path}:{line}: what describes an item must be a number in every row")
    return numbers
