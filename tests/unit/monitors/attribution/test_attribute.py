from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from syscard.attribution import Attribution, PartVerdict, component_of
from syscard_monitors.attribution import Options, Series, Table, Target, attribute
from syscard_monitors.attribution.naming import NO_DAMAGE
from tests.unit.monitors.attribution.build import GRAPH, SLOW, table


def verdict(found: Attribution, part: str) -> PartVerdict:
    return next(p for p in found.parts if p.part == part)


def test_who_changed_is_named_and_those_behind_it_inherit() -> None:
    found = attribute(table(reads=-1.2), [SLOW])
    assert (found.first, found.causes, found.tie, found.confidence) == ("vlm", ("vlm",), False, "high")
    told = {p.part: p.verdict for p in found.parts if "->" not in p.part}
    assert told == {
        "inputs of vlm": "unchanged",
        "cf": "unchanged",
        "vlm": "changed itself",
        "llm": "inherited",
        "agent": "inherited",
    }
    assert found.target == "fast enough"
    assert found.damage is not None
    assert found.damage > 0.05
    share = verdict(found, "vlm")
    assert share.share == pytest.approx(1, abs=0.25)
    assert share.low is not None
    assert share.low > 0.5
    assert verdict(found, "llm").share is None


def test_the_share_of_a_part_and_of_the_rest_sum_to_the_damage_that_was_seen() -> None:
    two = table(reads=-1.0, wait=0.3, n=1_000)
    found = attribute(two, [SLOW])
    assert set(found.causes) == {"vlm", "agent"}
    assert sum(p.share or 0 for p in found.parts) == pytest.approx(1, abs=0.2)


def test_an_edge_that_carries_less_is_told_apart_from_a_level_that_moved() -> None:
    slope = attribute(table(slope=-0.3, n=1_000), [SLOW])
    assert verdict(slope, "vlm->llm").verdict == "changed itself"
    assert verdict(slope, "cf->llm").verdict == "unchanged"
    level = attribute(table(grounded=-1.0, n=1_000), [SLOW])
    assert (level.first, verdict(level, "vlm->llm").verdict) == ("llm", "unchanged")


def test_inputs_that_drift_are_told_as_inputs_and_outrank_nobody() -> None:
    found = attribute(table(sharp=0.8, grounded=-1.0), [SLOW])
    assert found.first == "llm"
    assert verdict(found, "inputs of vlm").verdict == "changed itself"
    assert found.causes == ("llm",)
    assert component_of("inputs of vlm") == "vlm"


def test_nothing_changed_and_nobody_is_named() -> None:
    wrong = [seed for seed in range(40) if attribute(table(seed=10 * seed), [SLOW]).first is not None]
    assert len(wrong) <= 1


def test_only_the_mix_of_inputs_moved_and_no_part_is_blamed() -> None:
    for seed in range(15):
        found = attribute(table(seed=10 * seed, sharp=0.6), [SLOW])
        blamed = {p.part for p in found.parts if p.verdict == "changed itself"}
        assert blamed == {"inputs of vlm"}, seed


def test_without_damage_who_changed_is_told_and_shares_are_not() -> None:
    found = attribute(table(score=1.0), [Target("wait", 50.0)])
    assert (found.first, found.target, found.damage) == ("cf", "", None)
    assert NO_DAMAGE in found.lowered_by
    assert {p.share for p in found.parts} == {None}
    assert found.method == "conditional test"


def test_too_few_requests_cannot_tell() -> None:
    found = attribute(table(n=30, reads=-2.0), [SLOW])
    assert {p.verdict for p in found.parts} == {"cannot tell"}
    assert (found.first, found.causes) == (None, ())


def test_a_part_without_signals_cannot_be_told_of_and_lowers_confidence() -> None:
    known = table(reads=-1.2)
    graph = {**GRAPH, "agent": frozenset({"llm", "guard"}), "guard": frozenset({"llm"})}
    found = attribute(replace(known, parents=graph, silent=frozenset({"guard"})), [SLOW])
    assert verdict(found, "guard").verdict == "cannot tell"
    assert any("guard has no signal" in why for why in found.lowered_by)
    assert found.confidence == "medium"


def test_a_graph_in_doubt_makes_the_confidence_low() -> None:
    found = attribute(replace(table(reads=-1.2), doubts=("seen, not declared: cf->agent",)), [SLOW])
    assert (found.first, found.confidence) == ("vlm", "low")
    assert "seen, not declared: cf->agent" in found.lowered_by


