"""Canaries in every place where a span can hold text, at every keep level; then every byte of the home is searched."""

from __future__ import annotations

import base64
import itertools
import json
from functools import partial
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.home import Home
from syscard.system import System
from syscard_tracing.inbox import Inbox
from syscard_tracing.pipeline import Pipeline, decode
from syscard_tracing.roller import open_lake, roll_all
from syscard_tracing.rules import TraceRules
from syscard_tracing.signals import Signal
from tests.tracing.leaks import LEVEL, LEVELS, SHAPES, Canary, Plant, every_byte, filled, keys_of, pairs, tables, wire
from tests.tracing.shop import shop

START = "1795176000000000000"
UNKNOWN = (
    "shop.note", "customer.email", "customer_id", "url.full", "url.query", "http.target", "http.url",
    "user_agent.original",
    "http.request.header.authorization", "http.request.header.cookie", "rpc.grpc.request.metadata.token",
    "client.address", "db.statement", "db.query.text", "messaging.message.body", "baggage.user_id", "metadata.user_id",
    "traceloop.association.properties.user_id", "langsmith.metadata.user_id", "code.filepath", "process.command_args",
    "exception.escaped", "enduser.role", "geo.lat", "peer.service", "a",
)  # fmt: skip
OWN = ("syscard.note", "syscard.vlm.label", "syscard.masked.note")
NAMED = ("syscard.customer.password", "syscard.shopper.phone", "syscard.first_name", "syscard.basket.customer_id")
RESOURCE = (
    "host.name", "process.command_line", "process.owner", "service.instance.id", "service.version", "cloud.account.id",
    "k8s.pod.name", "shop.note", "user.id",
)  # fmt: skip

LABELS = {"word", "name"}
"""Shapes that the rule for labels lets through."""
TEXTS = {"word", "name", "sentence", "unicode"}
AT_FULL = TEXTS | {"email", "phone", "user", "told user", "number", "card"}
"""`full` is the text itself: no secrets, everything else."""
BY_DESIGN: dict[str, tuple[set[str], str]] = {
    "columns": (LABELS | {"number"}, "what a table calls a column is a label; a bare number is an id there"),
    "subject": (LABELS | {"number"}, "tools and agents are told apart by their names"),
    "labels": (LABELS | {"number"}, "what a table calls a label is one"),
    "own": (LABELS | {"number"}, "whoever writes syscard.* writes labels and figures"),
    "span name": (LABELS, "a span's name says what was done"),
    "scope": (LABELS, "a library's name"),
    "reason": (LABELS, "why there was a fallback is a label"),
    "type": ({"word"}, "the class of an error is one word"),
    "service": (LABELS, "a service and its environment have names"),
    "declared segment": (LABELS, "the owner says which attribute holds the group"),
}
"""Where a value that is shaped like a label is kept at every level, and why. Nothing else is kept below `masked`."""


def _system() -> System:
    components = {
        level: {"kind": "llm", "owner": "o", "select": {LEVEL: level}, "keep": level, "text": ["shop.said"]}
        for level in LEVELS
    }
    return System.model_validate(shop({"segments": {"group": "shop.group"}, "user": "shop.who"}, components))


