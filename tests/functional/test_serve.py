"""Spans in over HTTP, card out: a real receiver with its monitors, stopped gently and killed."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syscard.errors import SyscardError
from syscard.home import Home
from syscard.views import View, read_view
from syscard_tui.commands.spans import _receiver
from syscard_tui.wiring import House
from tests.functional.helpers import (
    JSON_TYPE,
    PATIENCE_S,
    PROTOBUF_TYPE,
    Server,
    as_json,
    as_protobuf,
    ending_at,
    environment,
    one_line,
    recorded,
    running,
    sound,
    syscard,
    wait_for,
)

Serve = Callable[..., Server]
GZIP = {"content-encoding": "gzip"}
APP = """
import sys
from syscard_tracing import component, instrument
provider = instrument("shop-recommender", endpoint=sys.argv[1], version="9")
for number in range(int(sys.argv[2])):
    with component("agent", kind="invoke_agent"):
        with component("cf", kind="retrieval", version="als-9") as cf:
            cf.set(known_user=True, history_len=number, items=["i-1", "i-2"])
        with component("vlm") as vlm:
            vlm.set(agrees=number % 4 > 0)
            vlm.item("i-1")
        with component("llm", kind="chat") as llm:
            llm.attribute("gen_ai.request.model", "smollm2-135m-instruct")
            llm.attribute("gen_ai.output.messages", '["a secret sentence that nobody may keep"]')
            if number == 3:
                llm.fallback("timeout")
provider.shutdown()
"""


def seen(home: Path) -> View | None:
    """The view, once there is one."""
    with contextlib.suppress(SyscardError):
        return read_view(home / "records.db")
    return None


def taken(home: Path) -> int:
    """Requests that the monitors have put on the card."""
    view = seen(home)
    return int(view["live"]["watcher"]["requests"]) if view and view["live"] else 0


def span_ids(home: Path) -> list[tuple[str, str]]:
    """Every span in the lake."""
    rows = House(Home(home)).scan(None).select("trace_id", "span_id").collect()
    return [(str(t), str(s)) for t, s in rows.iter_rows()]


def server_page(server: Server, path: str) -> str:
    """A page that a server shows."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=PATIENCE_S) as page:
        return str(page.read().decode())


@pytest.mark.endurance
def test_spans_over_http_become_figures_on_the_card_and_survive_kill_9(declared: Path, serve: Serve) -> None:
    """All of it with one home: protobuf and JSON, gzip and identity, a kill -9 right after an answer, a new start."""
    card = syscard("--home", declared, "card", "show", "--json").document["card"]
    assert {c["slices"][0]["why"] for c in card["claims"].values()} == {"nothing has been measured yet"}
    assert syscard("--home", declared, "status", "--check").code == 1, "a watcher that never ran is no peace"

    server = serve(declared, "--port", "0", "--every", "0.5").ready()
    lines = ending_at(recorded("normal")[1200:1320], datetime.now(UTC) - timedelta(seconds=40))
    assert server.post(as_json(lines[:30]), JSON_TYPE) == 200
    assert server.post(gzip.compress(as_protobuf(lines[30:60])), {**PROTOBUF_TYPE, **GZIP}) == 200
    orphans = server.children()
    server.process.kill()
    server.process.wait()
    assert orphans

    server = serve(declared, "--port", "0", "--every", "0.5").ready()
    assert server.post(as_protobuf(lines[60:90]), PROTOBUF_TYPE) == 200
    assert server.post(gzip.compress(as_json(lines[90:])), {**JSON_TYPE, **GZIP}) == 200
    wait_for(lambda: taken(declared) == 120)
    wait_for(lambda: not any(running(pid) for pid in orphans))

    status = syscard("--home", declared, "status", "--json").document
    assert (status["requests"], status["watcher_state"]) == (120, "alive")
    claims = {claim["id"]: claim for claim in status["claims"]}
    assert claims["grounded"]["status"] == claims["only-real-items"]["status"] == "holds"
    assert "promised >= 0.80  n 1" in claims["grounded"]["text"]
    assert {claims[ref]["status"] for ref in ("fair-acceptance", "taken")} == {"unknown"}
    assert "nothing measures it" in claims["fair-acceptance"]["text"]
    assert {part["ref"] for part in status["parts"]} >= {"cf", "vlm", "llm", "agent", "vlm->llm"}
    assert syscard("--home", declared, "status", "--check").code == 0
    assert "alive" in syscard("--home", declared, "status").out
    assert "System card: Shop recommender" in server_page(server, "/")
    assert json.loads(server_page(server, "/api/v1/status"))["requests"] == 120
    with pytest.raises(urllib.error.HTTPError, match="404"):
        server_page(server, "/nowhere")

    below = server.children()
    assert below
    assert server.stop() == 0
    wait_for(lambda: not any(running(pid) for pid in below))
    assert "Traceback" not in server.said
    assert len(set(span_ids(declared))) == len(span_ids(declared)) == 600
    sound(declared)


