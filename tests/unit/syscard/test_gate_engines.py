"""Rego in process and an OPA server: the same verdict of the same input, and nothing undefined is ever a yes."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.errors import GateError, UsageError
from syscard.gates import Verdict, read_policy, rego_child
from syscard.gates.answers import Engine, ask_for_verdict, conforms
from syscard.gates.facts import as_json, gate_input
from syscard.gates.opa import opa_engine, read_token
from syscard.gates.rego import rego_engine
from syscard.gates.rego_child import answer
from syscard.gates.verdict import decide_on
from syscard_configs import read_text
from tests.unit.build import NOW, claim, opening
from tests.unit.syscard.test_gates import card, standing

DAY = timedelta(days=1)
CONFORMANCE = {"list": [3, 1, 2], "object": {"a": 1, "b": None, "c": False}}
RULES = ["no-broken-claim", "no-open-incident", "fair", "traffic", "documented", "watched"]
REGO = read_text("gates", "promote.rego")


@cache
def rego() -> Engine:
    """What ships, asked in this process: the child of its own asks alike, and takes longer."""
    engine = rego_engine(REGO, "promote.rego")
    conforms(engine)
    policies = [("conformance.rego", read_text("gates", "conformance.rego")), ("promote.rego", REGO)]

    def ask(path: str, value: Any) -> Any:
        return answer({"policies": policies, "query": f"data.{path.replace('/', '.')}", "input": value})["value"]

    return Engine(engine.name, engine.policy, ask)


@cache
def _known() -> dict[str, Any]:
    disparity = claim("fair", metric="disparity(accepted)", expect="<= 1.25")
    return card(
        opening(1), opening(2, "vlm"), claims=[claim("a"), claim("b"), disparity, {**disparity, "id": "fairer"}]
    )


def waiver(draw: Any, number: int) -> dict[str, Any]:
    start, length = draw(st.integers(-100, 2)), draw(st.integers(1, 200))
    items = ["a", "b", "fair", "fairer", "INC-1", "INC-2", "vlm", "owner", "oversight"]
    return {
        "id": f"W-{number}",
        "rule": draw(st.sampled_from(RULES)),
        "scope": draw(st.lists(st.sampled_from(items), unique=True, max_size=9)),
        "starts": (NOW + start * DAY).isoformat().replace("+00:00", "Z"),
        "expires": (NOW + (start + length) * DAY + timedelta(microseconds=5)).isoformat().replace("+00:00", "Z"),
        "revoked": draw(st.sampled_from([None, None, {"at": "x", "by": "y"}])),
    }  # fmt: skip


@st.composite
def inputs(draw: Any) -> dict[str, Any]:
    """Facts of cards of all kinds: claims by status and ratio, incidents, parts, words left out, traffic, waivers."""
    of = deepcopy(_known())
    for claim_ in of["claims"].values():
        claim_["slices"][0] |= {
            "status": draw(st.sampled_from(["holds", "broken", "unknown", "stale"])),
            "value": draw(st.sampled_from([None, 1.0, 1.25, 1.2500001, 3.7])),
        }
    for incident in of["incidents"].values():
        incident["state"] = draw(st.sampled_from(["open", "acknowledged", "resolved", "suppressed"]))
    if draw(st.booleans()):
        of["components"]["vlm"]["declared"] = None
    for key in draw(st.sets(st.sampled_from(["oversight", "users"]))):
        of["identity"][key] = None
    if draw(st.booleans()):
        of["components"], of["interactions"] = {}, {}
    of["waivers"] = {w["id"]: w for w in (waiver(draw, n) for n in range(1, draw(st.integers(1, 4))))}
    watched = draw(st.lists(st.sampled_from(list(_known()["components"])), unique=True))
    signals = {ref: {"about": ref, "state": "ok"} for ref in watched}
    hours = draw(st.sampled_from([None, -30, -1, -0.5, 0, 23.99, 24, 24.01, 400]))
    last = None if hours is None else (NOW - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    seen = draw(st.sampled_from([None, 0, 199, 200, 5000]))
    live = {"watcher": {"requests": seen, "last_span": last}, "signals": signals}
    return gate_input(of, draw(st.sampled_from([None, live, live])), NOW)


def told(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [
        (c.rule, c.says, c.op, c.threshold, c.severity, c.outcome, sorted(c.items), sorted(c.waivers), c.waived_until,
         c.value if c.value is None else pytest.approx(c.value))
        for c in verdict.checks
    ]  # fmt: skip


@given(inputs())
@settings(max_examples=80, deadline=None)
def test_rego_and_yaml_that_ship_say_the_same_of_every_card(facts: dict[str, Any]) -> None:
    ours = decide_on(read_policy(read_text("gates", "promote.yaml"), "promote.yaml"), facts)
    theirs = ask_for_verdict(rego(), "promote", facts)
    assert told(theirs) == told(ours)
    assert theirs.blocked is ours.blocked


# --- nothing undefined is a yes --------------------------------------------------------------------------------------

PACKAGE = "package syscard.gate.promote\nimport rego.v1\n"
CHECK = {"rule": "r", "says": "it", "severity": "block", "passed": True, "value": 1, "op": "<=", "threshold": 1}
PASSES = {"stage": "promote", "rules": ["r"], "checks": [CHECK]}


def answering(found: Any) -> Engine:
    return Engine("opa", "a" * 64, lambda _path, _input: found)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, "is undefined: no verdict is no yes"),
        ({**PASSES, "checks": []}, "undefined for the rule r"),
        ({**PASSES, "rules": ["r", "s"]}, "undefined for the rule s"),
        ({**PASSES, "rules": []}, "rules: "),
        ({**PASSES, "checks": [CHECK, CHECK]}, "there twice"),
        ({**PASSES, "checks": [{**CHECK, "passed": "yes"}]}, "checks.0.passed: "),
        ({**PASSES, "checks": [{k: v for k, v in CHECK.items() if k != "value"}]}, "checks.0.value: field required"),
        ({**PASSES, "checks": [{**CHECK, "value": "NaN"}]}, "checks.0.value: "),
        ({**PASSES, "stage": "release"}, "for stage 'release', not 'promote'"),
        ("yes", "verdict: "),
        ([], "verdict: "),
    ],
)
def test_an_answer_that_is_undefined_or_of_another_shape_is_a_loud_error(found: Any, says: str) -> None:
    with pytest.raises(GateError) as caught:
        ask_for_verdict(answering(found), "promote", gate_input(card(), None, NOW))
    assert says.lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_answer_as_asked_for_is_a_verdict() -> None:
    assert not ask_for_verdict(answering(PASSES), "promote", gate_input(card(), None, NOW)).blocked


@pytest.mark.parametrize(
    ("rego_text", "says"),
    [
        (PACKAGE + "verdict := input.nothing", "data.syscard.gate.promote.verdict is undefined"),
        ("package elsewhere\nverdict := 1", "data.syscard.gate.promote.verdict is undefined"),
        (REGO.replace('"traffic": {"value": input.traffic.requests', '"traffik": {"value": 1'), "undefined"),
        (REGO.replace("value <= rule.threshold", "value <= rule.treshold"), "undefined"),
        ("this is no Rego", "no Rego: "),
        (PACKAGE + "x := http.send({})", ""),
    ],
)
def test_rego_that_decides_nothing_is_a_loud_error(rego_text: str, says: str) -> None:
    with pytest.raises(GateError) as caught:
        ask_for_verdict(rego_engine(rego_text, "p.rego"), "promote", gate_input(card(), None, NOW))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


ENDLESS = "x := count([1 | some i in numbers.range(1, 1000000); some j in numbers.range(1, 1000000); i * j == 7])\n"


@pytest.mark.parametrize(
    ("rego_text", "says"),
    [
        (PACKAGE + ENDLESS + "verdict := x", "p.rego: no answer in 0.5 s: no verdict is no yes"),
        (PACKAGE + "x := " + "[" * 50 + "]" * 50 + "\nverdict := x", "p.rego: no answer in 0.5 s"),
        (PACKAGE + "x := 1\n" * 20_001, "no Rego: p.rego exceeds maximum allowed line count"),
    ],
    ids=["endless", "deep", "long"],
)
def test_rego_that_never_ends_or_asks_for_too_much_is_ended_and_a_loud_error(rego_text: str, says: str) -> None:
    with pytest.raises(GateError) as caught:
        ask_for_verdict(rego_engine(rego_text, "p.rego", timeout_s=0.5), "promote", gate_input(card(), None, NOW))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rego_in_a_process_that_breaks_down_is_a_loud_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego_child, "MOST_BYTES", 10)
    found = rego_child.told({"value": "x" * 20})
    assert json.loads(found) == {"error": "the answer is larger than 0 MiB", "name": "value"}
    with pytest.raises(GateError, match=r"p\.rego: its evaluation broke down: it takes more than 1024 MiB, or nests"):
        rego_engine(PACKAGE + f"verdict := numbers.range(1, {10**11})", "p.rego").ask("syscard/gate/promote/verdict", 1)


def test_an_engine_that_reads_times_with_z_as_undefined_is_refused_before_it_is_asked() -> None:
    found = rego().ask("syscard/conformance/found", CONFORMANCE)
    conforms(answering(found))
    del found["z"]
    with pytest.raises(GateError, match="opa reads z otherwise than Rego means it: its verdicts cannot be trusted"):
        conforms(answering(found))
    with pytest.raises(GateError, match="opa reads not, number otherwise"):
        conforms(answering({**found, "z": 1_798_675_200_000_000_000, "not": [], "number": 1}))
    with pytest.raises(GateError, match=r"data.syscard.conformance.found is undefined: load conformance.rego"):
        conforms(answering(None))


def test_a_policy_in_rego_is_known_by_its_text() -> None:
    assert rego().policy == rego_engine(REGO, "elsewhere.rego").policy != rego_engine(REGO + "#", "promote.rego").policy


@pytest.mark.parametrize("stage", ["Promote", "a-b", "a/../b", "x" * 65, ""])
def test_a_stage_that_cannot_be_a_package_is_refused(stage: str) -> None:
    with pytest.raises(GateError, match="cannot name a package of Rego"):
        ask_for_verdict(answering(PASSES), stage, {})


# --- a server --------------------------------------------------------------------------------------------------------


class Opa(BaseHTTPRequestHandler):
    """OPA's Data API: what it is asked is kept, and what it answers is told before (regorus stays in its thread)."""

    seen: ClassVar[list[tuple[str, str | None, Any]]] = []
    answers: ClassVar[dict[str, Any]] = {}
    """Results by path."""
    garbled: ClassVar[dict[str, bytes]] = {
        "garbled": b"no json",
        "deep": b"[" * 100_000,
        "infinite": b'{"result": NaN}',
        "halved": b'{"provenance": {"bundles": {"\\ud800": 1}}}',
        "bytes": b"\xff\xfe{",
    }
    """What is no JSON of ours, by stage."""

    def do_POST(self) -> None:
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        self.seen.append((self.path, self.headers.get("Authorization"), value))
        path = self.path.removeprefix("/v1/data/").partition("?")[0]
        if path.startswith("syscard/gate/away"):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            return
        if path.startswith("syscard/gate/closed"):
            self.send_error(401)
            return
        found = self.answers.get(path)
        body: dict[str, Any] = {} if found is None else {"result": found}
        if "provenance" in self.path:
            body["provenance"] = {"version": "1.10", "bundles": {"gates": {"revision": "r7"}}}
        data = (
            self.garbled.get(path.removeprefix("syscard/gate/").removesuffix("/verdict")) or json.dumps(body).encode()
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if not path.startswith("syscard/gate/drips"):
            self.wfile.write(data)
            return
        with suppress(ConnectionError):  # whoever asked may have gone
            for byte in data[:16]:
                self.wfile.write(bytes([byte]))
                sleep(0.05)

    def log_message(self, *_args: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    gc.collect()  # an engine of regorus may only be let go of by the thread that made it
    with ThreadingHTTPServer(("127.0.0.1", 0), Opa) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_server_gives_the_verdict_and_is_sent_the_token_alone(server: str) -> None:
    Opa.seen.clear()
    facts = gate_input(card(standing("grounded", "broken")), None, NOW)
    Opa.answers = {
        "syscard/conformance/found": rego().ask("syscard/conformance/found", CONFORMANCE),
        "syscard/gate/promote/verdict": rego().ask("syscard/gate/promote/verdict", as_json(facts)),
    }
    engine = opa_engine(f"{server}/", "promote", "s3cret")
    conforms(engine)
    assert told(ask_for_verdict(engine, "promote", facts)) == told(ask_for_verdict(rego(), "promote", facts))
    assert {token for _, token, _ in Opa.seen} == {"Bearer s3cret"}
    assert Opa.seen[-1][2] == as_json(facts)
    assert [path for path, _, _ in Opa.seen][1:] == [
        "/v1/data/syscard/conformance/found", "/v1/data/syscard/gate/promote/verdict"
    ]  # fmt: skip
    assert "s3cret" not in f"{engine}"
    assert opa_engine(server, "promote", None).policy == engine.policy != opa_engine(server, "release", None).policy


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("away", "HTTP 302"),
        ("closed", "HTTP 401 from .*give a token by SYSCARD_OPA_TOKEN or SYSCARD_OPA_TOKEN_FILE"),
        *((stage, f"/gate/{stage}/verdict gives no JSON object") for stage in Opa.garbled),
    ],
)
def test_a_server_that_gives_no_verdict_is_a_loud_error(server: str, stage: str, says: str) -> None:
    with pytest.raises(GateError, match=says) as caught:
        opa_engine(server, stage, "s3cret")
    assert "s3cret" not in str(caught.value)


