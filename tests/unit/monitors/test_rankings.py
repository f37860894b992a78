from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from syscard.errors import UsageError
from syscard_monitors.assemble import Request
from syscard_monitors.rankings import LEAST_LISTS, Ranked, Training, rankings, read_training
from tests.unit.build import declared
from tests.unit.monitors.build import facts, request

LISTS = ["a", "b", "c"], ["b", "a", "d"]


def asked(n: int = LEAST_LISTS, **lists: Sequence[str]) -> list[Request]:
    """Requests in which cf made a list, and their root is the agent's span."""
    root = facts("root", "agent")
    values = {f"{ref}.items": [list(items)] for ref, items in {"cf": LISTS[0], **lists}.items()}
    return [request(i, values, (root,)) for i in range(n)]


def answer(about: Request, **said: Any) -> Request:
    """What came of a request."""
    return request(900, {**said, "span.links": [[about.place.request]]})


def found(requests: Sequence[Request], feedback: Sequence[Request], training: Training | None = None) -> Ranked:
    return rankings(declared(), requests, feedback, training or Training())["cf"]


def taken(ranked: Ranked) -> list[int]:
    """Rank of what was taken, list by list; 0 for nothing."""
    assert ranked.ranking is not None
    lists = {row.request for row in ranked.ranking.items}
    ranks = {row.request: row.rank for row in ranked.ranking.items if row.taken}
    return [ranks.get(one, 0) for one in sorted(lists)]


def test_feedback_is_joined_to_the_list_of_its_request_by_the_link() -> None:
    requests = asked(12)
    feedback = [answer(r, position=p) for r, p in zip(requests, (3, 1, 0, 2, 0, 0, 1, 1, 1, 2, 0, 0), strict=True)]
    ranked = found(requests, [*feedback[::-1], answer(asked(99)[98], position=1)])
    assert taken(ranked) == [3, 1, 0, 2, 0, 0, 1, 1, 1, 2, 0, 0]
    assert (ranked.lists, ranked.answered) == (12, 12)
    assert ranked.ranking is not None
    assert ranked.ranking.k == 3


def test_a_position_counts_in_what_the_root_s_component_showed() -> None:
    requests = asked(agent=["c", "a"])
    assert taken(found(requests, [answer(r, position=1) for r in requests])) == [3] * LEAST_LISTS


def test_an_item_by_name_needs_no_position_and_one_from_elsewhere_is_a_miss() -> None:
    requests = asked()
    feedback = [answer(r, accepted=True, item="b" if i else "z") for i, r in enumerate(requests)]
    assert taken(found(requests, feedback)) == [0, *[2] * (LEAST_LISTS - 1)]


def test_a_position_that_nobody_can_place_is_not_known() -> None:
    twice = asked(12, llm=["c"])  # neither list is the root's
    ranked = found(twice, [answer(r, position=1) for r in twice])
    assert ranked.answered == 0
    assert ranked.missing["NDCG"] == f"needs {LEAST_LISTS} lists of which it is known what was taken, has 0"
    assert ranked.ranking is not None
    assert not ranked.ranking.accurate
    beyond = asked()
    assert found(beyond, [answer(r, position=9) for r in beyond]).answered == 0


def test_of_a_list_that_was_made_again_the_last_counts() -> None:
    requests = asked()
    again = [request(i, {"cf.items": [LISTS[0], LISTS[1]]}, r.spans) for i, r in enumerate(requests)]
    assert taken(found(again, [answer(r, position=1) for r in again])) == [1] * LEAST_LISTS
    assert taken(found(again, [answer(r, item="a") for r in again])) == [2] * LEAST_LISTS


def test_what_a_metric_needs_and_is_not_there_is_said() -> None:
    few = found(asked(3), [])
    assert few.ranking is None
    assert few.missing["Personalization"] == f"needs {LEAST_LISTS} lists, has 3"
    mixed = [*asked(12), request(50, {"cf.items": [["a"]]})]
    missing = found(mixed, []).missing
    assert missing.keys() == {
        "NDCG", "MAP", "HitRate", "MRR", "Personalization", "PopularityBiasMetric", "Novelty", "Diversity",
        "Serendipity",
    }  # fmt: skip
    assert missing["Personalization"] == "needs 3 items in every list"
    assert rankings(declared(), [request()], (), Training()) == {}


def test_what_it_was_trained_on_is_read_with_numbers_that_describe_items(tmp_path: Path) -> None:
    file = tmp_path / "trained.csv"
    file.write_text("user,item,price\nu1,a,1.5\nu2,a,1.5\nu1,b,2\nu1,c,3\n")
    training = read_training(file)
    assert training.purchases == (("u1", "a"), ("u2", "a"), ("u1", "b"), ("u1", "c"))
    requests = asked()
    ranked = found(requests, [answer(r, position=1) for r in requests], training)
    needed = f"needs cf.history (a list of the items that the user took before) in {LEAST_LISTS} requests"
    assert ranked.missing == {"Serendipity": f"{needed} of which an item was taken, has 0"}
    assert ranked.ranking is not None
    assert ranked.ranking.features == {0: (1.5,), 1: (2.0,), 2: (3.0,)}


def test_what_a_user_took_before_is_read_from_the_request_and_needed_only_where_something_was_taken() -> None:
    training = Training((("u1", "a"), ("u1", "b")), {item: (float(n), 1.0) for n, item in enumerate("abcd")})
    requests = [
        request(i, {"cf.items": [list(LISTS[0])], "cf.history": [["d", "a"]]}, (facts("root", "agent"),))
        for i in range(LEAST_LISTS + 2)
    ]
    feedback = [answer(r, item="b" if i else None, position=None if i else 0) for i, r in enumerate(requests)]
    ranked = found(requests, feedback, training)
    assert ranked.missing == {}
    assert ranked.ranking is not None
    a, d = 0, 3
    assert {p.user for p in ranked.ranking.histories} == set(range(len(requests)))
    assert {p.item for p in ranked.ranking.histories} == {a, d}
    fewer = found(requests, feedback[:LEAST_LISTS], training)
    assert fewer.missing["Serendipity"].endswith(f"has {LEAST_LISTS - 1}")
    undescribed = found(requests, feedback, Training(training.purchases, {"a": (1.0, 1.0)}))
    assert "--trained-on" in undescribed.missing["Serendipity"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,b\n1,2\n", "columns user and item"), ("user,item\n", "no rows"), ("user,item,x\nu,i,dear\n", ":2: .*number"),
     ("user,item,x\nu,i\n", "number")],
)  # fmt: skip
def test_a_file_that_says_nothing_of_training_is_refused(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "trained.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_training(file)
    with pytest.raises(UsageError, match="No such file"):
        read_training(tmp_path / "gone.csv")
