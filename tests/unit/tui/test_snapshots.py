"""Snapshots are taken once, kept, chained and verified from their files alone; and taken by themselves when due."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard import edits as e
from syscard import signatures
from syscard.clock import ReplayClock
from syscard.declare import declaring
from syscard.errors import ChainBroken, UsageError
from syscard.health import watcher_line
from syscard.home import Home
from syscard.records.store import Records
from syscard.render.snapshot import drawings
from syscard.signatures import public_key, sealed, signing_key
from syscard.snapshot_verify import verify_snapshots
from syscard.snapshots import Wish
from syscard.system import System
from syscard_tui import planned
from syscard_tui.planned import take_due, take_of_release
from syscard_tui.snapshots import copy_out, finding, take
from syscard_tui.wiring import House
from tests.unit import build

WEEK = timedelta(days=7)
ASKED = {"packs": [], "snapshots": {"every": "7d", "keep": 2}}


def declare(records: Records, system: System) -> None:
    with records.transaction() as transaction:
        drafts = declaring(transaction.newest("shop")[0], system, build.HUMAN, build.NOW)
        transaction.append("shop", drafts, cause="apply", recorded=build.NOW)


def write(records: Records, *bodies: e.Body) -> None:
    with records.transaction() as transaction:
        transaction.append("shop", [build.draft(body) for body in bodies], cause="a test", recorded=build.NOW)


def house_in(folder: Path, **changes: Any) -> House:
    house = House(Home(folder / "home").create(), ReplayClock(build.NOW))
    with house.records() as records:
        declare(records, build.declared(**changes))
    return house


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three snapshots of one system."""
    house = house_in(tmp_path_factory.mktemp("three"))
    with house.records() as records:
        for reason in ("on request", "board", "release 2"):
            take(house, records, "shop", Wish(reason=reason), build.HUMAN)
    return house.home.snapshots / "shop"


@pytest.fixture
def copied(three: Path, tmp_path: Path) -> Path:
    """The same on another machine: a folder, and no home."""
    return Path(shutil.copytree(three, tmp_path / "elsewhere"))


# --- verified by whoever has the files -------------------------------------------------------------------------------


def test_the_files_of_a_snapshot_are_verified_without_a_home(copied: Path) -> None:
    (found,) = verify_snapshots(copied)
    assert (found.system, found.number, found.version, found.numbers) == ("shop", 3, 3, (3, 2, 1))
    assert (found.reason, found.pinned, found.gone, found.before) == ("release 2", False, (), False)


@pytest.mark.parametrize("name", ["v2.dsse.json", "v2.json", "v2.md", "v2.html", "v2.pdf"])
def test_any_of_its_files_leads_to_it(copied: Path, name: str) -> None:
    (found,) = verify_snapshots(copied / name)
    assert (found.number, found.reason) == (2, "board")


@settings(max_examples=60)
@given(st.data())
def test_whatever_byte_of_whatever_file_is_changed_it_is_found(three: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(three.iterdir())))
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(bytes(changed))
        with pytest.raises(ChainBroken):
            verify_snapshots(three)
    finally:
        path.write_bytes(whole)


def test_a_file_that_is_missing_is_named_and_an_older_one_is_told(copied: Path) -> None:
    (copied / "v1.pdf").unlink()
    (found,) = verify_snapshots(copied)
    assert found.gone == ("v1.pdf",)
    (copied / "v3.pdf").unlink()
    with pytest.raises(ChainBroken, match=r"v3.pdf: is not beside v3.dsse.json"):
        verify_snapshots(copied)


@pytest.mark.parametrize("name", ["v3.docx", "v3.old.pdf", "report.pdf", "unchained-v3.dsse.json", "x3.dsse.json"])
def test_a_file_that_nobody_signed_is_refused_although_a_genuine_snapshot_lies_beside_it(
    copied: Path, name: str
) -> None:
    (copied / "report.dsse.json").write_text("{}")
    (copied / name).write_text("forged")
    with pytest.raises(ChainBroken, match=f"{name}: "):
        verify_snapshots(copied / name)