def test_a_server_without_the_policy_gives_no_verdict(server: str) -> None:
    with pytest.raises(GateError, match=r"data\.syscard\.gate\.release\.verdict is undefined"):
        ask_for_verdict(opa_engine(server, "release", None), "release", gate_input(card(), None, NOW))


def test_a_server_that_is_not_there_or_silent_is_said_in_time() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Opa) as unserved:
        url = f"http://127.0.0.1:{unserved.server_address[1]}"
        with pytest.raises(GateError, match=r"no answer from .*: none in time"):
            opa_engine(url, "promote", None, timeout_s=0.05)
    with pytest.raises(GateError, match=r"no answer from .*: connection refused"):
        opa_engine(url, "promote", None)


def test_a_server_that_sends_one_byte_after_the_other_is_out_of_time_as_one_that_is_silent(server: str) -> None:
    with pytest.raises(GateError, match=r"no answer from .*: none in time"):
        opa_engine(server, "drips", None, timeout_s=0.2)


def test_what_a_server_says_of_its_bundles_is_taken_in_every_shape(server: str) -> None:
    for provenance in (b"[1]", b"7", b'{"bundles": [123456789012345678901]}'):
        Opa.garbled["shaped"] = b'{"provenance": ' + provenance + b"}"
        assert len(opa_engine(server, "shaped", None).policy) == 64