class Garden:
    """One request with every canary in it."""

    def __init__(self) -> None:
        self.plant = Plant([])
        self.groups: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        for level, shape in itertools.product(LEVELS, SHAPES):
            self._attributes(level, shape)
            if shape not in ("number", "card"):
                self._structure(level, shape)

    def request(self, *, protobuf: bool) -> bytes:
        """The body of the request."""
        document = {"resourceSpans": self.groups}
        if not protobuf:
            return json.dumps(document).encode()
        from google.protobuf import json_format  # type: ignore[import-untyped]
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        copied = json.loads(json.dumps(document))
        for holder in _with_ids(copied):
            holder.update({k: base64.b64encode(bytes.fromhex(holder[k])).decode() for k in ("traceId", "spanId")})
        body: bytes = json_format.ParseDict(copied, ExportTraceServiceRequest()).SerializeToString()
        return body

    def _attributes(self, level: str, shape: str) -> None:
        plant = partial(self.plant.one, level, shape)
        for table in tables():
            spans = []
            for group, key in keys_of(table):
                name, value = filled(key, plant(group, f"{table.name}: {key}"))
                spans.append(self._span(level, {name: value}))
            for group, keys in (("unknown", UNKNOWN), ("own", OWN), ("named", NAMED)):
                for key in keys:
                    known = "text" if key in table.text else group
                    spans.append(self._span(level, {key: plant(known, f"{table.name}: {key}")}))
            self._add({"service.name": "shop"}, {"name": f"{(table.detect.scopes or ('other',))[0]}x"}, spans)
        more = {
            "shop.who": plant("user", "the declared user"),
            "shop.said": plant("text", "the declared text"),
            "shop.list": [plant("unknown", "in an array"), [plant("unknown", "in an array in an array")]],
            "shop.map": {"a": plant("unknown", "in a map"), "b": {"c": plant("unknown", "in a map in a map")}},
            "gen_ai.tool.call.arguments": {"a": [plant("text", "in a map of a text")]},
            "syscard.list": ["fine", plant("own", "in an own array")],
            "shop.bytes": str(plant("unknown", "bytes")).encode(),
            "gen_ai.output.messages": str(plant("bytes", "bytes of a text")).encode(),
        }
        self._add({"service.name": "shop"}, {"name": "other"}, [self._span(level, {key: v}) for key, v in more.items()])

    def _structure(self, level: str, shape: str) -> None:
        plant = partial(self.plant.one, level, shape)

        def said(place: str) -> list[dict[str, Any]]:
            return pairs({"note": plant("unknown", place), plant("unknown", f"key {place}"): "v"})

        key = plant("unknown", "a key")
        raised = {
            "exception.type": plant("type", "exception type"),
            "exception.message": plant("text", "exception message"),
            "exception.stacktrace": f'File "x.py", line 3\n{plant("text", "stack trace")}\n',
            "note": plant("unknown", "attribute of an exception"),
        }
        base = {"traceId": "b" * 32, "spanId": "c" * 16}
        spans = [
            self._span(level, {}, name=plant("span name", "span name")),
            self._span(level, {key: "v"}),
            self._span(level, {f"syscard.{plant('unknown', 'an own key')}": "v"} if shape not in LABELS else {}),
            self._span(level, {}, traceState=plant("unknown", "trace state")),
            self._span(level, {}, status={"code": 2, "message": plant("text", "status message")}),
            self._span(level, {}, status={"code": 1, "message": plant("text", "status message of a success")}),
            self._span(level, {}, events=[{"name": "exception", "attributes": pairs(raised)}], status={"code": 2}),
            self._span(level, {}, events=[{"name": plant("unknown", "event name"), "attributes": said("of an event")}]),
            self._span(
                level, {}, events=[{"name": "fallback", "attributes": pairs({"reason": plant("reason", "reason")})}]
            ),
            self._span(
                level, {}, links=[{**base, "attributes": said("of a link"), "traceState": plant("unknown", "link")}]
            ),
            self._span(level, {"shop.group": plant("declared segment", "segment")}),
        ]
        if shape in LABELS:  # shaped like a key, too
            spans.pop(1)
            spans[1]["attributes"] += pairs({"shop.x y": "v"})
        scope = {
            "name": plant("scope", "scope name"), "version": plant("unknown", "scope version"),
            "attributes": pairs({"note": plant("unknown", "scope attribute")}),
        }  # fmt: skip
        resource = {"service.name": "shop"} | {name: plant("unknown", f"resource {name}") for name in RESOURCE}
        resource["deployment.environment.name"] = plant("service", "environment")
        self._add(resource, scope, spans, schema=plant("unknown", "schema url"))
        self._add({"service.name": plant("service", "service")}, {"name": "other"}, [self._span(level, {"a": 1})])

    def _span(self, level: str, attributes: dict[str, Any], **fields: Any) -> dict[str, Any]:
        ids = {"traceId": "a" * 32, "spanId": f"{next(self._ids):016x}", "name": "step", "startTimeUnixNano": START}
        return ids | {"attributes": pairs({LEVEL: level} | attributes)} | fields

    def _add(self, resource: Any, scope: dict[str, Any], spans: list[dict[str, Any]], schema: str = "") -> None:
        scoped = {"scope": scope, "spans": spans, "schemaUrl": schema}
        self.groups.append({"resource": {"attributes": pairs(resource)}, "scopeSpans": [scoped], "schemaUrl": schema})