def test_an_edge_that_nobody_declared_shows_in_the_baseline_and_blames_nobody() -> None:
    known = table(reads=-1.5)
    found = attribute(replace(known, parents={**GRAPH, "llm": frozenset({"cf"})}), [SLOW])
    assert found.first == "vlm"
    assert verdict(found, "llm").verdict != "changed itself"
    assert any("llm and vlm go together" in why for why in found.lowered_by)


def test_parts_with_a_way_between_them_may_go_together_and_leave_no_doubt() -> None:
    """What the signals between do not carry comes the same way: here they carry next to nothing."""
    rng = np.random.default_rng(5)
    level = rng.normal(size=2_000)
    first, last = level + rng.normal(0, 0.2, 2_000), level + rng.normal(0, 0.2, 2_000) - 2 * (np.arange(2_000) >= 1_000)
    told = {"a": first, "b": rng.normal(size=2_000), "c": last}
    series = [Series(name, name, values[:1_000], values[1_000:]) for name, values in told.items()]
    way = {"a": frozenset[str](), "b": frozenset({"a"}), "c": frozenset({"b"})}
    together = "in the baseline a and c go together, and the graph does not say why"
    for graph, doubts in ((way, False), ({**way, "b": frozenset[str]()}, True)):
        found = attribute(Table(series, graph), [])
        assert found.first == "c"
        assert (together in found.lowered_by) == doubts


def test_a_circle_in_the_graph_is_broken_where_it_is_named_first() -> None:
    known = table(reads=-1.2)
    circle = replace(known, parents={**GRAPH, "vlm": frozenset({"inputs of vlm", "agent"})})
    assert set(circle.parts) == set(GRAPH)
    assert attribute(circle, [SLOW]).first == "vlm"


def test_what_is_missing_more_often_is_a_change_of_its_part() -> None:
    known = table(n=800)
    gone = np.random.default_rng(4).random(800) < 0.3
    series = [
        Series(s.name, s.part, s.before, np.where(gone, np.nan, s.now)) if s.name == "score" else s
        for s in known.series
    ]
    found = attribute(Table(series, GRAPH), [SLOW])
    assert (found.first, verdict(found, "cf").why) == ("cf", "score is missing changed, given what reaches it")


def test_what_never_happened_before_is_inherited_from_what_never_did_either() -> None:
    """An error of the model that the agent hands on: both were constant in the baseline."""
    known = table(n=600)
    fails = (np.random.default_rng(5).random(600) < 0.2).astype(float)
    never = np.zeros(1_000)
    series = [*known.series, Series("llm fails", "llm", never, fails), Series("agent fails", "agent", never, fails)]
    found = attribute(Table(series, GRAPH), [Target("agent fails", 0.5, says="answers")])
    assert (found.first, found.target) == ("llm", "answers")
    assert verdict(found, "agent").verdict == "inherited"
    assert verdict(found, "llm").share == pytest.approx(1, abs=0.1)


def test_a_part_that_got_much_slower_than_ever_is_named_with_all_of_the_damage() -> None:
    rng = np.random.default_rng(6)
    own, other = 20 + rng.gamma(4, 0.5, 1_600), 900 + rng.gamma(9, 60, 1_600)
    own[1_000:] += 800
    names = (("cf ms", "cf", own), ("llm ms", "llm", other), ("all ms", "agent", own + other + rng.gamma(2, 50, 1_600)))
    graph = {"cf": frozenset[str](), "llm": frozenset({"cf"}), "agent": frozenset({"cf", "llm"})}
    found = attribute(
        Table([Series(name, part, v[:1_000], v[1_000:]) for name, part, v in names], graph), [Target("all ms", 2_000)]
    )
    assert (found.first, found.causes) == ("cf", ("cf",))
    assert verdict(found, "cf").share == pytest.approx(1, abs=0.15)


