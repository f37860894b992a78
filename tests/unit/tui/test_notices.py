"""The threads that tell people: none where nobody is told, and what fails is said once and tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syscard.errors import RecordsError
from syscard.home import Home
from syscard_monitors.notify.jobs import Result
from syscard_monitors.notify.pulse import Beat
from syscard_monitors.notify.targets import VARIABLES, Addresses, Target
from syscard_tui import notices
from syscard_tui.notices import _Once, take_addresses, telling
from syscard_tui.wiring import House
from tests.hooks import hooked


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Home(tmp_path / "home").create())


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def test_where_nobody_is_told_no_thread_is_started(house: House) -> None:
    before = threading.active_count()
    with telling(house, Addresses(), 1.0):
        assert threading.active_count() == before
    assert not house.home.records.exists()


def test_addresses_that_were_taken_are_no_longer_in_the_environment(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("SYSCARD_NOTIFY_URL", "json://h/s3cret")
    monkeypatch.setenv("SYSCARD_HEARTBEAT_URL", "http://h/s3cret")
    addresses = take_addresses(house)
    assert [target.label for target in addresses.targets] == ["json://h/..."]
    assert addresses.heartbeat is not None
    assert not set(VARIABLES) & set(os.environ)


def test_records_that_cannot_be_opened_now_are_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notices, "_MOST_PAUSE_S", 0.2)
    house.home.records.mkdir()
    with hooked() as hook:
        with telling(house, Addresses(heartbeat=Target("http://h/...", hook.http("/s3cret"))), 0.2):
            time.sleep(1.0)
            assert hook.got == []
            house.home.records.rmdir()
            wait_for(lambda: bool(hook.got))
        assert hook.got[0].path == "/s3cret"
    said = capsys.readouterr().err
    assert said.count("the records cannot be opened, and people are not told") == 1
    assert "s3cret" not in said


def test_what_fails_is_said_once_until_it_fails_otherwise_or_has_worked(capsys: pytest.CaptureFixture[str]) -> None:
    once = _Once()
    for error in (
        RecordsError("locked"),
        RecordsError("locked"),
        ValueError("json://s3cret"),
        None,
        RecordsError("locked"),
    ):
        with once.failing("people are not told"):
            if error:
                raise error
    assert capsys.readouterr().err.splitlines() == [
        "people are not told: locked",
        "people are not told: ValueError",
        "people are not told: locked",
    ]


def test_a_sign_of_life_that_does_not_arrive_is_said_once_by_its_label(capsys: pytest.CaptureFixture[str]) -> None:
    once, failed = _Once(), Beat("http://h/...", Result("failed", "HTTP 500"))
    for beat in (failed, failed, Beat("http://h/...", Result("sent")), failed):
        once.beats([beat])
    assert capsys.readouterr().err.splitlines() == ["http://h/...: HTTP 500"] * 2