def _with_ids(document: dict[str, Any]) -> list[dict[str, Any]]:
    spans = [s for group in document["resourceSpans"] for scope in group["scopeSpans"] for s in scope["spans"]]
    return [holder for span in spans for holder in (span, *span.get("links", ()))]


def _may_be_kept(canary: Canary) -> bool:
    by_design, _ = BY_DESIGN.get("columns" if canary.group == "members" else canary.group, (set(), ""))
    if canary.shape in by_design:
        return True
    if canary.group not in ("text", "own", "members") or canary.level not in ("masked", "full"):
        return False
    return canary.shape in (TEXTS if canary.level == "masked" else AT_FULL)


@pytest.fixture(scope="module")
def garden() -> Garden:
    return Garden()


@pytest.mark.endurance
def test_nothing_that_was_planted_is_in_any_byte_of_the_home(garden: Garden, home: Home, clock: ReplayClock) -> None:
    rules = TraceRules.of([_system()])
    with Inbox(home.inbox, clock=clock) as inbox:
        accepted = Pipeline(home, inbox, lambda: rules, clock).accept(garden.request(protobuf=False), as_json=True)
        assert accepted.message == ""
        waiting = every_byte(home)
        assert roll_all(inbox, open_lake(home)).rows == accepted.rows
    rolled = every_byte(home)
    for files in (waiting, rolled):
        found = set().union(*(garden.plant.found_in(content) for content in files.values()))
        leaked = sorted(canary for canary in found if not _may_be_kept(canary))
        assert not leaked, "\n".join(map(str, leaked))
        _search_works(found)
    assert any(name.endswith("(inflated)") for name in rolled)
    assert any(name.endswith(".json") for name in rolled)


@pytest.mark.endurance
def test_protobuf_says_the_same_spans_as_json_so_that_what_holds_of_one_holds_of_both(garden: Garden) -> None:
    said, other = (decode(garden.request(protobuf=p), as_json=not p) for p in (False, True))
    assert said == other
    assert len(said.spans) == sum(len(scope["spans"]) for g in garden.groups for scope in g["scopeSpans"])


def _search_works(found: set[Canary]) -> None:
    """What is kept on purpose is found: in every place of the list, and each level keeps what it says."""
    for group, (shapes, why) in BY_DESIGN.items():
        assert why
        assert {c.shape for c in found if c.group == group and c.level == "features"} == shapes, group
    kept = {level: {c.shape for c in found if (c.level, c.group) == (level, "text")} for level in LEVELS}
    assert kept == {
        "features": set(),
        "fingerprints": set(),
        "masked": TEXTS,
        "full": AT_FULL,
    }
    said = {c.place for c in found if c.level == "masked" and c.shape == "sentence"}
    assert {"status message", "exception message", "stack trace", "the declared text"} <= said


# --- what comes as log records, and what `only` leaves out -----------------------------------------------------------

EVENTS = (
    "gen_ai.evaluation.result", "gen_ai.client.inference.operation.details", "gen_ai.user.message", "gen_ai.choice",
    "shop.event",
)  # fmt: skip
"""The last one is read by no dialect."""
SAID = (
    "gen_ai.evaluation.explanation", "gen_ai.input.messages", "gen_ai.system_instructions", "gen_ai.output.messages",
    "gen_ai.tool.call.arguments",
)  # fmt: skip
JUDGED = {"gen_ai.evaluation.name": "fit", "gen_ai.evaluation.score.label": "good"}


def log_record(name: str, attributes: dict[str, Any], body: Any = None) -> dict[str, Any]:
    said = {"attributes": pairs(attributes)} | ({} if body is None else {"body": wire(body)})
    return {"traceId": "a" * 32, "spanId": "c" * 16, "timeUnixNano": START, "eventName": name} | said


