from __future__ import annotations

import numpy as np
import pytest

from syscard.attribution import Attribution, PartVerdict
from syscard.edits import Draft
from syscard.incident_edits import AttributeIncident
from syscard.system import SYSTEM
from syscard_monitors import joint
from syscard_monitors.assemble import micros
from syscard_monitors.attributing import FEW, NO_ROWS, attributing, parents_of
from syscard_monitors.graph import Graph
from syscard_monitors.joint import Column, caller_of, columns_of, part_of, rows_of
from syscard_monitors.window import AUTHOR
from tests.unit.build import claim, declared, member, opening
from tests.unit.monitors import build


def test_what_all_of_it_ends_in_is_acted_on_by_everything_before_it() -> None:
    graph = Graph(frozenset("abc"), frozenset({("a", "b"), ("b", "c")}))
    found = parents_of(graph, ["a", "inputs of b", SYSTEM])
    assert found["b"] == {"a", "inputs of b"}
    assert found["c"] == {"a", "b"}
    assert found[SYSTEM] == {"a", "b", "c", "inputs of b"}


def test_what_a_part_is_given_from_outside_goes_by_the_parts_that_pick_it() -> None:
    graph = Graph(frozenset("abc"), frozenset({("a", "b"), ("b", "c")}))
    found = parents_of(graph, ["a", "inputs of a", "inputs of b"])
    assert found["inputs of a"] == frozenset()
    assert found["inputs of b"] == {"a"}


def test_how_often_a_part_is_called_is_what_its_caller_does() -> None:
    system = declared()
    graph = build.graph(system)
    agent = next(ref for ref, c in system.components.items() if c.kind == "agent")
    called = next(ref for ref in system.components if ref in graph.upstream(agent))
    calls = build.signal("ratio", about=called, expr=f"{called}.calls")
    assert part_of(calls, system, graph) == caller_of(called, system, graph) == agent
    reached = build.signal("share", about=called, expr=f"{called}.calls > 0")
    assert part_of(reached, system, graph) == agent
    own = build.signal("ratio", about=called, expr=f"{called}.input_tokens")
    assert part_of(own, system, graph) == called
    assert part_of(own.model_copy(update={"input": True}), system, graph) == f"inputs of {called}"
    assert caller_of(agent, system, graph) == agent


def test_an_expression_is_a_column_once_and_what_is_no_number_is_none() -> None:
    one = build.signal("share", name="one", expr="llm.x")
    same = build.signal("share", name="same", expr="llm.x")
    text = build.signal("category", name="text", expr="llm.y")
    names = [c.name for c in columns_of(declared(), [one, same, text])]
    assert names[:1] == [one.key]
    assert {same.key, text.key} & {*names} == set()


@pytest.mark.parametrize("promises", [3, joint.MOST_COLUMNS + 10])
def test_however_many_promises_there_are_the_columns_are_bounded(promises: int) -> None:
    claims = [claim(id=f"c{i}", about="llm", metric=f"p95(llm.x{i})", expect="<= 3") for i in range(promises)]
    signals = [build.signal("share", name=f"s{i}", expr=f"llm.y{i}") for i in range(100)]
    found = columns_of(declared(claims=claims), signals)
    assert len(found) == joint.MOST_COLUMNS
    assert sum(c.limit is not None for c in found) == min(promises, joint.MOST_COLUMNS)


def test_the_time_of_who_waits_is_told_without_that_of_those_who_are_waited_for() -> None:
    system = declared()
    agent = next(ref for ref, c in system.components.items() if c.kind == "agent")
    (own,) = columns_of(declared(claims=[]), [build.signal("latency", about=agent, expr=f"{agent}.latency_ms")])
    assert {*own.called} == {*system.components} - {agent}
    request = build.request(
        values={f"{agent}.latency_ms": 900.0, "cf.latency_ms": [100.0, 50.0], "llm.latency_ms": 700}
    )
    assert rows_of([own], [request, build.request(1, {"cf.latency_ms": 3})]) == {own.name: [50.0, None]}
    (other,) = columns_of(declared(claims=[]), [build.signal("latency", about="cf", expr="cf.latency_ms")])
    assert other.called == ()


def test_a_promise_about_the_whole_time_is_an_outcome_of_all_parts() -> None:
    fast = claim(id="fast", about="agent", metric="p95(latency)", expect="<= 3s")
    (column,) = columns_of(declared(claims=[fast]), [])
    assert (column.part, column.limit, column.above) == (SYSTEM, 3.0, True)