@pytest.mark.endurance
def test_spans_of_our_own_sdk_arrive_from_another_process(declared: Path, serve: Serve) -> None:
    server = serve(declared, "--port", "0", "--only", "receiver").ready()
    app = subprocess.run(
        [sys.executable, "-c", APP, f"http://127.0.0.1:{server.port}", "20"],
        env=environment(), capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (app.returncode, app.stderr) == (0, "")
    assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.said
    time.sleep(1.1)  # a request counts as complete one second after its end
    assert syscard("--home", declared, "monitor", "--once").out.startswith("shop-recommender: 1 windows, 0 requests")
    components = read_view(declared / "records.db")["card"]["components"]
    versions = {(o["what"], o["value"], o["declared"]) for o in components["cf"]["observed"]}
    assert ("version", "als-9", False) in versions
    assert sorted(components) == ["agent", "cf", "llm", "vlm"]
    rows = House(Home(declared)).scan(None).select("component", "model", "fallback").collect().rows()
    assert sorted({str(component) for component, _, _ in rows}) == ["agent", "cf", "llm", "vlm"]
    assert [(c, m) for c, m, fallback in rows if fallback] == [("llm", "smollm2-135m-instruct")]
    assert not [p for p in declared.rglob("*") if p.is_file() and b"a secret sentence" in p.read_bytes()]


@pytest.mark.endurance
def test_bad_bodies_a_second_serve_and_a_taken_port_harm_nothing(declared: Path, serve: Serve, tmp_path: Path) -> None:
    server = serve(declared, "--port", "0", "--only", "receiver").ready()
    good = as_json(recorded("normal")[:3])
    assert server.post(good, JSON_TYPE) == 200
    for wanted, body, headers in (
        (400, b"{", JSON_TYPE),
        (400, b"\xff\xfe garbage", PROTOBUF_TYPE),
        (400, b'{"resourceSpans": 3}', JSON_TYPE),
        (400, gzip.compress(good)[:-20], {**JSON_TYPE, **GZIP}),
        (413, gzip.compress(bytes(65 << 20), 1), {**JSON_TYPE, **GZIP}),
        (415, good, {"content-type": "text/html"}),
        (200, b"", PROTOBUF_TYPE),
        (200, b'{"resourceSpans": [], "somethingNew": {"a": [1]}}', JSON_TYPE),
    ):
        assert server.post(body, headers) == wanted, body[:40]
    second = syscard("--home", declared, "serve", "--port", 0)
    one_line(second, "already served by process", str(server.process.pid))
    taken_port = syscard("--home", tmp_path / "other", "serve", "--port", server.port)
    one_line(taken_port, f"port {server.port}", "taken", "--port")
    assert server.post(good, JSON_TYPE) == 200
    assert server.stop() == 0
    assert len(span_ids(declared)) == 15
    sound(declared)


@pytest.mark.parametrize("late", [False, True])
def test_ctrl_c_at_the_start_and_later_shows_no_traceback(late: bool, declared: Path, serve: Serve) -> None:
    """On a terminal ctrl-c goes to the whole group. Early: while receiver and monitors are still being imported."""
    server = serve(declared, "--port", "0")
    wait_for(lambda: bool(server.children()))
    below = server.children()
    if late:
        server.ready()
    os.killpg(server.process.pid, signal.SIGINT)
    code = server.process.wait(PATIENCE_S)
    assert "Traceback" not in server.said
    assert code == 0 if late else code in (0, 130), server.said
    wait_for(lambda: not any(running(pid) for pid in below))
    sound(declared)


def test_ctrl_c_within_an_exec_of_text_ends_with_our_code(tmp_path: Path) -> None:
    """As it may come while modules are imported: dataclasses and named tuples are made by exec."""
    (tmp_path / "started.py").write_text(
        "import syscard_tui.main as entry\n"
        "entry._run = lambda arguments: exec('raise KeyboardInterrupt')\n"
        "entry.main()\n"
    )
    ended = subprocess.run([sys.executable, "-m", "started"], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.count("\n")) == (130, 1)


def test_the_token_is_not_handed_on_to_the_process_of_the_monitors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_TOKEN", "s3cret")
    _receiver(House(Home(tmp_path / "h").create()), "127.0.0.1", 0, None, None, None, behind_proxy=False)
    assert "s3cret" not in os.environ.values()


def test_serve_listens_to_others_only_with_a_token_and_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_line(syscard("--home", tmp_path / "h", "serve", "--host", "0.0.0.0"), "token")
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("SYSCARD_TOKEN_FILE", str(tmp_path / "token"))
    one_line(syscard("--home", tmp_path / "h", "serve", "--host", "0.0.0.0"), "--tls-cert", "--insecure-behind-proxy")
    one_line(syscard("--home", tmp_path / "h", "serve", "--tls-cert", tmp_path / "c"), "both")
    missing = syscard("--home", tmp_path / "h", "serve", "--tls-cert", tmp_path / "c", "--tls-key", tmp_path / "k")
    one_line(missing, str(tmp_path / "c"), "No such file")
    monkeypatch.setenv("SYSCARD_TOKEN", "s3cret")
    both = syscard("--home", tmp_path / "h", "serve")
    one_line(both, "SYSCARD_TOKEN_FILE", "both set")
    assert "s3cret" not in both.err
    monkeypatch.delenv("SYSCARD_TOKEN")
    one_line(syscard("--home", tmp_path / "h", "serve", "--only", "everything"), "receiver, monitor or web")
    one_line(syscard("--home", tmp_path / "h", "serve", "--port", 1 << 17), "port")