def logs_request(plant: Plant, shape: str) -> bytes:
    """Log records with a canary in each place of each event."""
    one = partial(plant.one, "logs", shape)
    records = []
    for name in EVENTS:
        keys = (*UNKNOWN, *OWN, *NAMED, *SAID)
        records += [log_record(name, {**JUDGED, key: one("text", f"{name}: {key}")}) for key in keys]
        records += [log_record(name, {**JUDGED, key: one("label", f"{name}: {key}")}) for key in JUDGED]
        records.append(log_record(name, {}, one("text", f"{name}: body")))
        records.append(log_record(name, {}, {"content": one("text", f"{name}: body"), "role": "user"}))
    records.append(log_record(str(one("text", "event name")), {}))
    scope = {"scope": {"name": "judge", "version": str(one("text", "version"))}, "logRecords": records}
    resource = {"attributes": pairs({"service.name": "shop", "host.name": one("text", "host")})}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}).encode()


def kept_of(
    body: bytes, signal: Signal, rules: TraceRules, home: Home, clock: ReplayClock, plant: Plant
) -> set[Canary]:
    """The canaries that are in any byte of a home that took a request, before and after it was rolled."""
    with Inbox(home.inbox, clock=clock) as inbox:
        accepted = Pipeline(home, inbox, lambda: rules, clock).accept(body, as_json=True, signal=signal)
        waiting = every_byte(home)
        assert roll_all(inbox, open_lake(home)).rows == accepted.rows > 0
    files = [*waiting.values(), *every_byte(home).values()]
    return set().union(*(plant.found_in(content) for content in files))


def rules_at(keep: str, **more: Any) -> TraceRules:
    component = {"kind": "llm", "owner": "o", "select": {"gen_ai.operation.name": "chat"}, "keep": keep, **more}
    return TraceRules.of([System.model_validate(shop({"keep": keep}, {"llm": component}))])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("keep", LEVELS)
def test_of_log_records_no_more_is_kept_than_the_level_says(
    keep: str, shape: str, home: Home, clock: ReplayClock
) -> None:
    plant = Plant([])
    found = kept_of(logs_request(plant, shape), Signal.LOGS, rules_at(keep), home, clock, plant)
    texts = {"masked": TEXTS, "full": AT_FULL}.get(keep, set())
    assert not {c for c in found if c.group == "text" and c.shape not in texts}, found
    assert not {c for c in found if c.group == "label" and c.shape not in LABELS | {"number"}}, found
    assert not {c for c in found if c.place in ("event name", "host", "version", "shop.event: body")}, found
    if shape == "sentence" and keep in ("masked", "full"):
        assert any("body" in c.place for c in found), "the search works"


@pytest.mark.parametrize("shape", SHAPES)
def test_what_only_does_not_name_leaves_nothing_at_any_level(shape: str, home: Home, clock: ReplayClock) -> None:
    plant = Plant([])
    left = (*UNKNOWN, *OWN, *NAMED, "gen_ai.input.messages", "status.message", "exception.message")
    spans: list[dict[str, Any]] = [
        {"traceId": "a" * 32, "spanId": f"{n + 1:016x}", "name": "chat", "startTimeUnixNano": START,
         "attributes": pairs({"gen_ai.operation.name": "chat", key: plant.one("only", shape, "left", key)})}
        for n, key in enumerate(left)
    ]  # fmt: skip
    raised = pairs({"exception.message": plant.one("only", shape, "left", "message of an exception")})
    spans[0] |= {"status": {"code": 2, "message": str(plant.one("only", shape, "left", "message of the status"))}}
    spans[1] |= {"events": [{"name": "exception", "attributes": raised}]}
    kept = plant.one("only", shape, "named", "shop.kept")
    spans[2]["attributes"] += pairs({"shop.kept": kept})
    body = {"resourceSpans": [{"resource": {"attributes": pairs({"service.name": "shop"})},
                               "scopeSpans": [{"scope": {"name": "other"}, "spans": spans}]}]}  # fmt: skip
    rules = rules_at("full", only=["shop.kept"], text=["shop.kept"])
    found = kept_of(json.dumps(body).encode(), Signal.TRACES, rules, home, clock, plant)
    assert not {c for c in found if c.group == "left"}, found
    if shape == "sentence":
        assert {c.place for c in found} == {"shop.kept"}, "the search works"
