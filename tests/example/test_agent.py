"""The agent as a graph, and what its spans say: the models are small, LangGraph and the SDK are real."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from recommender.agent import Agent, Asked, contact_of
from recommender.conditions import Conditions
from recommender.faults import BY_NAME, conditions
from recommender.traffic import TODAY, Shopper
from tests.example.small import NEW, SHOPPER, Ranks, Says, models


def serve(agent: Agent, shopper: Shopper = SHOPPER, **conditions: Any) -> Any:
    return agent.serve(Asked(shopper, Conditions(**conditions), (1, 5), TODAY))


def by_component(spans: InMemorySpanExporter) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for span in spans.get_finished_spans():
        attributes = dict(span.attributes or {})
        found.setdefault(str(attributes["syscard.component"]), []).append(attributes)
    return found


def span_of(spans: InMemorySpanExporter, component: str) -> ReadableSpan:
    return next(s for s in spans.get_finished_spans() if (s.attributes or {})["syscard.component"] == component)


def test_a_request_is_one_trace_under_the_agents_span(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    shown = serve(Agent(models(tmp_path)))
    found = spans.get_finished_spans()
    assert [span.name for span in found] == [
        "retrieval cf", "generate_content vlm", "generate_content vlm", "chat llm", "invoke_agent agent",
    ]  # fmt: skip
    assert len({span.context.trace_id for span in found}) == 1
    root = found[-1]
    assert all(span.parent is not None and span.parent.span_id == root.context.span_id for span in found[:-1])
    assert shown.reference.split("-")[1:3] == [f"{root.context.trace_id:032x}", f"{root.context.span_id:016x}"]
    assert shown.items == (0, 1, 2)


def test_spans_say_what_no_convention_names(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    serve(Agent(models(tmp_path)))
    found = by_component(spans)
    (cf,), (first, second), (llm,), (agent,) = found["cf"], found["vlm"], found["llm"], found["agent"]
    assert cf["syscard.component.version"] == "als-small"
    assert cf["syscard.cf.items"] == ("00", "11", "22", "33", "44")
    assert (cf["syscard.cf.scores"], cf["syscard.cf.candidate_count"]) == ((0.9, 0.8, 0.7, 0.6, 0.5), 6)
    assert (cf["syscard.cf.known_user"], cf["syscard.cf.history_len"]) == (True, 12)
    assert (cf["syscard.cf.data.asof"], cf["syscard.cf.data.age_days"]) == ("2026-11-15", 1)
    assert first["syscard.vlm.item.id"] == "00"
    assert len(first["syscard.vlm.image.sha256"]) == 64
    assert (first["syscard.vlm.image.mime"], first["syscard.vlm.image.bytes"] > 100) == ("image/jpeg", True)
    assert (first["syscard.vlm.tags"], first["syscard.vlm.tag_confidence"]) == (("tag0", "tag1", "tag2"), (0.5,) * 3)
    assert ("syscard.vlm.label" in first, second["syscard.vlm.label"]) == (False, "LOCAL")
    assert llm["gen_ai.response.model"] == "small-q4_1"
    assert len(llm["syscard.prompt.hash"]) == 12
    assert llm["syscard.llm.rationale.names_item"] is True
    assert (agent["syscard.user.segment"], len(agent["syscard.user.id"])) == ("35-44", 16)
    assert (agent["syscard.agent.items"], agent["syscard.agent.tries"]) == (("00", "11", "22"), 1)


def test_data_grow_older_by_the_day(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    Agent(models(tmp_path)).serve(Asked(SHOPPER, Conditions(), (1, 5), TODAY + timedelta(days=9)))
    found = by_component(spans)
    assert found["cf"][0]["syscard.cf.data.age_days"] == 10
    assert (found["vlm"][0]["syscard.vlm.data.asof"], found["vlm"][0]["syscard.vlm.data.age_days"]) == ("2026-11-16", 9)


def test_no_span_holds_a_picture_or_the_shoppers_key(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    serve(Agent(models(tmp_path)))
    said = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "household-7" not in said
    assert "JFIF" not in said
    assert max(len(v) for s in spans.get_finished_spans() for v in map(str, (s.attributes or {}).values())) < 500


def test_a_shopper_without_history_falls_back_and_says_why(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    serve(Agent(models(tmp_path)), NEW)
    cf = span_of(spans, "cf")
    assert (cf.attributes or {})["syscard.cf.fallback"] is True
    assert [(e.name, dict(e.attributes or {})) for e in cf.events] == [("fallback", {"reason": "no history"})]
    assert "nothing yet" in by_component(spans)["llm"][0]["gen_ai.input.messages"]


def test_a_model_that_hangs_is_an_error_and_a_fixed_sentence(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    shown = serve(Agent(models(tmp_path)), model_hangs=True)
    llm = span_of(spans, "llm")
    assert shown.reason == "Recommended because it is popular in fruit."
    assert llm.status.status_code is StatusCode.ERROR
    assert ((llm.attributes or {})["error.type"], (llm.attributes or {})["syscard.llm.fallback"]) == (
        "TimeoutError",
        True,
    )
    assert span_of(spans, "agent").status.status_code is not StatusCode.ERROR


def test_a_product_whose_picture_shows_something_else_is_not_put_first(tmp_path: Path, spans: object) -> None:
    class Doubts(Ranks):
        def recommend(self, user: int | None, count: int, how: Any) -> Any:
            return replace(super().recommend(user, count, how), scores=(0.9, 0.85, 0.7, 0.6, 0.5))

    class LooksOnce:
        version = "x"

        def read(self, served: Any, item: int, tags: int) -> Any:
            found = models(tmp_path).reader.read(served, item, tags)
            return replace(found, category="something else") if item == 0 else found

    shown = serve(Agent(models(tmp_path, fresh=Doubts(), reader=LooksOnce())))
    assert shown.items == (1, 0, 2)


def test_a_tool_loop_asks_the_recommender_again_and_again(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    ranks = Ranks()
    serve(Agent(models(tmp_path, fresh=ranks)), asks=8)
    assert len(ranks.asked) == 8
    assert len(by_component(spans)["cf"]) == 8
    assert by_component(spans)["agent"][0]["syscard.agent.tries"] == 8


@pytest.mark.parametrize(
    ("name", "component", "attribute", "value"),
    [
        ("dark-pictures", "vlm", "syscard.vlm.agrees", False),
        ("aged-recommender", "cf", "syscard.cf.data.age_days", 246),
        ("silent-model-change", "llm", "gen_ai.response.model", "small-q4_0"),
        ("verbose-pictures", "vlm", "syscard.vlm.n_tags", 40),
        ("temperature-error", "llm", "gen_ai.request.temperature", 1.5),
    ],
)
def test_a_fault_shows_on_the_component_that_it_is_on(
    name: str, component: str, attribute: str, value: object, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    agent = Agent(models(tmp_path))
    on = conditions([(BY_NAME[name], 1.0)], np.random.default_rng(0))
    for asked in (Conditions(), on, Conditions()):
        agent.serve(Asked(SHOPPER, asked, (1, 5), TODAY))
    seen = [found[attribute] for found in by_component(spans)[component]]
    calls = len(seen) // 3
    assert set(seen[calls : 2 * calls]) == {value}
    assert value not in (*seen[:calls], *seen[2 * calls :]), "it is on for its own request alone"


def test_swapped_pictures_are_read_as_what_they_show(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    agent = Agent(models(tmp_path))
    serve(agent)
    serve(agent, pictures_swapped=True)
    pictures = [v["syscard.vlm.image.sha256"] for v in by_component(spans)["vlm"]]
    assert pictures[0] != pictures[2]


def test_the_prompt_of_the_day_is_told_by_its_hash(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    agent = Agent(models(tmp_path))
    for prompt in ("standard", "standard", "french", "contact", "sales"):
        serve(agent, prompt=prompt)
    hashes = [found["syscard.prompt.hash"] for found in by_component(spans)["llm"]]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_the_contact_of_a_shopper_is_made_up_and_always_the_same() -> None:
    assert contact_of(SHOPPER) == "Henry Miller, henry.miller@mail.example"
    assert len({contact_of(replace(SHOPPER, household=i)) for i in range(100)}) == 100


def test_an_instrumentor_may_write_the_conventions_instead(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    serve(Agent(models(tmp_path), speaks=False))
    llm = by_component(spans)["llm"][0]
    assert not [
        key for key in llm if key.startswith("gen_ai.") and key not in ("gen_ai.operation.name", "gen_ai.request.model")
    ]
    assert llm["syscard.llm.rationale.words"] > 0


def test_the_same_seed_is_the_same_request(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    writer = Says()
    agent = Agent(models(tmp_path, writer=writer))
    assert replace(serve(agent), reference="") == replace(serve(agent), reference="")
    assert writer.said[0] == writer.said[1]
    pictures = [v["syscard.vlm.image.sha256"] for v in by_component(spans)["vlm"]]
    assert pictures[:2] == pictures[2:]
    assert json.loads(by_component(spans)["llm"][0]["gen_ai.input.messages"])[0]["role"] == "user"
