"""Tracing health end to end: real spans with something wrong in them, and what the faces then say."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard_configs import read_text
from tests.functional.helpers import recorded, shifted, spans_of, syscard

pytestmark = pytest.mark.endurance

REPEATED = Path(__file__).parent.parent / "data" / "traces" / "repeated-ids.otlp.jsonl.gz"


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    """Sixty requests of the recorded recommender."""
    return [json.loads(line) for line in recorded("normal")[:60]]


def watched(declared: Path, documents: list[dict[str, Any]], tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Ingest, look once; the figures of tracing health by name."""
    spans = tmp_path / "spans.jsonl"
    spans.write_text("\n".join(map(json.dumps, documents)))
    end = datetime.now(UTC) - timedelta(minutes=1)
    assert syscard("--home", declared, "ingest", spans, "--retime", f"end={end.isoformat()}").code == 0
    assert syscard("--home", declared, "monitor", "--once").code == 0
    told = syscard("--home", declared, "card", "show", "--json").document["live"]["tracing"]
    return {figure["key"]: figure for figure in told}


def test_sound_traces_are_ok_where_there_are_enough_of_them(
    declared: Path, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    told = watched(declared, lines, tmp_path)
    states = {key: figure["state"] for key, figure in told.items()}
    assert states.pop("clock_skew") == "unknown", "one service calls nobody else's"
    states.pop("fragments")  # unknown where no request names a user or a session
    assert set(states.values()) == {"ok"}, told
    assert told["missing_parents"]["n"] > told["no_root"]["n"] == 60
    assert "tracing:" not in syscard("--home", declared, "status").out
    assert "of 60 traces have no root" in syscard("--home", declared, "card", "show").out


def test_lost_roots_lost_parents_and_a_sample_are_told_on_every_face(
    declared: Path, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    for number, document in enumerate(lines):
        spans = spans_of(document)
        for span in spans:
            span["traceState"] = "ot=th:e6666666666666"
        if number % 10 == 0:
            spans[-1]["parentSpanId"] = "ab" * 8
    for number, document in enumerate([*lines[:6]]):
        pool = json.loads(json.dumps(document))
        for span in spans_of(pool):
            span["traceId"] = f"{number + 1:032x}"
        group = pool["resourceSpans"][0]["scopeSpans"][0]
        group["spans"] = [s for s in spans_of(pool) if "parentSpanId" in s][:1]
        pool["resourceSpans"] = [{**pool["resourceSpans"][0], "scopeSpans": [group]}]
        lines.append(json.loads(shifted(json.dumps(pool).encode(), 0)))
    told = watched(declared, lines, tmp_path)
    assert (told["no_root"]["hits"], told["no_root"]["n"]) == (6, 66)
    assert told["missing_parents"]["state"] == "bad"
    assert (told["sampled"]["hits"], told["sampled"]["state"]) == (60, "bad")
    status = syscard("--home", declared, "status").out
    assert "tracing: 9.1% of 66 traces have no root (thread pools" in " ".join(status.split())
    assert "100.0% of 60 requests say that they are one of a sample of 10.0%" in " ".join(status.split())
    said = syscard("--home", declared, "status", "--json").document
    assert said["traffic"] == "60 requests (sampled 1 in 10 at random) in 3 windows"
    assert len(syscard("--home", declared, "status", "--json").document["tracing"]) == 3


def test_what_a_tail_sampler_kept_is_marked_beside_every_claim_and_rate_on_every_face(
    declared: Path, tmp_path: Path
) -> None:
    """A fifth was kept whole, for errors, and a tenth of the others; the Collector writes its policy on the scope."""
    lines = [json.loads(line) for line in recorded("normal")[:400]]
    for number, document in enumerate(lines):
        failed = number % 5 == 0
        for group in document["resourceSpans"]:
            for scope in group["scopeSpans"]:
                scope["scope"]["attributes"] = [_attribute("tailsampling.policy", "errors" if failed else "rest")]
                for span in scope["spans"]:
                    span["traceState"] = "ot=th:0" if failed else "ot=th:e6666666666666"
    watched(declared, lines, tmp_path)
    mark = "80.0% sampled 1 in 10, biased towards errors"
    status = syscard("--home", declared, "status", "--json").document
    assert {c["sample"] for c in status["claims"] if "no span carries" not in c["text"]} == {mark}
    assert mark in {p["sample"] for p in status["parts"]}
    assert mark in status["traffic"]
    text = " ".join(syscard("--home", declared, "status").out.split())
    assert f"* {mark}" in text
    card = syscard("--home", declared, "card", "show", "--json").document
    records = [item["figure"] for item in card["card"]["evidence"].values()]
    assert records
    assert all(fig["sampled"]["kept"] == 0.1 and fig["sampled"]["by"] == "tail" for fig in records)
    claim = next(c["id"] for c in status["claims"] if c["evidence"])
    assert mark in " ".join(syscard("--home", declared, "card", "why", claim).out.split())
    assert mark in " ".join(syscard("--home", declared, "gate").out.split())
    assert {c["sample"] for c in syscard("--home", declared, "gate", "--json").document["checks"]} >= {"", mark}
    assert syscard("--home", declared, "snapshot", "--out", tmp_path / "page").code == 0
    assert all(mark in page.read_text("utf-8") for page in (tmp_path / "page").glob("*.[hm]*"))
    assert "verified: ok" in syscard("--home", declared, "card", "verify").out


def test_a_host_that_seeds_random_shows_in_its_ids(declared: Path, tmp_path: Path) -> None:
    """Three requests, and three with the same ids 80 s later; the rest of the window are others."""
    twice = [json.loads(line) for line in gzip.decompress(REPEATED.read_bytes()).splitlines()]
    start = min(int(s["startTimeUnixNano"]) for d in twice for s in spans_of(d))
    others = [json.loads(shifted(line, 0)) for line in recorded("normal")[:54]]
    first = min(int(s["startTimeUnixNano"]) for d in others for s in spans_of(d))
    moved = [json.loads(shifted(json.dumps(d).encode(), first - start)) for d in twice]
    told = watched(declared, [*others, *moved], tmp_path)
    assert (told["repeated_ids"]["hits"], told["repeated_ids"]["n"]) == (6, 60)
    assert "a host seeds random" in " ".join(syscard("--home", declared, "status").out.split())


def test_the_shipped_figures_name_what_they_count() -> None:
    assert read_text("health", "tracing.yaml").count("bad_above:") == 10


@pytest.mark.parametrize(("tolerated", "state"), [("", "bad"), ("  clock_skew: 2s\n", "ok")])
def test_clock_skew_is_told_by_pair_of_services_and_the_system_says_what_is_tolerated(
    lines: list[dict[str, Any]], tmp_path: Path, tolerated: str, state: str
) -> None:
    """The ranking runs on a host whose clock is 300 ms behind."""
    for document in lines:
        _rank_elsewhere(document, behind_ns=300_000_000)
    text = read_text("examples", "recommender.yaml").replace("complete_after: 30s", "complete_after: 1s")
    ours = "  select: {service.name: shop-recommender}\n"
    text = text.replace(ours, f"  select: {{deployment.environment.name: prod}}\n{tolerated}")
    home, file = tmp_path / "home", tmp_path / "system.yaml"
    home.mkdir()
    file.write_text(text, encoding="utf-8")
    assert syscard("--home", home, "apply", file).code == 0
    told = watched(home, lines, tmp_path)["clock_skew"]
    (pair,) = told["pairs"]
    assert (told["state"], pair["caller"], pair["called"], pair["calls"]) == (state, "shop-recommender", "ranking", 60)
    shown = " ".join(syscard("--home", home, "card", "show").out.split())
    if state == "bad":
        assert (pair["skewed"], pair["largest_ms"]) == (60, 300)
        assert "shop-recommender -> ranking: 60 of 60 calls, median 300 ms, largest 300 ms" in shown
    else:
        assert pair["skewed"] == 0
        assert "-> ranking: " not in shown


def _rank_elsewhere(document: dict[str, Any], behind_ns: int) -> None:
    """The ranking of a request as a service of its own: it is called at the very start."""
    (group,) = document["resourceSpans"]
    group["resource"]["attributes"].append(_attribute("deployment.environment.name", "prod"))
    (scope,) = group["scopeSpans"]
    far = [s for s in scope["spans"] if _attribute("syscard.component", "cf") in s["attributes"]]
    scope["spans"] = [s for s in scope["spans"] if s not in far]
    starts = {s["spanId"]: int(s["startTimeUnixNano"]) for s in scope["spans"]}
    for span in far:
        began = starts[span["parentSpanId"]] - behind_ns
        took = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
        span |= {"startTimeUnixNano": str(began), "endTimeUnixNano": str(began + took)}
    resource = {
        "attributes": [_attribute("service.name", "ranking"), _attribute("deployment.environment.name", "prod")]
    }
    document["resourceSpans"].append({"resource": resource, "scopeSpans": [{**scope, "spans": far}]})


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
