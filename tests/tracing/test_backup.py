"""A home is copied while it is in use: nothing acknowledged before is missing from the copy, nothing is there twice."""

from __future__ import annotations

import shutil
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syscard.errors import LakeError, UsageError
from syscard.home import Home
from syscard_tracing import keys
from syscard_tracing.backup import back_up
from syscard_tracing.doctor import check
from syscard_tracing.durable import log_entries
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.roller import roll_all
from syscard_tracing.upkeep import renew_checkpoint

Put = Callable[..., None]
Stored = Callable[[], list[int]]


def fine(_copy: Home) -> None:
    """No records here; tests/functional has them."""


def numbers(home: Home) -> list[int]:
    """What a home holds after its first start."""
    with Inbox(home.inbox) as inbox:
        roll_all(inbox, Lake(home.lake))
    assert [f.what for f in check(home) if not f.ok] == []
    return sorted(int(i, 16) - 1 for i in Lake(home.lake).scan().collect()["trace_id"])


def test_everything_acknowledged_before_is_in_the_copy_once_while_spans_come_and_roll(
    home: Home, tmp_path: Path, children: Any, line_of: Callable[..., bytes]
) -> None:
    _, port = children.serve(home, roll_every=0.05)
    acknowledged: list[int] = []
    stop = threading.Event()

    def send() -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/traces", line_of(number), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60):
                acknowledged.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for name in ("first", "second"):
            while len(acknowledged) < (30 if name == "first" else 60):
                stop.wait(0.05)
            before = list(acknowledged)
            made = back_up(home, tmp_path / name, fine)
            shutil.copytree(tmp_path / name, tmp_path / f"{name}-restored")
            found = numbers(Home(tmp_path / f"{name}-restored"))
            assert len(found) == len(set(found))
            assert set(before) <= set(found)
            assert made.spans + made.waiting == len(found)
    finally:
        stop.set()
        sender.join()
    assert (tmp_path / "second" / "keys" / keys.FILE).read_bytes() == (home.keys / keys.FILE).read_bytes()


def test_a_restored_home_takes_new_spans_and_swallows_none(
    home: Home, put: Put, inbox: Inbox, lake: Lake, tmp_path: Path, span: Callable[..., Any], clock: Any
) -> None:
    for number in range(4):
        put(number)
        roll_all(inbox, lake)
    renew_checkpoint(lake)
    put(4)
    back_up(home, tmp_path / "copy", fine)
    copy = Home(tmp_path / "copy")
    with Inbox(copy.inbox) as restored:
        assert restored.last_seq() >= Lake(copy.lake).done_seq(restored.app_id)
    assert len(log_entries(copy.lake)) < 3, "the log from the newest checkpoint on is enough"
    assert numbers(copy) == [0, 1, 2, 3, 4]


def test_what_stands_in_the_home_beside_comes_along_and_locks_do_not(home: Home, put: Put, tmp_path: Path) -> None:
    put(0)
    (home.root / "packs").mkdir()
    (home.root / "packs" / "mine.yaml").write_text("x: 1")
    (home.root / "retention.json").write_text('{"days": 9}')
    (home.root / "serve.lock").write_text("1")
    back_up(home, tmp_path / "copy", fine)
    found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert {"packs/mine.yaml", "retention.json", "inbox.db"} <= found
    assert not any(name.endswith(".lock") for name in found)


def test_a_copy_appears_whole_or_not_at_all(home: Home, put: Put, inbox: Inbox, lake: Lake, tmp_path: Path) -> None:
    put(0)
    roll_all(inbox, lake)

    def interrupted(step: str) -> None:
        if step == "files":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(home, tmp_path / "copy", fine, interrupted)
    next(lake.path.rglob("*.parquet")).unlink()
    with pytest.raises(LakeError, match="is missing: run syscard doctor"):
        back_up(home, tmp_path / "copy", fine)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_place_that_is_taken_or_inside_the_home_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        back_up(home, tmp_path, fine)
    with pytest.raises(UsageError, match="inside the home"):
        back_up(home, home.root / "copy", fine)


def test_a_place_inside_the_home_is_refused_whatever_links_lead_there(home: Home, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home.root / "snapshots")
    (tmp_path / "home link").symlink_to(home.root)
    before = sorted(home.root.rglob("*"))
    with pytest.raises(UsageError, match="inside the home"):
        back_up(home, tmp_path / "link" / "copy", fine)
    with pytest.raises(UsageError, match="inside the home"):
        back_up(Home(tmp_path / "home link"), home.root / "copy", fine)
    assert sorted(home.root.rglob("*")) == before


def test_an_empty_home_can_be_copied(home: Home, tmp_path: Path) -> None:
    assert back_up(home, tmp_path / "copy", fine)[:3] == (-1, 0, 0)