@pytest.mark.parametrize("suffix", ["md", "json", "html", "pdf"])
def test_one_file_its_envelope_and_the_key_are_enough(three: Path, tmp_path: Path, suffix: str) -> None:
    """As a board has the PDF by mail."""
    for path in (three / f"v3.{suffix}", three / "v3.dsse.json", *three.glob("*.pub.pem")):
        shutil.copy(path, tmp_path)
    (found,) = verify_snapshots(tmp_path / f"v3.{suffix}")
    assert (found.numbers, found.before) == ((3,), True)
    assert set(found.gone) == {"v3.md", "v3.json", "v3.html", "v3.pdf"} - {f"v3.{suffix}"}
    for whole in (tmp_path, tmp_path / "v3.dsse.json"):
        with pytest.raises(ChainBroken, match=r"is not beside v3.dsse.json"):
            verify_snapshots(whole)
    (tmp_path / f"v3.{suffix}").write_text("forged")
    with pytest.raises(ChainBroken, match="is not the file that was signed"):
        verify_snapshots(tmp_path / f"v3.{suffix}")


def test_a_link_that_was_taken_out_is_found_and_an_end_that_is_not_here_is_told(copied: Path) -> None:
    (copied / "v1.dsse.json").unlink()
    (found,) = verify_snapshots(copied)
    assert (found.numbers, found.before) == ((3, 2), True)


def test_a_hole_in_the_chain_is_found(copied: Path) -> None:
    (copied / "v2.dsse.json").unlink()
    with pytest.raises(ChainBroken, match="snapshot 2, which came before it, is missing"):
        verify_snapshots(copied)


def test_a_snapshot_that_does_not_follow_is_found_although_it_is_signed(
    three: Path, copied: Path, tmp_path: Path
) -> None:
    """As whoever has the key could write it later."""
    house = house_in(tmp_path, unknowns=[])
    shutil.copy(three.parent.parent / "keys" / "signing.pem", house.home.keys)
    with house.records() as records:
        other = take(house, records, "shop", Wish(), build.HUMAN)
    for path in other.paths:
        shutil.copy(path, copied / path.name)
    with pytest.raises(ChainBroken, match=r"v2.dsse.json: does not follow from v1.dsse.json"):
        verify_snapshots(copied)


def test_a_renamed_snapshot_is_found(copied: Path) -> None:
    for suffix in ("md", "json", "html", "pdf", "dsse.json"):
        (copied / f"v3.{suffix}").rename(copied / f"v9.{suffix}")
    with pytest.raises(ChainBroken, match=r"v9.dsse.json: what was signed is of v3"):
        verify_snapshots(copied)


def test_who_must_have_signed_can_be_said_by_fingerprint_or_by_file(copied: Path, tmp_path: Path) -> None:
    (key,) = copied.glob("*.pub.pem")
    fingerprint = verify_snapshots(copied)[0].signed_by
    for pin in (fingerprint, fingerprint[:16].upper(), f"SHA256:{fingerprint}", str(key)):
        assert verify_snapshots(copied, pin)[0].pinned
    other = signing_key(tmp_path).public
    (tmp_path / "other.pem").write_bytes(other.pem)
    for pin in (other.fingerprint, str(tmp_path / "other.pem")):
        with pytest.raises(ChainBroken):
            verify_snapshots(copied, pin)
    with pytest.raises(UsageError, match="neither a file nor a fingerprint"):
        verify_snapshots(copied, "mine")


def test_a_chain_that_goes_on_under_another_key_says_so(tmp_path: Path) -> None:
    """As a stranger continues it, who lays his key beside it."""
    house = house_in(tmp_path)
    with house.records() as records:
        first = take(house, records, "shop", Wish(), build.HUMAN)
        (house.home.keys / "signing.pem").unlink()
        take(house, records, "shop", Wish(reason="board"), build.HUMAN)
    (found,) = verify_snapshots(house.home.snapshots / "shop")
    assert (found.numbers, found.other_keys) == ((2, 1), (first.signed_by,))
    with pytest.raises(ChainBroken, match="not among those that may have signed"):
        verify_snapshots(house.home.snapshots / "shop", first.signed_by)


