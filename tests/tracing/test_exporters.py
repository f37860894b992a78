"""Real exporters deliver to a real port: OpenTelemetry's own for Python (HTTP, gRPC, logs) and for Node (OTLP/JSON)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.roller import roll_all
from tests.tracing.conftest import Children
from tests.tracing.nursery import Nursery

NODE = Path(__file__).parent / "node"
SEND = """
import importlib, sys
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
protocol, endpoint, compression, service = sys.argv[1:]
exporter = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter").OTLPSpanExporter
if protocol == "grpc":
    import grpc
    made = exporter(endpoint=endpoint, insecure=True, compression=getattr(grpc.Compression, compression))
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    made = exporter(endpoint=endpoint, compression=getattr(Compression, compression))
provider = TracerProvider(resource=Resource({"service.name": service}))
provider.add_span_processor(SimpleSpanProcessor(made))
tracer = provider.get_tracer("shop")
with tracer.start_as_current_span("request"):
    with tracer.start_as_current_span("chat") as chat:
        chat.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1"})
        chat.set_attribute("gen_ai.usage.input_tokens", 4)
provider.shutdown()
"""
JUDGE = """
import logging, sys
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context
if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    exporter = OTLPLogExporter(endpoint=sys.argv[2], insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    exporter = OTLPLogExporter(endpoint=sys.argv[2])
logs = LoggerProvider(resource=Resource({"service.name": sys.argv[3]}))
logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
span = TracerProvider().get_tracer("shop").start_span("chat")
said = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.75}
logger = logs.get_logger("judge")
logger.emit(LogRecord(context=set_span_in_context(span), event_name="gen_ai.evaluation.result", attributes=said))
logger.emit(LogRecord(body="a line of a log"))
logs.shutdown()
print(format(span.get_span_context().span_id, "016x"))
"""


class Served(NamedTuple):
    """One server for all exporters; each sends as a service of its own."""

    home: Home
    http: int
    grpc: int

    def rows(self, service: str) -> list[dict[str, Any]]:
        """What arrived from a service: rolled here, whatever the server has rolled."""
        with Inbox(self.home.inbox) as inbox:
            roll_all(inbox, Lake(self.home.lake))
        return Lake(self.home.lake).scan(services=[service]).sort("name").collect().to_dicts()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Iterator[Served]:
    children = Children(nursery)
    home = Home(tmp_path_factory.mktemp("exporters") / "home").create()
    _child, http, grpc = children.serve_both(home, roll_every=60)
    yield Served(home, http, grpc)
    children.end()


@pytest.mark.parametrize("compression", ["NoCompression", "Gzip"])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_pythons_span_exporters_deliver(protocol: str, compression: str, served: Served, children: Any) -> None:
    service = f"{protocol}-{compression.lower()}"
    endpoint = f"http://127.0.0.1:{served.http}/v1/traces" if protocol == "http" else f"127.0.0.1:{served.grpc}"
    sender = children.fresh(SEND, protocol, endpoint, compression, service)
    assert sender.wait(120) == 0, sender.stderr.read()
    chat, request = served.rows(service)
    assert (chat["operation"], chat["model"], chat["input_tokens"]) == ("chat", "m-1", 4)
    assert (request["parent_span_id"], chat["parent_span_id"]) == (None, request["span_id"])


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_evaluation_of_pythons_log_exporters_arrives(protocol: str, served: Served, children: Any) -> None:
    service = f"judge-{protocol}"
    endpoint = f"http://127.0.0.1:{served.http}/v1/logs" if protocol == "http" else f"127.0.0.1:{served.grpc}"
    sender = children.fresh(JUDGE, protocol, endpoint, service)
    judged, errors = sender.communicate(timeout=120)
    assert sender.returncode == 0, errors
    (row,) = served.rows(service)
    assert (row["operation"], row["component"], row["parent_span_id"]) == ("evaluation", None, judged.strip())
    assert json.loads(row["features"]) == {"evaluation.relevance.score": 0.75}


@pytest.fixture(scope="module")
def node(pytestconfig: pytest.Config) -> Path:
    """The folder of the Node sender, installed by its lock; it stays in pytest's cache until the lock changes."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on this machine")
    lock = (NODE / "package-lock.json").read_bytes()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    folder = Path(pytestconfig.cache.mkdir("syscard-node")) / f"sender{worker}"
    done = folder / "installed.lock"
    if not done.is_file() or done.read_bytes() != lock:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(NODE, folder, ignore=shutil.ignore_patterns("node_modules"))
        installed = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True
        )
        assert installed.returncode == 0, installed.stderr
        done.write_bytes(lock)
    shutil.copy(NODE / "send.mjs", folder)
    return folder


@pytest.mark.endurance
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_nodes_exporter_delivers_json(compression: str, node: Path, served: Served) -> None:
    before = len(served.rows("shop-node"))
    endpoint = f"http://127.0.0.1:{served.http}/v1/traces"
    sent = subprocess.run(["node", "send.mjs", endpoint, compression], cwd=node, capture_output=True, text=True)
    assert (sent.returncode, sent.stderr) == (0, "")
    rows = served.rows("shop-node")
    assert len(rows) == before + 3
    newest = {row["name"]: row for row in sorted(rows, key=lambda row: row["received"])[-3:]}
    assert (newest["chat"]["model"], newest["chat"]["input_tokens"]) == ("smollm2-135m-instruct", 41)
    assert (newest["execute_tool"]["component"], newest["execute_tool"]["error_type"]) == (
        "execute_tool:recommend",
        "TimeoutError",
    )
    assert newest["chat"]["parent_span_id"] == newest["execute_tool"]["parent_span_id"] == newest["request"]["span_id"]


def test_the_lock_of_node_names_no_registry_and_checks_every_package() -> None:
    text = (NODE / "package-lock.json").read_text()
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert "resolved" not in text
    assert "://" not in text
