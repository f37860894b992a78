from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.clock import ReplayClock, system_clock
from syscard.errors import HomeNotFound, UsageError
from syscard.home import VARIABLE, Home, existing_home, find_home, home_to_create
from tests.unit.build import NOW


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_named_home_comes_before_the_variable_and_that_before_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, variable, nearest = tmp_path / "named", tmp_path / "variable", tmp_path / ".syscard"
    nearest.mkdir()
    assert find_home(None, start=tmp_path) == Home(nearest)
    monkeypatch.setenv(VARIABLE, str(variable))
    assert find_home(None, start=tmp_path) == Home(variable)
    assert find_home(named, start=tmp_path) == Home(named)


def test_the_nearest_home_is_looked_for_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / ".syscard").mkdir()
    assert find_home(None, start=deep) == Home(tmp_path / ".syscard")
    (deep.parent / ".syscard").write_text("a file is no home")
    assert find_home(None, start=deep) == Home(tmp_path / ".syscard")


def test_a_home_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(HomeNotFound, match="is not there: make it with: syscard --home"):
        existing_home(tmp_path / "gone")
    with pytest.raises(HomeNotFound, match="no home here: name one with --home or SYSCARD_HOME"):
        existing_home(None, start=tmp_path)


def test_a_home_is_made_where_one_stands_and_keys_are_for_its_owner_only(tmp_path: Path) -> None:
    home = home_to_create(None, start=tmp_path)
    assert home == existing_home(None, start=tmp_path) == Home(tmp_path / ".syscard")
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700
    assert home.create() == home


def test_a_home_that_cannot_be_made_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="choose another with --home"):
        home_to_create(tmp_path / "file" / "home")


def test_everything_in_a_home_is_below_it_and_naming_it_touches_no_disk(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    paths = (home.records, home.inbox, home.lake, home.snapshots, home.reports, home.keys)
    assert {p.parent for p in paths} == {home.root}
    assert len(set(paths)) == 6
    assert not home.root.exists()


def test_a_replay_s_clock_stands_still_until_moved_and_never_runs_backwards() -> None:
    clock = ReplayClock(NOW)
    assert clock() == clock() == NOW
    clock.advance(timedelta(seconds=5))
    clock.move_to(NOW)
    assert clock() == NOW + timedelta(seconds=5)


def test_the_machine_s_clock_knows_its_zone() -> None:
    assert system_clock().utcoffset() == timedelta(0)
