"""What the functional tests share: one replayed demo, homes that may be changed, servers that end with the test."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syscard_configs import read_text
from tests.functional.helpers import Demo, Server, syscard, syscard_process


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`syscard demo`, run once however many processes test. Nothing may change it: take `demo_home` for that."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "the-demo"
    folder.mkdir(exist_ok=True)
    with (shared / "the-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "code").exists():
            ran = syscard_process("demo", cwd=folder)
            for name, text in (("out", ran.out), ("err", ran.err), ("code", str(ran.code))):
                (folder / name).write_text(text)
    assert (folder / "code").read_text() == "0", (folder / "err").read_text()
    return Demo(folder, (folder / "out").read_text(), (folder / "err").read_text())


@pytest.fixture
def demo_home(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's home that a test may change."""
    return Path(shutil.copytree(demo.home, tmp_path / "demo-home"))


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts in an empty folder, with no home named anywhere."""
    told = ("SYSCARD_NOTIFY_URL", "SYSCARD_NOTIFY_FILE", "SYSCARD_HEARTBEAT_URL", "SYSCARD_ALERTMANAGER_URL")
    for name in ("SYSCARD_HOME", "SYSCARD_TOKEN", "SYSCARD_DATABASE", "COLUMNS", *told):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """A home in which the recorded recommender is declared; requests count as complete one second after their end."""
    home, file = tmp_path / "home", tmp_path / "system.yaml"
    text = read_text("examples", "recommender.yaml").replace("complete_after: 30s", "complete_after: 1s")
    file.write_text(text, encoding="utf-8")
    home.mkdir()
    assert syscard("--home", home, "apply", file).code == 0
    return home


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers; none outlives the test."""
    started: list[Server] = []

    def start(home: Path, *arguments: object) -> Server:
        started.append(Server(home, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.end()
