# ruff: noqa: E501 - the tables below read best with one case a line
"""What the parts of system.yaml say of each other, and what is only warned of."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from syscard.system_checks import faults, warnings
from syscard.system_file import parse_system, read_system, read_warnings
from tests.unit.syscard.test_system_file import FILE, GOOD, line_with, problems_of, swap, the_problem

CROSS = [
    ("  cf->vlm: {order", "  cf->vml: {order", "interactions.cf->vml", "there is no component 'vml'", "vlm"),
    ("  cf->vlm: {order", "  cf->cf: {order", "interactions.cf->cf", "does not hand things to itself", ""),
    ("about: system", "about: vml", "claims[1] fast.about", "there is no component 'vml'", "vlm"),
    ("about: system", "about: cf->llm", "claims[1] fast.about", "'cf->llm' is not declared under interactions", "cf->vlm"),
    ("    about: vlm->llm\n    says: A", "    about: llm->vlm\n    says: A", "risks[0] R-1.about", "'llm->vlm' is not declared", "vlm->llm"),
    ("watch: [grounded]", "watch: [gronded]", "risks[0] R-1.watch[0]", "there is no claim 'gronded'", "grounded"),
    ("by: [age_band]", "by: [age]", "claims[0] grounded.by[0]", "'age' is not among traces.segments", "age_band"),
    ("    vlm.agrees: {", "    vml.agrees: {", "monitors.tune.vml.agrees", "there is no component 'vml'", "vlm"),
    ("    vlm.agrees: {", "    vlm: {", "monitors.tune.vlm", "'vlm' names no signal", "<component or edge>.<signal>"),
    ("    vlm.agrees: {", "    vlm.: {", "monitors.tune.vlm.", "names no signal", "<component or edge>.<signal>"),
    ("    cf->vlm.share: {", "    cf->llm.share: {", "monitors.tune.cf->llm.share", "'cf->llm' is not declared", "cf->vlm"),
    ("    vlm.agrees: {", "    shop.agrees: {", "monitors.tune.shop.agrees", "there is no component 'shop'", ""),
    ("  - id: fast", "  - id: grounded", "claims[1] grounded.id", "already the id of claims[0]", "another id"),
    ("  - {id: U-1", "  - {id: R-1", "unknowns[0] R-1.id", "already the id of risks[0]", "another id"),
    ("share(llm.grounded >= 0.6)", "share(lllm.grounded)", "claims[0] grounded.metric", "there is no component 'lllm'", "llm"),
    ('expect: ">= 0.90"', 'expect: ">= 90"', "claims[0] grounded.expect", "a share lies between 0 and 1", ">= 0.90"),
    ('expect: ">= 0.90"', 'expect: ">= 101%"', "claims[0] grounded.expect", "a share lies between 0 and 1", ">= 0.90"),
    ('expect: ">= 0.90"', 'expect: ">= -1"', "claims[0] grounded.expect", "a share lies between 0 and 1", ">= 0.90"),
    ('expect: ">= 0.90"', 'expect: ">= 0"', "claims[0] grounded.expect", "so nothing is promised", ">= 0.90"),
    ('expect: ">= 0.90"', 'expect: "> 100%"', "claims[0] grounded.expect", "so it cannot be kept", ">= 0.90"),
    ('expect: ">= 0.90"', 'expect: "== 0"', "claims[0] grounded.expect", "== can only be promised as == 0 of a count", ""),
    ('expect: ">= 0.90"', 'expect: ">= 3s"', "claims[0] grounded.expect", "a duration makes no sense for share(...)", "a number"),
    ("expect: <= 3s", "expect: <= 3%", "claims[1] fast.expect", "a percentage makes no sense for p95(...)", "<= 0.03"),
    ("expect: <= 3s", "expect: == 0", "claims[1] fast.expect", "== can only be promised as == 0 of a count", ""),
    ("retain: 30d", "retain: 0d", "traces.retain", "not zero", "retain: 1d"),
    ("    vlm.agrees: {", "    cf.latency: {objective: {p95: 0s}}\n    vlm.agrees: {",
     "monitors.tune.cf.latency.objective.p95", "not zero", "p95: 1d"),
    ("retain: 30d", "clock_skew: 0ms", "traces.clock_skew", "more than nothing and at most 1h", "clock_skew: 50ms"),
    ("retain: 30d", "clock_skew: 2h", "traces.clock_skew", "more than nothing and at most 1h", "clock_skew: 50ms"),
    ("valid_for: 1d", "valid_for: 0s", "claims[1] fast.valid_for", "not zero", "valid_for: 1d"),
    ("{syscard.component: vlm}", "{syscard.component: cf}", "components.vlm.select", "selects the same spans as cf", "vlm"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "said", "hint"), CROSS, ids=[f"{c[2]}: {c[3]}" for c in CROSS])
def test_a_contradiction_is_told_with_its_line_and_its_place(old: str, new: str, at: str, said: str, hint: str) -> None:
    (problem,) = (p for p in problems_of(swap(old, new)) if p.where == at)
    assert problem.line == GOOD[: GOOD.index(old)].count("\n") + 1
    assert said in problem.what
    assert hint in problem.write


@pytest.mark.parametrize(
    ("metric", "expect", "said"),
    [
        ("count(pii)", "== 0", ""),
        ("count(pii)", "<= 3", ""),
        ("count(pii)", "== 3", "== can only be promised"),
        ("count(pii)", ">= -1", "never below 0"),
        ("count(pii)", "<= 3s", "a duration makes no sense"),
        ("count(pii)", "<= 3%", "a percentage makes no sense"),
        ("mean(llm.cost)", "<= 3", ""),
        ("mean(latency)", "<= 300ms", ""),
        ("mean(llm.error)", "<= 3%", ""),
        ("p99(cf.latency_ms)", "<= 300", ""),
        ("p99(cf.latency_ms)", "<= 0.3s", "is in milliseconds"),
        ("p50(latency)", "<= 3", ""),
        ("share(error)", "<= 1%", ""),
        ("share(segment.age_band = 'x.y')", "<= 0.5", ""),
        ("share(vlm.item.id not in cf.items)", "<= 0.5", ""),
        ("disparity(accepted)", "<= 1.25", "names none"),
        ("disparity(accepted)", "<= 0.8", "never below 1"),
    ],
)
def test_an_expectation_fits_what_its_metric_can_be(metric: str, expect: str, said: str) -> None:
    text = swap("expect: <= 3s", f'expect: "{expect}"', swap("metric: p95(latency)", f"metric: {metric}"))
    if said:
        assert any(said in p.what for p in problems_of(text))
    else:
        assert parse_system(text, "f").claims[1].expect == expect


def test_a_limit_against_milliseconds_is_rewritten_in_milliseconds() -> None:
    text = swap("expect: <= 3s", "expect: <= 0.3s", swap("metric: p95(latency)", "metric: p95(cf.latency_ms)"))
    assert the_problem(text).write == '"<= 300"'


def test_disparity_by_a_segment_is_a_promise() -> None:
    text = swap("metric: p95(latency)", "metric: disparity(accepted)\n    by: [age_band]")
    assert parse_system(swap("<= 3s", "<= 1.25", text), "f").claims[1].by == ("age_band",)


def test_a_component_cannot_take_a_word_that_means_something_else() -> None:
    text = swap("  cf: {kind", "  segment: {kind: tool, owner: x, select: {a: b}}\n  cf: {kind")
    problem = the_problem(text)
    assert (problem.line, problem.where) == (line_with("  segment:", text), "components.segment")


def test_edges_may_go_round_in_a_circle_but_not_in_order() -> None:
    loop = swap("  vlm->llm: {order: before}\n", "  vlm->llm: {order: before}\n  llm->cf: {}\n")
    assert len(parse_system(loop, "f").edges) == 3
    problem = the_problem(swap("llm->cf: {}", "llm->cf: {order: before}", loop))
    assert "goes round in a circle" in problem.what
    assert problem.what.count("->") == 3
    assert problem.line in (29, 30, 31)
    assert problem.where.endswith(".order")


def test_every_circle_is_told() -> None:
    loops = swap(
        "  vlm->llm: {order: before}\n",
        "  vlm->llm: {order: before}\n  llm->vlm: {order: before}\n  vlm->cf: {order: before}\n",
    )
    assert len([p for p in problems_of(loops) if "circle" in p.what]) == 2


def test_days_that_have_passed_are_warnings_with_their_lines() -> None:
    assert read_warnings(FILE, date(2027, 1, 15)) == ()
    assert [(p.line, p.where) for p in read_warnings(FILE, date(2027, 2, 2))] == [
        (line_with("next: 2027", GOOD), "system.review.next"),
        (line_with("until:", GOOD), "risks[0] R-1.until"),
        (line_with("answer_by", GOOD), "unknowns[0] U-1.answer_by"),
    ]


def test_a_risk_that_is_not_accepted_has_no_day_to_miss(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_text(swap("treatment: accept", "treatment: mitigate"), encoding="utf-8")
    assert "until" not in " ".join(p.where for p in read_warnings(path, date(2030, 1, 1)))


def test_a_claim_that_looks_back_further_than_spans_are_kept_is_a_warning() -> None:
    system = parse_system(swap("retain: 30d", "retain: 30m"), "f")
    found = warnings(system, date(2026, 11, 22))
    assert [p.where for p in found] == ["claims[0] grounded.window.last", "claims[1] fast.window.last"]
    assert {p.line for p in found} == {1}, "without the file no line is known"


def test_a_good_system_has_no_faults() -> None:
    assert faults(read_system(FILE)) == ()
