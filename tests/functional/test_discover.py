"""`syscard discover`: the draft is accepted, selects what it says it selects, and leaves nothing undeclared."""

from __future__ import annotations

import itertools
import json
import lzma
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from syscard.system import System
from syscard.system_file import parse_system
from syscard_monitors.edges import PLUMBING
from syscard_tracing.files import requests
from tests.functional.helpers import one_line, recorded, shifted, spans_of, syscard

DATA = Path(__file__).parent.parent / "data" / "traces"
FOLDER = DATA.parent / "dialects"
LANGCHAIN = ("mlflow-langchain", "openinference-langchain", "traceloop-langchain", "langsmith-langchain",
             "openlit-langchain", "otel-genai-langchain-latest", "mlflow-genai-langchain")  # fmt: skip
AGENTS = ("otel-genai-langchain-latest", "openinference-langchain", "mlflow-langchain")
EDGES = {"llm->recommend-items", "recommend-items->llm"}
_numbers = itertools.count(1)


def again(document: dict[str, Any], **resource: str) -> dict[str, Any]:
    """The same request under another trace id, and from another place."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    number = next(_numbers)
    for span in spans_of(copy):
        span["traceId"] = f"{number:032x}"
    for group in copy["resourceSpans"]:
        kept = [a for a in group["resource"]["attributes"] if a["key"].replace(".", "_") not in resource]
        named = [{"key": k.replace("_", "."), "value": {"stringValue": v}} for k, v in resource.items()]
        group["resource"]["attributes"] = kept + named
    return copy


def agent(dialect: str, times: int, **resource: str) -> list[dict[str, Any]]:
    """An agent's loop so many times, two seconds apart."""
    document = json.loads((DATA / f"{dialect}-02.json").read_text())
    shift = 2_000_000_000
    return [json.loads(shifted(json.dumps(again(document, **resource)).encode(), i * shift)) for i in range(times)]


def call(service: str, number: int, name: str = "search", **more: Any) -> dict[str, Any]:
    """One request of a service: a root that calls a tool."""
    start = 1_795_000_000_000_000_000 + number * 2_000_000_000

    def span(span_id: str, parent: str, key: str, value: str, at: int) -> dict[str, Any]:
        named = [{"key": key, "value": {"stringValue": value}}]
        times = {"startTimeUnixNano": str(start + at), "endTimeUnixNano": str(start + 1_000_000_000 - at)}
        return {"traceId": f"{number + 999:032x}", "spanId": span_id, "parentSpanId": parent, "name": value,
                "attributes": named, **times}  # fmt: skip

    spans = [
        span("a" * 16, more.get("parent", ""), "gen_ai.agent.name", f"{service}-agent", 0),
        span("b" * 16, "a" * 16, "gen_ai.tool.name", name, 1000),
    ]
    place = {"service.name": service, "deployment.environment.name": more.get("environment", "live")}
    resource = {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in place.items()]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def recording(name: str) -> list[bytes]:
    """The requests of one set-up of the golden recordings."""
    return lzma.decompress((FOLDER / f"{name}.jsonl.xz").read_bytes()).splitlines()


@pytest.fixture
def home_of(tmp_path: Path) -> Callable[..., Path]:
    """A home into which these requests were ingested."""
    numbers = itertools.count()

    def make(documents: Iterable[bytes | dict[str, Any]], file: Path | None = None) -> Path:
        number = next(numbers)
        home, spans = tmp_path / f"home-{number}", tmp_path / f"spans-{number}.jsonl"
        spans.write_bytes(b"\n".join(d if isinstance(d, bytes) else json.dumps(d).encode() for d in documents))
        home.mkdir()
        if file:
            assert syscard("--home", home, "apply", file).code == 0
        end = datetime.now(UTC) - timedelta(minutes=5)  # so long ago that every request is complete
        ran = syscard("--home", home, "ingest", spans, "--retime", f"end={end.isoformat()}")
        assert ran.code == 0, ran.err
        return home

    return make


def drafted(home: Path, *arguments: str) -> tuple[System, str]:
    ran = syscard("--home", home, "discover", *arguments)
    assert ran.code == 0, ran.err
    return parse_system(ran.out, "draft"), ran.out


def stored(home: Path) -> set[str]:
    """Components under which the lake holds spans, plumbing and feedback aside."""
    from syscard.home import Home
    from syscard_tui.wiring import House

    rows = House(Home(home)).scan(None).select("component").collect().to_dicts()
    return {r["component"] for r in rows if r["component"] and not r["component"].startswith(PLUMBING)}


