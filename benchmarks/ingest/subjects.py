"""Who is measured: how each is started, and how its rows are counted (read only, in the benchmark's own process)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final

from syscard_tracing.lake import Lake

ROOT: Final = Path(__file__).parents[2]
SYSTEM: Final = Path(__file__).parent / "system.yaml"
BIN: Final = Path(sys.executable).parent
PEERS: Final = Path(os.environ.get("BENCH_PEERS") or ROOT / ".bench" / "peers")
"""Environments of the peers, one folder each."""


class Subject(ABC):
    """One server, with its own defaults."""

    name: str
    package: str
    headers: Mapping[str, str] = {}
    stores = True

    @abstractmethod
    def command(self, folder: Path, ports: tuple[int, int]) -> list[str]:
        """What starts it; the first port is for OTLP over HTTP."""

    def environment(self, folder: Path, ports: tuple[int, int]) -> dict[str, str]:  # noqa: ARG002
        """Variables that it needs."""
        return {}

    def prepare(self, folder: Path) -> None:  # noqa: B027
        """What is done before its first start."""

    @abstractmethod
    def rows(self, folder: Path) -> int:
        """Spans that a query finds."""

    @abstractmethod
    def distinct(self, folder: Path) -> int:
        """Spans that differ in their ids."""

    def python(self) -> Path:
        """Python of its environment."""
        return BIN / "python"

    def version(self) -> str:
        """Version of its package."""
        asked = f"import importlib.metadata as m; print(m.version('{self.package}'))"
        found = subprocess.run([self.python(), "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603
        return found.stdout.strip()


class Syscard(Subject):
    """Our receiver alone (`--only receiver`), with a declared system: the monitors are not what is compared."""

    name, package = "syscard", "syscard"

    def command(self, folder: Path, ports: tuple[int, int]) -> list[str]:  # noqa: D102
        serve = ["serve", "--only", "receiver", "--port", str(ports[0]), "--grpc-port", str(ports[1])]
        return [str(BIN / "syscard"), "--home", str(folder), *serve]

    def prepare(self, folder: Path) -> None:  # noqa: D102
        folder.mkdir(parents=True)
        command = [str(BIN / "syscard"), "--home", str(folder), "apply", str(SYSTEM)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603

    def rows(self, folder: Path) -> int:  # noqa: D102
        return _lake(folder).count()

    def distinct(self, folder: Path) -> int:  # noqa: D102
        return _lake(folder).scan().select("trace_id", "span_id").unique().collect().height


class Floor(Subject):
    """uvicorn and the official class; nothing is kept."""

    name, package, stores = "parse only", "uvicorn", False

    def command(self, folder: Path, ports: tuple[int, int]) -> list[str]:  # noqa: ARG002, D102
        server = [str(BIN / "uvicorn"), "benchmarks.ingest.floor:app", "--port", str(ports[0])]
        return [*server, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]

    def rows(self, folder: Path) -> int:  # noqa: ARG002, D102
        return 0

    def distinct(self, folder: Path) -> int:  # noqa: ARG002, D102
        return 0


class Peer(Subject):
    """A server from the registry, in an environment of its own, on its default store (SQLite)."""

    pin: str
    database: str

    def prepare(self, folder: Path) -> None:  # noqa: D102
        folder.mkdir(parents=True, exist_ok=True)

    def rows(self, folder: Path) -> int:  # noqa: D102
        return self._asked(folder, "select count(*) from spans")

    def distinct(self, folder: Path) -> int:  # noqa: D102
        return self._asked(folder, "select count(distinct span_id) from spans")

    def python(self) -> Path:  # noqa: D102
        return _environment(self.package, self.pin) / "bin" / "python"

    def _asked(self, folder: Path, question: str) -> int:
        with closing(sqlite3.connect(f"file:{folder / self.database}?mode=ro", uri=True, timeout=30)) as database:
            return int(database.execute(question).fetchone()[0])


class Phoenix(Peer):
    """Arize Phoenix."""

    name, package, pin, database = "Phoenix", "arize-phoenix", "20.26.1", "phoenix.db"

    def command(self, folder: Path, ports: tuple[int, int]) -> list[str]:  # noqa: ARG002, D102
        return [str(self.python().with_name("phoenix")), "serve"]

    def environment(self, folder: Path, ports: tuple[int, int]) -> dict[str, str]:  # noqa: D102
        return {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(ports[0]),
            "PHOENIX_GRPC_PORT": str(ports[1]),
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }


class Mlflow(Peer):
    """The MLflow tracking server."""

    name, package, pin, database = "MLflow", "mlflow", "3.17.2", "mlflow.db"
    headers = {"x-mlflow-experiment-id": "0"}

    def command(self, folder: Path, ports: tuple[int, int]) -> list[str]:  # noqa: D102
        store = ["--backend-store-uri", f"sqlite:///{folder / self.database}"]
        files = ["--artifacts-destination", str(folder / "artifacts")]
        server = [str(self.python().with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(ports[0])]
        return [*server, *store, *files]

    def environment(self, folder: Path, ports: tuple[int, int]) -> dict[str, str]:  # noqa: ARG002, D102
        # Its helpers are started by name.
        return {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{self.python().parent}:{os.environ['PATH']}"}


ALL: Final[Mapping[str, Subject]] = {"syscard": Syscard(), "floor": Floor(), "phoenix": Phoenix(), "mlflow": Mlflow()}


@cache
def _lake(folder: Path) -> Lake:
    """Kept open, as the monitors do: a look costs the machine less."""
    return Lake(folder / "lake")


@cache
def _environment(package: str, pin: str) -> Path:
    """Its folder; made where it is not there, which takes minutes."""
    folder = PEERS / package
    if not (folder / "bin" / package).exists():
        sys.stderr.write(f"making {folder} for {package} {pin} (once; minutes) ...\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)  # noqa: S603
        install = [str(BIN / "uv"), "pip", "install", "-q", "--compile-bytecode", "-p", str(folder / "bin" / "python")]
        subprocess.run([*install, f"{package}=={pin}"], check=True)  # noqa: S603
    return folder
