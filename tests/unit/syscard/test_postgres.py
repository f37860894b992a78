"""The records on a real PostgreSQL server, private to these tests, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.digest import canonical
from syscard.errors import RecordsError
from syscard.records.store import Records
from syscard.stored import verify
from tests.unit.build import GATE, NOW, component, draft

pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")


def _as_somebody() -> list[str]:
    """PostgreSQL refuses to run as root: what to put before a command to be somebody else."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
    return [setpriv, "--reuid=nobody", "--regid", str(pwd.getpwnam("nobody").pw_gid), "--clear-groups"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server's first database; `{name}` for another."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("no PostgreSQL here: initdb and pg_ctl are not on PATH")
    somebody = _as_somebody()
    # Not tmp_path: a socket's path has about 100 characters of room, and only root may look into pytest's folders.
    with tempfile.TemporaryDirectory(prefix="syscard-pg-") as name:
        folder = Path(name)
        if somebody:
            shutil.chown(folder, "nobody")
        run = {"cwd": "/", "check": True, "capture_output": True}
        data = str(folder / "data")
        initdb = ["initdb", "-D", data, "-U", "syscard", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([*somebody, *initdb], **run)  # type: ignore[call-overload]
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        control = [*somebody, "pg_ctl", "-D", data, "-w"]
        subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], cwd="/", check=True, stdout=-3)
        try:
            yield f"postgresql+psycopg://syscard@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], cwd="/", check=True, stdout=-3)


def put(records: Records, ref: str, system: str) -> None:
    with records.transaction() as transaction:
        transaction.append(system, [draft(component(ref))], cause="test", recorded=NOW)


def test_a_fresh_database_can_be_opened_by_several_at_once(server: str) -> None:
    start = threading.Barrier(3, timeout=60)

    def open_and_write(number: int) -> None:
        start.wait()
        with closing(Records.open(server, GATE)) as records:
            put(records, f"c{number}", "fresh")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(open_and_write, range(3)))
    with closing(Records.open(server, GATE)) as records:
        assert verify(records.stored("fresh")) == 3


def test_what_is_written_there_is_read_there(server: str) -> None:
    with closing(Records.open(server, GATE)) as records:
        put(records, "a", "shop")
        put(records, "b", "shop")
        with records.transaction() as transaction:
            key = transaction.add_baseline("shop", canonical({"signals": {"llm.words": [1, 2]}}))
            transaction.set_watch("shop", {"windows": 3})
            transaction.set_tallies("shop", {("fast", 2**40): {"claim": 1}})
        assert records.current("shop") == records.card("shop")
        assert records.baseline_data(key) == {"signals": {"llm.words": [1, 2]}}
        assert records.watch("shop") == {"windows": 3}
        assert records.tallies("shop") == [("fast", 2**40, {"claim": 1})]


def test_writers_at_once_make_one_unbroken_chain_there_too(server: str) -> None:
    start = threading.Barrier(3, timeout=60)

    def write(writer: int) -> None:
        with closing(Records.open(server, GATE)) as records:
            start.wait()
            for number in range(8):
                put(records, f"w{writer}-{number}", "busy")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    with closing(Records.open(server, GATE)) as records:
        assert verify(records.stored("busy")) == 24
        assert records.current("busy") == records.card("busy")


def test_of_many_who_want_a_job_at_once_one_gets_it_there_too(server: str) -> None:
    start = threading.Barrier(3, timeout=60)

    def want(owner: str) -> int | None:
        with closing(Records.open(server, GATE)) as records:
            start.wait()
            with records.transaction() as transaction:
                return transaction.lease("roll", owner, NOW, timedelta(seconds=30))

    with ThreadPoolExecutor(3) as pool:
        fences = list(pool.map(want, "abc"))
    assert sorted(map(bool, fences)) == [False, False, True]


def test_a_server_that_is_not_there_is_an_error_in_one_line_without_the_password(server: str) -> None:
    with pytest.raises(RecordsError) as caught:
        Records.open(server.replace("host=", "host=/nowhere").replace("syscard@", "syscard:secret@"), GATE)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