def seen(home: Path) -> dict[str, Any]:
    """The card after the monitors looked."""
    ran = syscard("--home", home, "monitor", "--once")
    assert ran.code == 0, ran.err
    card: dict[str, Any] = syscard("--home", home, "card", "show", "--json").document["card"]
    return card


@pytest.mark.parametrize("dialect", AGENTS)
def test_the_draft_of_a_foreign_agent_selects_what_it_says_and_leaves_nothing_over(
    home_of: Callable[..., Path], tmp_path: Path, dialect: str
) -> None:
    documents = agent(dialect, 22)
    home, file = home_of(documents), tmp_path / "system.yaml"
    system, text = drafted(home)
    file.write_text(text)
    assert {"llm", "recommend-items"} <= set(system.components) <= {"llm", "recommend-items", "agent"}
    assert set(system.interactions) >= EDGES
    assert "tool_call in 22 traces" in text

    assert syscard("--home", home, "apply", file, "--check").code == 0
    assert stored(home_of(documents, file)) == set(system.components), "read anew, by the draft's rules"
    assert syscard("--home", home, "apply", file).code == 0
    card = seen(home)
    assert set(card["components"]) == set(system.components), "what was stored before is told apart as well"
    assert not [e for e in card["interactions"].values() if e["declared"] is None]
    assert card["interactions"]["llm->recommend-items"]["evidence_class"] == "tool_call"
    assert len(card["interactions"]["llm->recommend-items"]["examples"]) == 3
    assert syscard("--home", home, "status").code == 0


def test_one_application_under_every_dialect_is_drafted_once_and_leaves_nothing_over(
    home_of: Callable[..., Path], tmp_path: Path
) -> None:
    """Three set-ups have no name for a part of theirs: that is asked, and the part is declared until it is answered."""
    documents, file = [line for name in LANGCHAIN for line in recording(name)], tmp_path / "system.yaml"
    home = home_of(documents)
    system, text = drafted(home)
    file.write_text(text)
    parts = {"planner-llm", "rationale-llm", "overloaded-llm", "vlm", "fakelistchatmodel", "embed-small",
             "recommend-items", "vectorstoreretriever", "shop-agent", "shop-recommender", "candidate-chain", "fan-out",
             "runnablesequence"}  # fmt: skip
    assert set(system.components) == parts | {"chat", "retriever", "retrieval"}
    assert "  # retriever (told by mlflow) has no name of its own: is it vectorstoreretriever?" in text
    assert "  # retrieval (told by otel-genai) has no name of its own: is it vectorstoreretriever?" in text
    assert "  # chat (told by mlflow) has no name of its own: is it fakelistchatmodel or " in text
    assert "shop-agent:   # 7 spans in 7 traces, and 2 that only make it\n" in text
    assert "  # create_agent makes default in 3 spans, and nothing runs by that name" in text
    assert "create_agent" not in str(system.body())

    assert stored(home_of(documents, file)) == set(system.components)
    assert syscard("--home", home, "apply", file).code == 0
    card = seen(home)
    assert set(card["components"]) == set(system.components)
    assert not [e for e in card["interactions"].values() if e["declared"] is None]


def test_what_only_makes_an_agent_is_no_request_and_no_beginning_of_one(home_of: Callable[..., Path]) -> None:
    lines = recording("openlit-langchain")
    creations, runs = (
        [line for line in lines if (b'"create_agent' in line) == makes and (makes or b"shop_recommender" in line)]
        for makes in (True, False)
    )
    assert (len(creations), len(runs)) == (4, 3)
    system, text = drafted(home_of([*creations, *runs]))
    assert system.traces.request.root == "invoke_workflow shop_recommender"
    assert "of 3 requests show" in text
    assert "had no such span" not in text


def test_the_draft_of_the_recorded_recommender_has_its_parts_edges_and_versions(
    home_of: Callable[..., Path], tmp_path: Path
) -> None:
    lines, file = recorded("normal")[:40], tmp_path / "system.yaml"
    home = home_of(lines)
    system, text = drafted(home)
    file.write_text(text)
    assert set(system.components) == {"cf", "vlm", "llm", "agent"}
    assert {c.kind for c in system.components.values()} == {"ranking", "vision-language", "llm", "agent"}
    assert system.traces.request.root == "invoke_agent agent"
    assert system.components["vlm"].version.declared == "lit-9bfb7039"
    assert "cf->vlm" in system.interactions
    assert stored(home_of(lines, file)) == set(system.components)
    assert syscard("--home", home, "apply", file).code == 0
    card = seen(home)
    assert {ref for ref, e in card["interactions"].items() if e["declared"] is None} == set()
    assert set(card["components"]) == set(system.components)