def test_what_goes_to_this_machine_goes_through_no_proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server)
    Opa.seen.clear()
    url = f"http://localhost:{server.rpartition(':')[2]}"
    opa_engine(url, "promote", "s3cret")
    assert [path for path, _, _ in Opa.seen] == ["/v1/data/syscard/gate/promote/verdict?provenance=true"]


@pytest.mark.parametrize(
    ("url", "token", "says"),
    [
        ("opa:8181", None, "write the root of the server"),
        ("http://[::1", None, "write the root of the server"),
        ("file:///etc/passwd", None, "write the root of the server"),
        ("https://mara:pw@opa.example", None, "a password stands in it"),
        ("http://opa.example:8181", "t", "the token would go over http"),
    ],
)
def test_an_address_that_cannot_be_asked_safely_is_refused(url: str, token: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        opa_engine(url, "promote", token)
    assert "pw" not in str(caught.value)


def test_the_token_comes_from_the_environment_or_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-vault\n")
    file.chmod(0o640)
    assert read_token({"SYSCARD_OPA_TOKEN": " plain "}) == "plain"
    assert read_token({"SYSCARD_OPA_TOKEN_FILE": str(file), "SYSCARD_OPA_TOKEN": "plain"}) == "from-vault"
    assert read_token({}) is None
    file.chmod(0o644)
    with pytest.raises(UsageError, match=r"can be read by everybody: chmod 600 it"):
        read_token({"SYSCARD_OPA_TOKEN_FILE": str(file)})
    with pytest.raises(UsageError, match=r"SYSCARD_OPA_TOKEN_FILE: .*No such file"):
        read_token({"SYSCARD_OPA_TOKEN_FILE": str(tmp_path / "none")})
