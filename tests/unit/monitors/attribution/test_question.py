"""What another library is asked: a graph of signals without circles, and their rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_monitors.attribution import Series, Table
from syscard_monitors.attribution import question as module
from syscard_monitors.attribution.question import ancestors, contracted, difference, question_of
from tests.unit.monitors.attribution.build import PARTS, SLOW, table


def in_order(parts: dict[str, str], edges: tuple[tuple[str, str], ...]) -> bool:
    places = {name: i for i, name in enumerate(parts)}
    return all(places[u] < places[v] for u, v in edges)


def test_signals_are_nodes_and_who_acts_on_whom_are_edges_without_a_circle() -> None:
    asked = question_of(table(reads=-1.2), [SLOW])
    assert asked is not None
    assert asked.parts == PARTS
    assert {("sharp", "reads"), ("reads", "grounded"), ("score", "grounded")} <= {*asked.edges}
    assert in_order(asked.parts, asked.edges)
    assert not {u for u, v in asked.edges if v in ("sharp", "score")}


def test_the_misses_that_the_attribution_shares_out_are_asked_about_on_its_scale() -> None:
    seen = table(reads=-1.2)
    asked = question_of(seen, [SLOW])
    assert asked is not None
    assert (asked.target, asked.says, asked.of, asked.left_out) == ("wait", "fast enough", "misses", 0)
    wait = next(s for s in seen.series if s.name == "wait")
    rise = (wait.now > SLOW.limit).mean() - (wait.before > SLOW.limit).mean()
    assert asked.change == pytest.approx(rise, abs=1e-9)


def test_where_no_promise_is_missed_the_signal_that_moved_most_is_asked_about() -> None:
    asked = question_of(table(grounded=-3.0), [])
    assert asked is not None
    assert (asked.target, asked.of, asked.limit) == ("grounded", "mean", None)
    assert asked.change < -2
    assert "wait" not in asked.parts, "what lies behind the target does not act on it"


def test_where_yes_or_no_moved_most_it_is_a_share() -> None:
    was, now = np.zeros(300), np.ones(300)
    now[:30] = 0
    asked = question_of(Table([Series("says", "llm", was, now)], {"llm": frozenset()}), [])
    assert asked is not None
    assert (asked.of, asked.change, asked.edges) == ("share", 0.9, ())


def test_where_nothing_varies_nothing_is_asked() -> None:
    same = np.ones(100)
    assert question_of(Table([Series("x", "llm", same, same)], {"llm": frozenset()}), []) is None


def test_beyond_the_most_signals_those_that_moved_least_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SIGNALS", 3)
    asked = question_of(table(reads=-1.2), [SLOW])
    assert asked is not None
    assert [*asked.parts] == ["reads", "grounded", "wait"]
    assert (asked.left_out, asked.edges[0]) == (3, ("grounded", "wait"))


def test_rows_are_bounded_and_evenly_spaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 50)
    seen = table(reads=-1.2)
    asked = question_of(seen, [SLOW])
    assert asked is not None
    assert {len(rows) for rows in (*asked.before.values(), *asked.now.values())} == {50}
    assert asked.before["sharp"][0] == seen.scaled["sharp"].z[10]


def test_gaps_are_a_signal_of_their_own_and_no_row_is_missing() -> None:
    seen = table(reads=-1.2)
    holes = [replace(s, now=np.where(np.arange(len(s.now)) % 3, s.now, np.nan)) for s in seen.series]
    asked = question_of(Table(holes, seen.parents), [SLOW])
    assert asked is not None
    assert not any(np.isnan(rows).any() for rows in asked.now.values())


def test_a_question_is_the_same_after_it_was_sent_and_again_for_the_same_rows() -> None:
    asked, again = (question_of(table(reads=-1.2), [SLOW]) for _ in range(2))
    assert asked is not None
    assert asked == again
    assert type(asked).model_validate_json(asked.model_dump_json()) == asked


GRAPHS = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=25).map(
        lambda pairs: {str(i): [str(u) for u, v in pairs if v == i and u < i] for i in range(n)}
    )
)


@given(GRAPHS, st.data())
def test_what_acted_through_what_is_left_out_still_acts(parents: dict[str, list[str]], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.sampled_from(sorted(parents)), unique=True).map(sorted))
    edges = contracted(kept, parents)
    assert in_order(dict.fromkeys(kept, ""), edges)
    fewer = {name: [u for u, v in edges if v == name] for name in kept}
    for name in kept:
        assert ancestors(name, fewer) == ancestors(name, parents) & {*kept}


def test_a_difference_is_of_shares_beyond_a_limit_or_of_means() -> None:
    assert difference([0, 1], [2, 3], None, above=True) == 2
    assert difference([0, 1], [1, 3], 0.5, above=True) == 0.5
    assert difference([0, 1], [1, 3], 0.5, above=False) == -0.5
