"""A home is its owner's: nobody else may read a file of it, whatever the umask, and whoever made the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.clock import system_clock
from tests.functional.helpers import JSON_TYPE, Server, as_json, ending_at, recorded, sound, syscard, wait_for


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    """Sets the umask that commands and servers are started with."""
    before = os.umask(0o022)
    yield lambda mask: (os.umask(mask), None)[1]
    os.umask(before)


@pytest.fixture
def home(umask: Callable[[int], None], tmp_path: Path) -> Path:
    """A home that `init` and `apply` made while everything was allowed to everybody."""
    umask(0)
    home = tmp_path / "deep" / "home"
    assert syscard("--home", home, "init").code == 0
    assert syscard("--home", home, "apply").code == 0
    return home


def open_to_others(root: Path) -> dict[str, str]:
    """Files and folders with another mode than they must have; those of SQLite may go while we look."""
    found = {}
    for path in (root, *root.rglob("*")):
        try:
            mode = path.lstat().st_mode & 0o777
        except FileNotFoundError:
            continue
        if mode != (0o700 if path.is_dir() else 0o600):
            found[str(path.relative_to(root))] = oct(mode)
    return found


def names(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*")}


@pytest.mark.endurance
def test_every_command_leaves_a_home_that_only_its_owner_reads(
    home: Path, serve: Callable[..., Server], tmp_path: Path
) -> None:
    assert open_to_others(home) == {}, "init and apply"
    lines = ending_at(recorded("normal")[:60], system_clock() - timedelta(seconds=60))
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"\n".join(lines[:40]))
    assert syscard("--home", home, "ingest", file).code == 0
    assert open_to_others(home) == {}, "ingest"

    server = serve(home, "--port", "0", "--no-grpc").ready()
    assert server.post(as_json(lines[40:]), JSON_TYPE) == 200
    wait_for(lambda: {"inbox.db-wal", "inbox.db-shm", "records.db-wal", "records.db-shm"} <= names(home))
    assert open_to_others(home) == {}, "serve, while it runs"
    assert server.stop() == 0
    assert open_to_others(home) == {}, "serve, afterwards"

    for command in (
        ("monitor", "--once"), ("snapshot",), ("retain", "--days", "90", "--now"), ("status",), ("card", "verify"),
        ("hold", "add", "a" * 32, "--reason", "a test"), ("erase", "--user", "nobody", "--yes"), ("doctor", "--repair"),
    ):  # fmt: skip
        assert syscard("--home", home, *command).code == 0, command
        assert open_to_others(home) == {}, command
    made = {"inbox.db", "records.db", "lake", "_delta_log", "v1.html", "keeping.jsonl", "fingerprint.key"}
    assert made <= names(home)
    sound(home)


def test_a_backup_is_its_owner_s_whatever_the_modes_of_the_home(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"\n".join(recorded("normal")[:20]))
    assert syscard("--home", home, "ingest", file).code == 0
    assert syscard("--home", home, "snapshot").code == 0
    for path in (home, *home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)  # as an earlier release may have left it
    assert syscard("--home", home, "backup", tmp_path / "copy").code == 0
    assert open_to_others(tmp_path / "copy") == {}
    sound(tmp_path / "copy")


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0, 0o666), (0o027, 0o640)])
def test_a_file_that_the_user_names_follows_their_umask(
    mask: int, mode: int, home: Path, umask: Callable[[int], None], tmp_path: Path
) -> None:
    umask(mask)
    assert syscard("--home", home, "init", "mine.yaml").code == 0
    spans, drafted, out = tmp_path / "spans.jsonl", tmp_path / "drafted.yaml", tmp_path / "board" / "today"
    spans.write_bytes(b"\n".join(recorded("normal")[:20]))
    assert syscard("--home", home, "ingest", spans).code == 0
    assert syscard("--home", home, "discover", "-o", drafted).code == 0
    assert syscard("--home", home, "snapshot", "--out", out).code == 0
    assert syscard("--home", home, "snapshot", "--out", home / "snapshots" / "own").code == 0
    for path in (Path("mine.yaml"), drafted, *out.iterdir()):
        assert path.stat().st_mode & 0o777 == mode, path
    assert out.stat().st_mode & 0o777 == 0o777 & ~mask
    assert open_to_others(home) == {}
    assert os.umask(mask) == mask, "and the umask is the caller's again"