def test_a_chain_of_bent_mechanisms_is_not_continued_beyond_what_was_seen() -> None:
    """Squares of squares of squares: run anew from where they never were, they left every number behind."""
    rng = np.random.default_rng(7)
    level = rng.normal(size=1_600)
    level[1_000:] += 8
    series, graph = [Series("s0", "p0", level[:1_000], level[1_000:])], {"p0": frozenset[str]()}
    for i in range(1, 13):
        before, now = series[-1].before, series[-1].now
        was = 0.5 * before**2 + 0.3 * before + rng.normal(size=1_000) * 0.5
        series.append(Series(f"s{i}", f"p{i}", (was - was.mean()) / was.std(), rng.normal(size=len(now)) + 5))
        graph[f"p{i}"] = frozenset({f"p{i - 1}"})
    found = attribute(Table(series, graph), [Target("s12", 3.0)])
    assert found.damage is not None
    assert found.damage > 0.5
    assert sum(p.share or 0 for p in found.parts) <= 1.01


def summed(seed: int, spread: float, shift: float, own: float = 1.0) -> Attribution:
    """Two steps and the whole, which takes as long as both and next to nothing more; durations are skewed."""
    rng = np.random.default_rng(seed)
    steps = [100 * (i + 1) * np.exp(spread * rng.normal(size=1_600)) for i in range(2)]
    steps[0][1_000:] *= np.exp(shift * spread)
    whole = steps[0] + steps[1] + rng.gamma(2, 0.5, 1_600)
    whole[1_000:] *= own
    names = (("a ms", "a", steps[0]), ("b ms", "b", steps[1]), ("all ms", "agent", whole))
    graph = {"a": frozenset[str](), "b": frozenset[str](), "agent": frozenset({"a", "b"})}
    late = Target("all ms", float(np.quantile(whole[:1_000], 0.95)))
    return attribute(Table([Series(name, part, v[:1_000], v[1_000:]) for name, part, v in names], graph), [late])


@pytest.mark.parametrize("spread", [0.2, 0.4, 0.8])
def test_the_sum_of_what_steps_take_inherits_a_step_that_moved_by_four_standard_deviations(spread: float) -> None:
    for seed in range(4):
        found = summed(seed, spread, shift=4)
        assert (found.first, found.causes) == ("a", ("a",))
        assert verdict(found, "agent").verdict == "inherited"
        assert verdict(found, "a").share == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("spread", [0.2, 0.4, 0.8])
def test_a_sum_that_takes_longer_than_its_steps_is_named_itself(spread: float) -> None:
    found = summed(1, spread, shift=0, own=1 + 0.2 * spread)
    assert (found.first, verdict(found, "a").verdict) == ("agent", "unchanged")


def test_a_number_in_its_own_unit_keeps_sums_and_gaps() -> None:
    a, b = np.array([1.0, 2.0, 90.0, np.nan]), np.array([3.0, 1.0, 2.0, 5.0])
    known = Table([Series("a", "p", a, a * 100), Series("b", "p", b, b)], {"p": frozenset()}).scaled["a"]
    plain = known.plain(4)
    assert plain.z[3] == plain.z[7] == 0
    assert np.ptp(np.diff(plain.z[[0, 1, 2, 4, 5, 6]]) / np.diff(known.raw[[0, 1, 2, 4, 5, 6]])) < 1e-12
    assert known.z[6] < plain.z[6]


def test_the_same_requests_give_the_same_attribution_and_the_seed_decides_the_rest() -> None:
    one, again = (attribute(table(reads=-1.0, wait=0.3), [SLOW]) for _ in range(2))
    assert one == again
    other = attribute(table(reads=-1.0, wait=0.3), [SLOW], Options(seed=5))
    assert other.causes == one.causes


def test_signals_that_never_vary_and_signals_without_a_value_say_nothing() -> None:
    known, nothing = table(n=300, reads=-1.2), np.full(1_000, np.nan)
    more = [Series("same", "cf", np.ones(1_000), np.ones(300)), Series("none", "cf", nothing, nothing[:300])]
    found = attribute(Table([*known.series, *more], GRAPH), [SLOW])
    assert found.first == "vlm"


def test_no_signals_at_all_is_no_error() -> None:
    found = attribute(Table([], GRAPH), [SLOW])
    assert {p.verdict for p in found.parts} == {"cannot tell"}


def test_what_stands_for_the_outcome_of_all_parts_is_nobody_s_and_is_never_named() -> None:
    known = table(wait=2.0)
    graph = {**GRAPH, "all": frozenset(GRAPH)}
    series = [replace(s, part="all") if s.name == "wait" else s for s in known.series]
    assert attribute(Table(series, graph), [SLOW]).first == "all"
    found = attribute(Table(series, graph, outcomes=frozenset({"all"})), [SLOW])
    assert found.first is None
    assert all("all" not in p.part for p in found.parts)
