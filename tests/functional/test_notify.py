"""People are told by a real `serve`, at a real server: once, also by one that was killed; and a server that hangs waits
for itself alone."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from syscard.edits import Author, AuthorKind, Draft, OpenIncident
from syscard.records.notifications import settle
from syscard.records.store import Records
from syscard.views import read_view
from syscard_configs import read_text
from syscard_tui.wiring import promote_policy
from tests.functional.helpers import REF, Server, one_line, sound, syscard, syscard_process, wait_for
from tests.hooks import Hook, hooked

Serve = Callable[..., Server]
AT_ONCE = "monitors:\n  notify: {ticket: at_once, group_wait: 1s, group_interval: 1s, repeat: 7d, quiet: 365d}\n"
QUICK = ("--port", "0", "--no-grpc", "--every", "0.2")


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as opened:
        yield opened


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose system has people told of tickets a second after they open."""
    made, file = tmp_path / "home", tmp_path / "system.yaml"
    text = read_text("examples", "recommender.yaml")
    assert text.count("\nmonitors:\n") == 1
    file.write_text(text.replace("monitors:\n", AT_ONCE), encoding="utf-8")
    made.mkdir()
    assert syscard("--home", made, "apply", file).code == 0
    return made


def opens(home: Path, number: int, part: str = "llm") -> None:
    """An incident opens, as a monitor opens it."""
    body = OpenIncident(
        number=number, fingerprint="f" * 16, group=f"{REF}/{part}", subject=part, severity="ticket",
        title=f"{part}: grounded 0.90 -> 0.30", since=datetime.now(UTC), findings=(), note=("It broke.",),
    )  # fmt: skip
    with_records(home, [Draft(body=body, author=Author(kind=AuthorKind.MONITOR, name="test"), observed=body.since)])


def with_records(home: Path, drafts: list[Draft]) -> None:
    records = Records.open(home / "records.db", promote_policy())
    with records.transaction() as transaction:
        transaction.append(REF, drafts, cause="test", recorded=datetime.now(UTC))
    records.close()


def killed(server: Server) -> None:
    """All at once, without a word: then another server may take its place at once, as it would a minute later."""
    for pid in (*server.children(), server.process.pid):
        os.kill(pid, signal.SIGKILL)
    server.process.wait()


def a_minute_later(home: Path, minutes: int = 3) -> None:
    """What the process that is no more was sending counts as lost, and its leases are over."""
    records = Records.open(home / "records.db", promote_policy())
    with records.transaction() as transaction:
        for job in ("notify", "monitor"):
            transaction.release(job, socket.gethostname())
        settle(transaction, datetime.now(UTC) + timedelta(minutes=minutes))
    records.close()


def last_look(home: Path) -> str:
    """When the monitors looked last; empty where they have not."""
    live = read_view(home / "records.db")["live"]
    return str(live["watcher"]["last_run"]) if live else ""


def listed(home: Path) -> list[tuple[str, str]]:
    found = syscard("--home", home, "notify", "list", "--json").document
    return [(one["kind"], one["state"]) for one in found]


def all_sent(home: Path, count: int) -> bool:
    return [state for _, state in listed(home)] == ["sent"] * count


