"""Documents for programs: each real answer is what the OpenAPI document says, and what the command line prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from syscard.render.crosswalks import crosswalk_document
from syscard.views import read_view
from syscard_web.asking import NOTHING, Answer, Asked
from syscard_web.openapi import LARGEST, MOST, ROOT, ROUTES, openapi
from syscard_web.site import DOCUMENTS, Site
from tests.faces import sample
from tests.web.conftest import replace_view, write

NAMED = {"number": "INC-12", "version": "v3", "claim": "grounded"}
OPENAPI: dict[str, Any] = json.loads(json.dumps(openapi()))


def ask(site: Site, path: str, **query: str) -> Answer:
    named = {k: query.pop(k, v) for k, v in NAMED.items()}
    return site.document(path, Asked(f"{ROOT}{path}", "localhost", "", query, named))


def told(site: Site, path: str, **query: str) -> Any:
    answer = ask(site, path, **query)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def faults(path: str, status: str, document: Any) -> list[str]:
    """Where a document is not what the OpenAPI document says of this answer."""
    content = OPENAPI["paths"][f"{ROOT}{path}"]["get"]["responses"][status]["content"]
    validator = Draft202012Validator({**content["application/json"]["schema"], "components": OPENAPI["components"]})
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(document)]


@pytest.mark.parametrize("name", ["broken", "calm", "declared", "idle"])
def test_every_answer_is_what_the_openapi_document_says(
    tmp_path: Path, site_of: Callable[..., Site], name: str
) -> None:
    file = write(tmp_path / "records.db", "shop-recommender", sample.past(), sample.live())
    replace_view(file, "shop-recommender", sample.variants()[name])
    site = site_of(file)
    for path in DOCUMENTS:
        answer = ask(site, path)
        assert answer.status == 200 or (answer.status == 404 and "{number}" in path)
        assert faults(path, str(answer.status), json.loads(answer.body)) == [], path


def test_a_gate_that_rests_on_a_waiver_says_so(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    file = write(tmp_path / "records.db", "shop-recommender", sample.past()[:1])
    view = read_view(file)
    waived = [{"until": "2026-12-01T00:00:00Z", "waivers": ["W-1"], "reason": "claims unknown: 6"}]
    replace_view(file, "shop-recommender", {**view, "gate": {**view["gate"], "waived": waived}})
    document = told(site_of(file), "/gate")
    assert document["waived"] == waived
    assert faults("/gate", "200", document) == []


def test_text_from_spans_breaks_no_document(hostile: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(hostile)
    for path in DOCUMENTS:
        assert json.loads(ask(site, path).body), path


def test_a_document_of_another_shape_is_found(site: Site) -> None:
    card = told(site, "/card")
    card["card"]["claims"]["grounded"]["slices"][0]["status"] = "splendid"
    assert any("splendid" in fault for fault in faults("/card", "200", card))
    assert faults("/gate", "200", {**told(site, "/gate"), "more": 1}) != []
    assert faults("/incidents", "200", [{"number": 1}]) != []


def test_the_openapi_document_names_every_route_and_no_other() -> None:
    described = {f"{ROOT}{route.path}" for route in ROUTES} | {f"{ROOT}/openapi.json"}
    assert {*OPENAPI["paths"]} == described | {"/healthz"}
    assert described == {f"{ROOT}{path}" for path in DOCUMENTS}
    for path, methods in OPENAPI["paths"].items():
        assert {*methods} == {"get"}, path
        for parameter in methods["get"].get("parameters", ()):
            assert parameter["description"]
            assert (parameter["in"] == "path") == (f"{{{parameter['name']}}}" in path)
    Draft202012Validator.check_schema({"$defs": OPENAPI["components"]["schemas"]})
    assert OPENAPI["openapi"] == "3.1.0"


def test_every_reference_of_the_openapi_document_leads_somewhere() -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [r for v in value.values() for r in references(v)]
        return [r for v in value for r in references(v)] if isinstance(value, list) else []

    found = set(references(OPENAPI))
    assert found
    assert found <= {f"#/components/schemas/{name}" for name in OPENAPI["components"]["schemas"]}


def test_documents_are_what_the_records_hold(site: Site) -> None:
    view = read_view(site.reader.records)
    card = told(site, "/card")
    assert {key: card[key] for key in view} == view
    assert told(site, "/claims/{claim}") == view["card"]["claims"]["grounded"]
    assert [c["id"] for c in told(site, "/claims")] == list(view["card"]["claims"])
    assert told(site, "/incidents/{number}", number="12") == view["card"]["incidents"]["12"]
    assert [i["number"] for i in told(site, "/incidents")] == [12]
    assert told(site, "/gate") == {**view["gate"], "card": view["digest"], "card_version": 4}
    assert told(site, "/crosswalk") == crosswalk_document(view, sample.NOW)
    assert told(site, "/status")["verdict"] == "BROKEN"


def test_history_goes_back_by_pages(site: Site) -> None:
    assert [v["version"] for v in told(site, "/history")] == [4, 3, 2, 1]
    assert [v["version"] for v in told(site, "/history", before="4", most="2")] == [3, 2]
    assert told(site, "/history/{version}", version="3") == told(site, "/history")[1]
    assert ask(site, "/history", most=str(MOST + 1)).status == 400
    assert ask(site, "/history", before="-1").status == 400


@pytest.mark.parametrize(
    ("path", "name", "good", "bad"),
    [
        ("/history", "before", (1, LARGEST), (0, LARGEST + 1, "soon")),
        ("/history", "most", (1, MOST), (0, MOST + 1)),
        ("/history/{version}", "version", ("1", "v4", "999999999"), ("0", "v", "1e3", "9999999999", "-1")),
        ("/incidents/{number}", "number", ("12", "INC-12", "999999999"), ("0", "INC-", "x", "9999999999")),
        ("/crosswalk", "framework", ("eu_ai_act", "iso_42001"), ("moon", "EU_AI_ACT")),
    ],
)
def test_what_the_openapi_document_lets_be_asked_is_understood_and_nothing_else(
    site: Site, path: str, name: str, good: tuple[str | int, ...], bad: tuple[str | int, ...]
) -> None:
    described = OPENAPI["paths"][f"{ROOT}{path}"]["get"]["parameters"]
    schema = Draft202012Validator(next(one["schema"] for one in described if one["name"] == name))
    assert all(schema.is_valid(one) for one in good)
    assert not any(schema.is_valid(one) for one in bad)
    assert {ask(site, path, **{name: str(one)}).status for one in good} <= {200, 404}
    assert {ask(site, path, **{name: str(one)}).status for one in bad} == {400}


@pytest.mark.parametrize(
    ("path", "query", "status", "says"),
    [
        ("/claims/{claim}", {"claim": "x"}, 404, "no claim 'x'; there is: grounded"),
        ("/incidents/{number}", {"number": "3"}, 404, "there is: INC-12"),
        ("/crosswalk", {"framework": "moon"}, 400, "no framework 'moon'"),
        ("/card", {"system": "zoo"}, 404, "there is: shop-recommender"),
    ],
)
def test_an_error_is_a_document_that_names_what_there_is(
    site: Site, path: str, query: dict[str, str], status: int, says: str
) -> None:
    answer = ask(site, path, **query)
    document = json.loads(answer.body)
    assert (answer.status, answer.media_type) == (status, "application/json")
    assert says in document["error"]
    assert faults(path, str(status), document) == []


def test_documents_are_sent_as_strictly_as_pages(site: Site) -> None:
    headers = ask(site, "/card").headers
    assert headers["content-security-policy"] == NOTHING
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert "access-control-allow-origin" not in headers


def test_each_of_several_systems_is_asked_for_by_name(two: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(two)
    assert [one["ref"] for one in told(site, "/systems")] == ["bank", "shop-recommender"]
    assert told(site, "/card", system="bank")["card"]["version"] == 1
    assert ask(site, "/card").status == 400
    assert "name one with ?system=" in json.loads(ask(site, "/card").body)["error"]


def test_what_there_is_to_ask_for_is_told_before_there_is_a_card(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(tmp_path / "records.db")
    assert told(site, "/openapi.json") == OPENAPI
    assert ask(site, "/status").status == 404