@pytest.mark.parametrize("field", ["system", "card", "at"])
@pytest.mark.parametrize("value", [None, 7, [], {}])
def test_what_a_stranger_signs_that_is_no_snapshot_is_refused(
    copied: Path, tmp_path: Path, field: str, value: object
) -> None:
    """It is his key and his envelope, and neither passes in silence nor stops the command with an error of its own."""
    path, key = copied / "v3.dsse.json", signing_key(tmp_path)
    (copied / key.public.name).write_bytes(key.public.pem)
    (public,) = (public_key(p.read_bytes(), p.name) for p in copied.glob("*.pem") if p.name != key.public.name)
    said, _ = signatures.opened(path.read_bytes(), {public.fingerprint: public}, path.name)
    path.write_bytes(sealed(key, said.subjects, {**said.predicate, field: value}))
    for asked in (copied, copied / "v3.pdf"):
        with pytest.raises(ChainBroken, match="what was signed does not say all that a snapshot says"):
            verify_snapshots(asked)


def test_where_the_key_came_by_another_way_it_need_not_lie_beside(copied: Path, tmp_path: Path) -> None:
    (key,) = copied.glob("*.pub.pem")
    key.rename(tmp_path / "trusted.pem")
    assert verify_snapshots(copied, str(tmp_path / "trusted.pem"))[0].pinned
    with pytest.raises(ChainBroken, match="not among those that may have signed"):
        verify_snapshots(copied)


def test_a_key_under_the_name_of_another_is_found(copied: Path, tmp_path: Path) -> None:
    (key,) = copied.glob("*.pub.pem")
    key.write_bytes(signing_key(tmp_path).public.pem)
    with pytest.raises(ChainBroken, match="which is not the one in its name"):
        verify_snapshots(copied)