def test_rows_have_a_number_for_each_request_or_nothing() -> None:
    requests = build.requests("llm.x", [1, None, 0.1 + 0.2])
    found = rows_of([Column("x", "llm", "llm.x"), Column("y", "llm", "llm.y"), Column("z", "llm", "llm.x +")], requests)
    assert found == {"x": [1.0, None, 0.3]}


def test_a_baseline_keeps_evenly_spaced_requests_and_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "MOST_ROWS", 10)
    signal = build.signal("number", about="llm", expr="llm.x")
    body = joint.body_of(declared(), [signal], build.requests("llm.x", list(range(100))))
    kept = body["columns"][signal.key]
    assert len(kept) == 10
    assert np.ptp(kept) > 80
    assert joint.read_joint({"joint": body}) == body["columns"]
    assert joint.read_joint({}) == {}
    assert joint.read_joint({"joint": {**body, "rule": 0}}) == {}, "other columns are not compared with these"


def drafts_of(
    values: list[float], before: list[float] | None, subject: str = "llm", found_on: tuple[str, ...] = ()
) -> list[Draft]:
    signal = build.signal("number", about="llm", expr="llm.x")
    plan = build.plan(signal)
    requests = build.requests("llm.x", values)
    since = build.window().start
    findings = tuple(member(f"{about}.grounded") for about in (subject, *found_on))
    opened = opening(1, subject=subject, since=since, findings=findings)
    card = build.with_drafts(build.card_of(), [Draft(body=opened, author=AUTHOR, observed=since)])
    known = {signal.key: before} if before else {}
    late = [r for r in requests if r.start_us >= micros(since)]
    assert late, "the requests must lie in the incident"
    return attributing(card, plan, {}, lambda n: requests[-n:], build.window(), known)


def body_of(drafts: list[Draft]) -> AttributeIncident:
    found = drafts[-1].body
    assert isinstance(found, AttributeIncident)
    return found


def test_a_baseline_of_an_earlier_release_cannot_tell_and_says_what_to_do() -> None:
    found = body_of(drafts_of([1.0] * 50, None)).attribution
    assert (found.lowered_by, found.parts, found.method) == ((NO_ROWS,), (), "order")


def test_an_incident_is_attributed_with_evidence_of_its_own() -> None:
    rng = np.random.default_rng(2)
    drafts = drafts_of(list(rng.normal(3, 1, 200)), list(rng.normal(0, 1, 500)))
    body = body_of(drafts)
    assert (body.attribution.first, body.subject) == ("llm", None)
    assert body.evidence == drafts[0].digest


def test_it_is_named_anew_only_where_the_test_says_so_clearly() -> None:
    rng = np.random.default_rng(3)
    before, now = list(rng.normal(0, 1, 500)), list(rng.normal(3, 1, 200))
    other = next(c for c in declared().components if c != "llm")
    assert body_of(drafts_of(now, before, subject=other, found_on=("llm",))).subject == "llm"
    assert body_of(drafts_of(now[: FEW // 2], before, subject=other, found_on=("llm",))).subject is None


def test_by_effect_alone_it_is_not_named_after_a_part_on_which_nothing_of_it_was_found() -> None:
    """No promise is missed here: how long a part takes would have the largest effect whenever a machine is busy."""
    rng = np.random.default_rng(3)
    before, now = list(rng.normal(0, 1, 500)), list(rng.normal(3, 1, 200))
    body = body_of(drafts_of(now, before, subject="vlm"))
    assert (body.attribution.first, body.attribution.target, body.subject) == ("llm", "", None)


def test_an_attribution_names_an_incident_anew_on_the_card_and_the_timeline_says_so() -> None:
    verdict = PartVerdict(part="vlm", verdict="changed itself", n=300)
    found = Attribution(
        parts=(verdict,), first="vlm", confidence="high", n_before=900, n_now=300, method="conditional test"
    )
    at = build.window().end
    edits = [
        opening(1, subject="llm", title="grounded 0.90 -> 0.30"),
        AttributeIncident(number=1, attribution=found, subject="vlm"),
    ]
    card = build.with_drafts(build.card_of(), [Draft(body=b, author=AUTHOR, observed=at) for b in edits])
    incident = card.incidents[1]
    assert (incident.subject, incident.attribution) == ("vlm", found)
    assert incident.group.endswith("/vlm")
    assert incident.title == "llm grounded 0.90 -> 0.30", "what was measured is still the llm's"
    assert "named llm before, now vlm" in incident.events[-1].what
    again = AttributeIncident(number=1, attribution=found)
    card = build.with_drafts(card, [Draft(body=again, author=AUTHOR, observed=at)])
    assert "attributed over 300 requests: vlm, confidence high" in card.incidents[1].events[-1].what