def test_the_same_lake_gives_the_same_draft(home_of: Callable[..., Path]) -> None:
    home = home_of(agent("openinference-langchain", 6))
    assert drafted(home)[1] == drafted(home)[1]


def test_what_spans_cannot_say_is_unknown_and_nothing_is_promised(home_of: Callable[..., Path]) -> None:
    system, text = drafted(home_of(agent("openinference-langchain", 2)))
    assert (system.system.owner.team, system.system.intended_use) == ("unknown", "unknown")
    assert {c.owner for c in system.components.values()} == {"unknown"}
    assert system.claims == ()
    assert "TODO" not in text
    assert "too few to be sure" in text, "an edge in two traces is named, not declared"


def test_an_empty_lake_has_nothing_to_draft(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    one_line(syscard("--home", tmp_path / "home", "discover"), "the lake holds no span", "syscard ingest")


def test_several_systems_are_drafted_one_at_a_time(home_of: Callable[..., Path]) -> None:
    home = home_of([*(call("shop", i) for i in range(3)), *(call("bank", i + 50) for i in range(3))])
    one_line(syscard("--home", home, "discover"), "more than one system", "bank, shop")
    assert drafted(home, "--service", "bank")[0].traces.select == {"service.name": "bank"}
    one_line(syscard("--home", home, "discover", "--service", "pub"), "no span of a service 'pub'", "bank, shop")


def test_the_same_tool_in_two_services_of_one_system_is_two_components(
    home_of: Callable[..., Path], tmp_path: Path
) -> None:
    """A front end and a back end share traces, and a tool's name; the root of the one is the parent of the other."""
    documents = []
    for i in range(22):
        front, back = call("front", i), call("back", i)
        for span in spans_of(back):
            span["spanId"] = span["spanId"].replace("a", "c").replace("b", "d")
            span["parentSpanId"] = span["parentSpanId"].replace("a", "c") or "b" * 16
        documents += [front, back]
    home, file = home_of(documents), tmp_path / "system.yaml"
    system, text = drafted(home)
    file.write_text(text)
    assert system.traces.select == {"deployment.environment.name": "live"}
    assert {c.select["service.name"] for r, c in system.components.items() if "search" in r} == {"front", "back"}
    assert stored(home_of(documents, file)) == set(system.components)
    assert syscard("--home", home, "apply", file).code == 0
    assert set(seen(home)["components"]) == set(system.components)


def test_undeclared_parts_of_two_services_are_told_apart(home_of: Callable[..., Path], tmp_path: Path) -> None:
    documents = [call(name, i + k) for i in range(12) for name, k in (("front", 0), ("back", 500))]
    home, file = home_of(documents), tmp_path / "system.yaml"
    body = drafted(home, "--service", "front")[0].body()
    body["traces"] = {"select": {"deployment.environment.name": "live"}}
    body["components"].pop("search")
    file.write_text(yaml.safe_dump(body))
    assert syscard("--home", home, "apply", file).code == 0
    unknown = {ref for ref, part in seen(home)["components"].items() if part["declared"] is None}
    assert unknown == {"execute_tool:search@back", "execute_tool:search@front", "invoke_agent:back-agent@back"}


def test_a_file_that_is_there_is_not_written_over(home_of: Callable[..., Path], tmp_path: Path) -> None:
    home, file = home_of(agent("openinference-langchain", 1)), tmp_path / "mine.yaml"
    file.write_text("mine")
    one_line(syscard("--home", home, "discover", "-o", file), "is there already", "--force")
    assert file.read_text() == "mine"
    ran = syscard("--home", home, "discover", "-o", file, "--force")
    assert (ran.code, ran.out) == (0, "")
    assert parse_system(file.read_text(), "draft").components
    one_line(syscard("--home", home, "discover", "-o", tmp_path / "no" / "x.yaml"), "cannot be written")
    assert sorted(p.name for p in tmp_path.glob(".mine*")) == []


def test_only_spans_of_the_time_asked_for_are_looked_at(home_of: Callable[..., Path]) -> None:
    home = home_of(agent("openinference-langchain", 3))
    assert drafted(home, "--since", "1h")[0].components
    one_line(syscard("--home", home, "discover", "--since", "soon"), "--since soon", "24h")


def test_the_data_is_what_the_tests_take_it_for() -> None:
    for dialect in AGENTS:
        assert sum(len(r.decoded.spans) for r in requests(DATA / f"{dialect}-02.json")) > 3