def test_where_nothing_is_signed_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no signed snapshot here"):
        verify_snapshots(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        verify_snapshots(tmp_path / "v1.json")
    (tmp_path / "v1.json").write_text("{}")
    with pytest.raises(ChainBroken, match=r"v1.dsse.json is not beside it"):
        verify_snapshots(tmp_path / "v1.json")


# --- taken -----------------------------------------------------------------------------------------------------------


def test_one_is_taken_once_and_the_next_follows_from_it(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    with house.records() as records:
        first = take(house, records, "shop", Wish(), build.HUMAN)
        again = take(house, records, "shop", Wish(), build.HUMAN)
        assert (first.new, again.new) == (True, False)
        assert (first.snapshot, first.paths) == (again.snapshot, again.paths)
        write(records, build.opening())
        second = take(house, records, "shop", Wish(), build.HUMAN)
        card = records.current("shop")
    assert [s.number for s in card.snapshots] == [1, 2]
    assert second.snapshot.previous == first.snapshot.envelope
    assert (second.snapshot.verdict, second.snapshot.card != first.snapshot.card) == ("INCIDENT", True)
    assert "OPENED" in second.paths[0].read_text()
    assert second.snapshot.start == build.NOW - WEEK


def test_files_that_were_lost_are_made_anew_as_another_snapshot(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    with house.records() as records:
        first = take(house, records, "shop", Wish(), build.HUMAN)
        first.paths[2].write_text("changed")
        assert finding(house, records, "shop") == (frozenset(), (first.paths[2].name,))
        first.paths[2].unlink()
        second = take(house, records, "shop", Wish(), build.HUMAN)
        assert (second.new, second.snapshot.number) == (True, 2)
        assert finding(house, records, "shop") == (frozenset({first.paths[2].name}), ())


def test_what_a_stopped_process_left_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files were written, and it was stopped before the edit."""
    house = house_in(tmp_path)
    with house.records() as records:
        with monkeypatch.context() as patched:
            patched.setattr("syscard.records.store.Transaction.append", _stopped)
            with pytest.raises(KeyboardInterrupt):
                take(house, records, "shop", Wish(), build.HUMAN)
        write(records, build.opening())
        found = take(house, records, "shop", Wish(), build.HUMAN)
    folder = house.home.snapshots / "shop"
    assert found.snapshot.number == 1
    assert (folder / "unchained-v1.dsse.json").is_file()
    assert verify_snapshots(folder)[0].numbers == (1,)


def _stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_card_that_changes_while_it_is_drawn_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house, whole, calls = house_in(tmp_path), drawings, list[int]()
    with house.records() as records:

        def drawn(view: Any, *rest: Any) -> Any:
            if not calls:
                write(records, build.opening())
            calls.append(view["card"]["version"])
            return whole(view, *rest)

        monkeypatch.setattr("syscard.render.snapshot.drawings", drawn)
        found = take(house, records, "shop", Wish(), build.HUMAN)
    assert calls == [1, 2]
    assert (found.snapshot.version, found.snapshot.verdict) == (2, "INCIDENT")


def test_a_disk_that_refuses_leaves_no_edit(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    (house.home.snapshots / "shop").write_text("in the way")
    with house.records() as records:
        with pytest.raises(UsageError, match="the snapshot was not written"):
            take(house, records, "shop", Wish(), build.HUMAN)
        assert records.current("shop").snapshots == ()


def test_copies_of_another_snapshot_are_never_written_over(tmp_path: Path) -> None:
    """Two systems and one `--out`: both have a v1.pdf."""
    out, made = tmp_path / "board", []
    systems: dict[str, dict[str, Any]] = {"a": {}, "b": {"unknowns": []}}
    for folder, changes in systems.items():
        house = house_in(tmp_path / folder, **changes)
        with house.records() as records:
            made.append(take(house, records, "shop", Wish(), build.HUMAN))
    copy_out(made[0], out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert copy_out(made[0], out) == tuple(out / path.name for path in made[0].paths)
    with pytest.raises(UsageError, match=r"v1.md: is of another snapshot, and is left as it is"):
        copy_out(made[1], out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


KILLED = """
import os, signal, sys
from pathlib import Path
from syscard import snapshot_files
from syscard.clock import ReplayClock
from syscard.errors import UsageError
from syscard.home import Home
from syscard.records.store import Transaction
from syscard.render import snapshot
from syscard.snapshot_verify import verify_snapshots
from syscard.snapshots import Wish
from syscard_tui import snapshots
from syscard_tui.wiring import House
from tests.unit import build

house, left, made = House(Home(Path(sys.argv[1])), ReplayClock(build.NOW)), [0], []
folder, put, drawn = house.home.snapshots / "shop", snapshot_files.put, snapshot.drawings
snapshots._sums = lambda *_: (None, "nobody counted")

def taken():
    with house.records() as records:
        return snapshots.take(house, records, "shop", Wish(), build.HUMAN)

def keep(*said):
    made.append(drawn(*said))
    return made[0]

def no(*_):
    raise OSError(28, "drawn, and not written")

snapshot.drawings, snapshot_files.put = keep, no
try:
    taken()
except UsageError:
    snapshot.drawings, snapshot_files.put = lambda *_: made[0], put  # of one card: drawn once

def die():
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def dying(call):
    return lambda *said, **more: (die(), call(*said, **more))[1]

append = dying(Transaction.append)
os.fsync, Path.replace = dying(os.fsync), dying(Path.replace)
Transaction.append = lambda *said, **more: (append(*said, **more), die())[0]  # written, and not committed

def killed(at):
    child = os.fork()
    if not child:
        left[0] = at
        taken()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

at = 1
while killed(at):
    with house.records() as records:
        assert records.current("shop").snapshots == ()
    try:
        verify_snapshots(folder)
    except UsageError:  # no envelope yet
        assert not list(folder.glob("v*.dsse.json"))
    at += 1
print(at - 1, [one.number for one in (taken().snapshot, *verify_snapshots(folder))], sorted(folder.glob(".*")))
"""


@pytest.mark.endurance
def test_killed_at_whatever_step_nothing_half_written_is_taken_for_whole_and_the_next_one_is_the_first(
    tmp_path: Path,
) -> None:
    house = house_in(tmp_path)
    made = subprocess.run(
        [sys.executable, "-c", KILLED, str(house.home.root)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (made.stderr, made.returncode) == ("", 0)
    assert made.stdout == "15 [1, 1] []\n"


# --- by themselves ---------------------------------------------------------------------------------------------------


@pytest.fixture
def planned_house(tmp_path: Path) -> House:
    return house_in(tmp_path, monitors=ASKED)


@pytest.fixture
def opened(planned_house: House) -> Iterator[Records]:
    with planned_house.records() as records:
        yield records


def reasons(records: Records) -> list[str]:
    return [s.reason for s in records.current("shop").snapshots]


def test_one_is_taken_a_period_whichever_process_looks_and_only_the_newest_keep_their_files(
    planned_house: House, opened: Records
) -> None:
    clock = planned_house.clock
    assert isinstance(clock, ReplayClock)
    for _ in range(3):
        take_due(planned_house)
        take_due(House(planned_house.home, clock))
        clock.move_to(clock() + WEEK)
    known = opened.current("shop").snapshots
    assert [s.reason for s in known] == ["scheduled"] * 3
    assert [s.start for s in known[1:]] == [s.end for s in known[:-1]]
    assert {s.end - s.start for s in known if s.start and s.end} == {WEEK}
    folder = planned_house.home.snapshots / "shop"
    assert sorted(p.name for p in folder.glob("v*.pdf")) == ["v2.pdf", "v3.pdf"]
    assert len(list(folder.glob("v*.dsse.json"))) == 3
    (found,) = verify_snapshots(folder)
    assert (found.numbers, len(found.gone)) == ((3, 2, 1), 4)


def test_an_incident_that_calls_somebody_is_written_down_once(planned_house: House, opened: Records) -> None:
    take_due(planned_house)
    write(opened, build.opening(1), build.opening(2, severity="page"), build.opening(3, "cf", severity="page"))
    take_due(planned_house)
    take_due(planned_house)
    assert reasons(opened) == ["scheduled", "incident INC-2, INC-3"]


def test_where_system_yaml_asks_for_none_none_is_taken(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    with house.records() as records:
        write(records, build.opening(1, severity="page"))
        take_due(house)
        assert reasons(records) == []


def test_why_none_could_be_taken_stands_on_the_watcher_s_line_until_one_is(
    planned_house: House, opened: Records, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = planned_house.home.snapshots / "shop"
    folder.write_text("in the way")
    take_due(planned_house)
    take_due(planned_house)
    live = opened.live("shop")
    assert live is not None
    assert "the snapshot was not written" in live.watcher.snapshots
    assert capfd.readouterr().err.count("no snapshot of shop was taken") == 1, "once until it changes"
    folder.unlink()
    take_due(planned_house)
    live = opened.live("shop")
    assert live is not None
    assert live.watcher.snapshots == ""
    assert reasons(opened) == ["scheduled"]


def test_what_somebody_asked_for_keeps_its_files_however_many_come_by_themselves(
    planned_house: House, opened: Records
) -> None:
    clock = planned_house.clock
    assert isinstance(clock, ReplayClock)
    asked = take(planned_house, opened, "shop", Wish(reason="board"), build.HUMAN)
    for _ in range(3):
        clock.move_to(clock() + WEEK)
        take_due(planned_house)
    assert reasons(opened) == ["board", *["scheduled"] * 3]
    assert finding(planned_house, opened, "shop") == (frozenset({"v2.md", "v2.json", "v2.html", "v2.pdf"}), ())
    assert all(path.is_file() for path in asked.paths)


def test_a_release_is_written_down_and_the_first_declaration_is_none(planned_house: House, opened: Records) -> None:
    def applied(**changes: Any) -> str | None:
        before = opened.current("shop")
        declare(opened, build.declared(monitors=ASKED, **changes))
        return take_of_release(planned_house, opened, before, opened.current("shop"), build.HUMAN)

    body = build.declared().model_dump(mode="json", by_alias=True)["system"]
    assert applied() is None
    said = applied(system={**body, "version": "2.0"})
    assert said is not None
    assert "snapshot 1 of the release" in said
    assert reasons(opened) == ["release 2.0"]


def test_snapshots_are_looked_for_while_the_watch_runs(planned_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()
    monkeypatch.setattr(planned, "_EVERY_S", 0.05)
    monkeypatch.setattr(planned, "take_due", lambda house: looked.set())
    with planned.taking_snapshots(planned_house):
        assert looked.wait(60)


def test_the_watcher_s_line_tells_of_a_snapshot_that_was_not_taken() -> None:
    watcher = {"last_run": "2026-11-22T14:00:00Z", "ran": 1, "total": 1, "snapshots": "no space\nleft"}
    assert "NO SNAPSHOT WAS TAKEN (no space left)" in watcher_line(watcher, build.NOW)[1]