@pytest.mark.endurance
def test_an_incident_is_told_once_and_not_again_by_a_server_that_takes_over_from_one_that_was_killed(
    home: Path, serve: Serve, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", hook.json("/s3cret"))
    first = serve(home, *QUICK).ready()
    opens(home, 1)
    wait_for(lambda: listed(home) == [("opened", "sent")])
    killed(first)
    a_minute_later(home)
    second = serve(home, *QUICK).ready()
    opens(home, 2, "cf")
    wait_for(lambda: listed(home) == [("opened", "sent")] * 2)
    assert second.stop() == 0
    assert [title.partition(":")[0] for title in hook.titles] == [f"({REF}) TICKET INC-1", f"({REF}) TICKET INC-2"]
    assert "s3cret" not in first.said + second.said
    sound(home)


@pytest.mark.endurance
def test_what_was_being_sent_when_the_server_was_killed_is_perhaps_delivered_and_not_sent_again(
    home: Path, serve: Serve, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", hook.json("/hang"))
    first = serve(home, *QUICK).ready()
    opens(home, 1)
    wait_for(lambda: len(hook.got) == 1)
    killed(first)
    assert listed(home) == [("opened", "sending")]
    a_minute_later(home)
    assert listed(home) == [("opened", "perhaps")]
    assert "perhaps not delivered, and not sent again" in syscard("--home", home, "notify", "list").out
    second = serve(home, *QUICK).ready()
    wait_for(lambda: "1 MESSAGE NOT DELIVERED" in syscard("--home", home, "status").out)
    second.stop()
    assert len(hook.got) == 1
    doctor = syscard("--home", home, "doctor")
    assert doctor.code == 1
    assert "1 message of the last day not delivered, the newest to json://127.0.0.1" in doctor.out


@pytest.mark.endurance
def test_a_server_that_hangs_holds_up_no_look_and_no_span(
    home: Path, serve: Serve, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", hook.json("/drip"))
    monkeypatch.setenv("SYSCARD_HEARTBEAT_URL", hook.http("/drip"))
    server = serve(home, *QUICK).ready()
    opens(home, 1)
    wait_for(lambda: {one.method for one in hook.got} == {"GET", "POST"})
    before = last_look(home)
    wait_for(lambda: last_look(home) > before)
    assert server.post(b"{}", {"content-type": "application/json"}) == 200
    assert server.stop() == 0


@pytest.mark.endurance
def test_two_processes_on_one_home_tell_once(
    home: Path, serve: Serve, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", hook.json())
    serve(home, *QUICK).ready()
    serve(home, "--only", "monitor", "--every", "0.2")
    for number, part in enumerate(("llm", "cf", "vlm"), start=1):
        opens(home, number, part)
        wait_for(partial(all_sent, home, number))
    assert len(hook.got) == 3


@pytest.mark.endurance
def test_that_no_monitor_looks_is_told_by_the_process_that_takes_the_spans(
    home: Path, serve: Serve, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", hook.json())
    serve(home, *QUICK, "--only", "receiver").ready()
    until = time.monotonic() + 300
    while not hook.got and time.monotonic() < until:
        time.sleep(1)
    assert [title.partition(" for ")[0] for title in hook.titles] == [
        f"({REF}) NOT WATCHED: the monitors have not looked"
    ]


@pytest.mark.endurance
def test_signs_of_life_and_open_incidents_are_sent_to_who_watches_from_outside(
    home: Path, serve: Serve, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens(home, 7)
    monkeypatch.setenv("SYSCARD_HEARTBEAT_URL", hook.http("/beat"))
    monkeypatch.setenv("SYSCARD_ALERTMANAGER_URL", hook.http("/am"))
    server = serve(home, *QUICK).ready()
    wait_for(lambda: len(hook.got) == 2)
    server.stop()
    paths = {one.path: one for one in hook.got}
    assert set(paths) == {"/beat", "/am/api/v2/alerts"}
    assert paths["/am/api/v2/alerts"].document[0]["labels"]["incident"] == "INC-7"


@pytest.mark.endurance
def test_the_processes_of_the_monitors_get_no_address(
    home: Path, serve: Serve, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", hook.json("/s3cret"))
    server = serve(home, *QUICK).ready()
    wait_for(lambda: bool(server.children()))
    assert not any(b"s3cret" in Path(f"/proc/{pid}/environ").read_bytes() for pid in server.children())
    server.stop()


def test_a_wrong_address_keeps_the_server_from_starting_and_is_not_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", "hooks.example/s3cret")
    ran = syscard("--home", home, "serve", *QUICK)
    one_line(ran, "has no scheme")
    assert "s3cret" not in ran.err
    doctor = syscard("--home", home, "doctor")
    assert doctor.code == 1
    assert "WRONG an address to tell has no scheme" in doctor.out
    assert "s3cret" not in doctor.out


@pytest.mark.endurance
def test_the_test_message_says_of_each_address_whether_it_arrived(
    home: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", f"{hook.json('/s3cret')} {hook.json('/bad')} nope://s3cret")
    monkeypatch.setenv("SYSCARD_ALERTMANAGER_URL", hook.http())
    ran = syscard("--home", home, "notify", "test")
    assert ran.code == 1
    at = f"json://127.0.0.1:{hook.port}/..."
    assert ran.out.splitlines() == [
        f"ok      {at}",
        f"FAILED  {at} #2: refused with 503",
        "FAILED  nope://...: no address of a kind that Apprise knows",
        f"ok      http://127.0.0.1:{hook.port}/... (Alertmanager)",
    ]
    assert "WRONG no address that Apprise can send to: nope://..." in syscard("--home", home, "doctor").out
    monkeypatch.setenv("SYSCARD_NOTIFY_URL", hook.json())
    assert syscard("--home", home, "notify", "test").code == 0
    assert f"ok    people are told at {at}" in syscard("--home", home, "doctor").out


def test_without_an_address_nobody_is_told_and_the_commands_say_so(home: Path) -> None:
    one_line(syscard("--home", home, "notify", "test"), "SYSCARD_NOTIFY_URL")
    assert syscard("--home", home, "notify", "list").out == "nobody has been told anything\n"
    assert syscard("--home", home, "notify", "list", "--json").document == []


def test_a_file_of_the_home_is_read_and_only_if_nobody_else_can(home: Path, hook: Hook, tmp_path: Path) -> None:
    file = home / "notify.urls"
    file.write_text(f"# on call\n{hook.json()}\n")
    file.chmod(0o644)
    one_line(syscard("--home", home, "notify", "test"), "can be read by others", "chmod 600")
    file.chmod(0o600)
    assert syscard_process("--home", home, "notify", "test", cwd=tmp_path).code == 0
    assert hook.titles == ["syscard: a test"]
