"""Whatever is handed in, the answer is a status or one line, and what was stored before stays whole."""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from syscard.home import Home
from syscard_tui.wiring import House
from tests.functional.helpers import (
    REF,
    SYSCARD,
    Ran,
    as_json,
    environment,
    one_line,
    recorded,
    shifted,
    sound,
    spans_of,
    syscard,
    syscard_process,
    times,
    wait_for,
)


@pytest.fixture
def stored(declared: Path, tmp_path: Path) -> Path:
    """A home that holds 40 requests; afterwards it must hold at least those, and be sound."""
    file = tmp_path / "before.jsonl"
    file.write_bytes(b"\n".join(recorded("normal")[:40]))
    assert "200 new" in syscard("--home", declared, "ingest", file).out
    return declared


def rows(home: Path) -> list[dict[str, Any]]:
    return House(Home(home)).scan(None).collect().to_dicts()


def still_whole(home: Path, spans: int = 200) -> None:
    found = [(row["trace_id"], row["span_id"]) for row in rows(home)]
    assert len(found) == len(set(found)) == spans
    sound(home)


def changed(line: bytes, **fields: Any) -> bytes:
    """A request whose first span has other fields."""
    document = json.loads(line)
    spans_of(document)[0].update(fields)
    return json.dumps(document).encode()


GOOD = recorded("normal")[100:103]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("garbage.pb", b"\xff\xfe\x00garbage" * 20, ("garbage.pb",)),
        ("wrong.json", b'{"resourceSpans": 3}', ("wrong.json:1",)),
        ("list.json", b"[1, 2]", ("list.json:1",)),
        ("half.json", b'{"resourceSpans": [', ("half.json:1", "JSON")),
        ("deep.json", b'{"a":' * 50_000, ("deep.json",)),
        ("words.txt", b"these are words", ("words.txt",)),
        ("cut.json.gz", gzip.compress(GOOD[0] * 3)[:-30], ("cut.json.gz", "gzip")),
        ("notgz.json.gz", b"\x1f\x8bno", ("notgz.json.gz", "gzip")),
        ("bomb.json.gz", gzip.compress(b'{"a":"' + bytes(b" " * (70 << 20)), 1), ("bomb.json.gz", "over")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_read_is_said_in_one_line(
    name: str, content: bytes, words: tuple[str, ...], stored: Path, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    one_line(syscard("--home", stored, "ingest", file), *words)
    if len(content) < 10_000:
        one_line(syscard("--home", stored, "ingest", file, "--retime", "end=now"), *words)
        one_line(syscard("--home", stored, "doctor", "trace", file), *words)
    still_whole(stored)


LOGS = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "red shoes"}}]}]}]}
IDS = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "12", "name": "x"}]}]}]}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.json", b"", "no trace in it"),
        ("empty.pb", b"", "no trace in it"),
        ("blank.jsonl", b"\n\n \n", "no trace in it"),
        ("object.json", b"{}", "no trace in it"),
        ("objects.jsonl", b"{}\n{}\n", "no trace in it"),
        ("packed.json.gz", gzip.compress(b"{}"), "no trace in it"),
        ("other.json", b'{"traces": 3}', "no trace in it"),
        ("logs.json", json.dumps(LOGS).encode(), "log records and metrics hold none"),
        (
            "logs.pb",
            ParseDict(LOGS, ExportLogsServiceRequest()).SerializeToString(),
            "1 refused (1 trace id is not 16 bytes)",
        ),
        ("ids.json", json.dumps(IDS).encode(), "1 refused (1 trace id is not 16 bytes)"),
        ("table.csv", b"user,item\n1,2\n", "no trace in it"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1", "not an OTLP protobuf request"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_doctor_says_no_to_a_file_without_a_trace(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    for options in ((), ("--json",)):
        ran = syscard("doctor", "trace", file, *options)
        one_line(ran, name, says)
        assert ran.out == "", "no document either"


def test_what_came_before_a_bad_line_is_stored(stored: Path, tmp_path: Path) -> None:
    file = tmp_path / "three.jsonl"
    file.write_bytes(b"\n".join((*GOOD[:2], b'{"resourceSpans": "no"}', GOOD[2])))
    one_line(syscard("--home", stored, "ingest", file), "three.jsonl:3")
    still_whole(stored, 210)
    file.write_bytes(b"\n".join(GOOD))
    assert "5 new, 10 seen before" in syscard("--home", stored, "ingest", file).out
    still_whole(stored, 215)


def test_paths_that_are_no_files_are_said_in_one_line(stored: Path, tmp_path: Path) -> None:
    empty_folder, empty_file, odd = tmp_path / "folder", tmp_path / "empty.json", tmp_path / "pipe.json"
    empty_folder.mkdir()
    empty_file.touch()
    os.mkfifo(odd)
    one_line(syscard("--home", stored, "ingest", tmp_path / "none.json"), "none.json is not there")
    one_line(syscard("--home", stored, "ingest", empty_folder), "holds no trace file")
    one_line(syscard("--home", stored, "ingest", odd), "pipe.json")
    for moment, words in (("tomorrow", "retime tomorrow"), ("end=2026-01-01", "time zone"), ("end=", "retime end=")):
        one_line(syscard("--home", stored, "ingest", tmp_path / "before.jsonl", "--retime", moment), words)
    still_whole(stored)


def test_files_without_a_trace_are_said_in_one_line(stored: Path, tmp_path: Path) -> None:
    empty, other, refused = tmp_path / "empty.json", tmp_path / "other.json", tmp_path / "refused.json"
    empty.touch()
    other.write_text('{"resourceLogs": [], "some": "thing"}')
    refused.write_text('{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "ab"}]}]}]}')
    for file in (empty, other):
        one_line(syscard("--home", stored, "ingest", file), f"{file}: there is no trace in it", "OTLP traces")
        one_line(syscard("--home", stored, "ingest", file, "--retime", "end=now"), "there is no trace in it")
    one_line(syscard("--home", stored, "ingest", refused), "1 refused (1 trace id is not 16 bytes)")
    one_line(syscard("--home", stored, "ingest", empty, other), f"{empty}, {other}: there is no trace in it")
    one_line(syscard("--home", stored, "ingest", *[empty] * 4), "4 files: there is no trace in it")
    ran = syscard("--home", stored, "ingest", tmp_path / "before.jsonl", empty, other)
    assert (ran.code, ran.err) == (0, f"no trace in 2 of them: {empty} and others\n")
    still_whole(stored)


@pytest.mark.endurance
def test_odd_spans_are_refused_or_flagged_one_by_one(stored: Path, tmp_path: Path) -> None:
    year_1970, year_2100 = 86_400 * 10**9, int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    lines = recorded("normal")[200:206]
    first = times(lines[:1])[0]
    odd = [
        shifted(lines[0], year_1970 - first),
        shifted(lines[1], year_2100 - first),
        changed(lines[2], traceId="abcd"),
        changed(lines[3], spanId="x" * 16),
        changed(lines[4], kind=99, somethingNew={"a": [1]}, flags=257, attributes=[{"key": "x"}, {"value": {}}]),
        changed(lines[5], endTimeUnixNano="1"),
    ]
    file = tmp_path / "odd.jsonl"
    file.write_bytes(b"\n".join(odd))
    ran = syscard("--home", stored, "ingest", file)
    assert ran.code == 0, ran
    assert "Traceback" not in ran.err
    refused = [line for line in ran.err.splitlines() if line.startswith("refused")]
    assert len(refused) == 2, ran.err
    assert "trace id is not 16 bytes" in ran.err
    found = {row["span_id"]: row for row in rows(stored)}
    for line in lines[:2]:
        flags = [found[span["spanId"]]["clock_suspect"] for span in spans_of(json.loads(line))]
        assert all(flags)
    still_whole(stored, 200 + 6 * 5 - 2)
    assert syscard("--home", stored, "monitor", "--once").code == 0
    assert syscard("--home", stored, "status").code == 0
    sound(stored)


def test_records_that_are_garbage_are_said_in_one_line_and_left_alone(stored: Path, tmp_path: Path) -> None:
    records = stored / "records.db"
    for name in ("records.db-wal", "records.db-shm"):
        (stored / name).unlink(missing_ok=True)
    records.write_bytes(b"this is no database " * 500)
    for command in ("status", "card show", "card verify", "gate", "incident list", "monitor --once", "snapshot",
                    "baseline show", f"apply {tmp_path / 'system.yaml'}"):  # fmt: skip
        one_line(syscard("--home", stored, *command.split()), "records.db", "not a database")
    doctor = syscard("--home", stored, "doctor")
    assert (doctor.code, doctor.err) == (1, "")
    assert "WRONG" in doctor.out
    assert records.read_bytes() == b"this is no database " * 500


def test_an_inbox_that_is_garbage_is_said_by_ingest_and_doctor(stored: Path, tmp_path: Path) -> None:
    for name in ("inbox.db-wal", "inbox.db-shm"):
        (stored / name).unlink(missing_ok=True)
    (stored / "inbox.db").write_bytes(b"this is no database " * 500)
    one_line(syscard("--home", stored, "ingest", tmp_path / "before.jsonl"), "inbox")
    assert syscard("--home", stored, "doctor").code == 1
    (stored / "inbox.db").unlink()
    assert "0 new, 200 seen before" in syscard("--home", stored, "ingest", tmp_path / "before.jsonl").out
    still_whole(stored)


def test_a_home_that_is_a_file_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "home"
    file.write_text("precious")
    trace = tmp_path / "one.json"
    trace.write_bytes(GOOD[0])
    for command in ("status", "doctor", f"ingest {trace}", "serve --port 0", "demo", f"init {tmp_path / 'new.yaml'}"):
        one_line(syscard("--home", file, *command.split()), str(file))
    assert file.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_without_rights_is_said_in_one_line(stored: Path, tmp_path: Path) -> None:
    stored.chmod(0o500)
    try:
        one_line(syscard("--home", stored, "ingest", tmp_path / "before.jsonl"), str(stored))
        assert syscard("--home", stored, "status").code == 0
    finally:
        stored.chmod(0o700)
    still_whole(stored)


def many(tmp_path: Path) -> Path:
    """Enough requests that they do not fit where there is no room."""
    file = tmp_path / "many.jsonl"
    file.write_bytes(b"\n".join(recorded("normal-again")[:160]))
    return file


@pytest.mark.endurance
def test_a_full_disk_loses_nothing_that_was_stored(stored: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writing beyond it fails, in whatever file it is."""
    file, yaml = many(tmp_path), tmp_path / "system.yaml"
    yaml.write_text(yaml.read_text().replace("2026.11.2", "2026.11.3"))
    for command in (f"ingest {file}", f"apply {yaml}"):
        ran = limited(stored, command, 4096)
        assert ran.code == 2, ran
        assert "Traceback" not in ran.err
        assert len([line for line in ran.err.splitlines() if not line.startswith("warning: ")]) == 1, ran.err
        sound(stored)
    assert "800 new" in syscard("--home", stored, "ingest", file).out
    still_whole(stored, 1000)
    ran = limited(stored, "monitor --once", 40_960)
    assert ran.code == 2, ran
    assert "Traceback" not in ran.err
    wrong = [line for line in syscard("--home", stored, "doctor").out.splitlines() if not line.startswith("ok")]
    assert ["look of the monitors failed" in line for line in wrong] == [True], wrong
    assert "10 windows" in syscard("--home", stored, "monitor", "--once").out
    sound(stored)


def limited(home: Path, command: str, size: int) -> Ran:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    # Without bytecode: Python keeps what it could write of a file and chokes on it ever after.
    env = {**environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    return syscard_process("--home", home, *command.split(), cwd=home.parent, env=env, preexec_fn=limit)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a quarter of a megabyte, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.endurance
def test_a_disk_with_no_room_left_is_said_in_one_line(small_disk: Path, tmp_path: Path) -> None:
    home, file = small_disk / "home", tmp_path / "all.jsonl"
    file.write_bytes(b"\n".join(recorded("normal")[:1_200]))
    ran = syscard("--home", home, "ingest", file)
    assert ran.code == 2, ran
    assert len(ran.err.splitlines()) == 1, ran.err
    doctor = syscard("--home", home, "doctor")
    assert "Traceback" not in doctor.err + doctor.out
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert syscard("--home", home, "ingest", file).code == 0
    assert len(rows(home)) == 6000
    sound(home)


@pytest.mark.endurance
def test_ctrl_c_while_spans_are_stored_leaves_a_sound_home(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number, line in enumerate(recorded("normal-again")[:300]):
        (folder / f"{number:03}.json").write_bytes(line)
    pipe = folder / "999.json"
    child = ingesting(stored, folder)
    wait_for(lambda: b"libpolars" in Path(f"/proc/{child.pid}/maps").read_bytes() or child.poll() is not None)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert not pipe.exists()
    if child.returncode != 0:
        assert child.returncode == 130, err
        assert err.splitlines()[-1] == "syscard: stopped; nothing that was stored is harmed"
    assert "Traceback" not in err
    sound(stored)
    assert syscard("--home", stored, "ingest", folder).code == 0
    still_whole(stored, 1700)


def ingesting(home: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SYSCARD, "--home", str(home), "ingest", str(folder)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.endurance
def test_two_monitors_at_once_count_every_request_once(stored: Path, tmp_path: Path) -> None:
    assert syscard("--home", stored, "ingest", many(tmp_path)).code == 0
    children = [
        subprocess.Popen([*SYSCARD, "--home", str(stored), "monitor", "--once"], env=environment(),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    said = [child.communicate(timeout=120) for child in children]
    codes = sorted(child.returncode for child in children)
    assert codes in ([0, 0], [0, 2]), said
    assert all("Traceback" not in err and len(err.splitlines()) <= 1 for _, err in said), said
    assert syscard("--home", stored, "monitor", "--once").code == 0
    assert syscard("--home", stored, "status", "--json").document["requests"] == 200
    with House(Home(stored)).records() as records:
        causes = [edit.cause for edit in records.edits(REF) if edit.cause.startswith("window")]
    assert list(dict.fromkeys(causes)) == sorted(set(causes), key=lambda cause: int(cause.split()[1]))
    sound(stored)


def test_bodies_are_measured_after_inflating(stored: Path, tmp_path: Path) -> None:
    """Just under the limit is taken, over it is not: 64 MiB after inflating."""
    file = tmp_path / "padded.json.gz"
    body = as_json(GOOD)
    file.write_bytes(gzip.compress(body + b" " * (1 << 20), 1))
    assert "15 new" in syscard("--home", stored, "ingest", file).out
    still_whole(stored, 215)


# --- dialect tables of the home ------------------------------------------------------------------------------------


A_TABLE = "schema: syscard-dialect/1\nname: acme\norder: 1\ndetect: {}\noperation: {keys: []}\n"


@pytest.mark.endurance
@pytest.mark.parametrize(
    ("table", "says"),
    [
        (f"{A_TABLE}order: 2\n", "acme.yaml:6: order: is written twice; the first is on line 3"),
        ("name: [acme\n", "acme.yaml:1: "),
        (None, "dialects is no folder"),
    ],
)
def test_a_dialect_table_with_a_mistake_is_one_line_of_every_command_that_reads_it(
    table: str | None, says: str, tmp_path: Path
) -> None:
    home, spans = tmp_path / "home", tmp_path / "spans.jsonl"
    home.mkdir()
    spans.write_bytes(recorded("normal")[0])
    if table is None:
        (home / "dialects").touch()
    else:
        (home / "dialects").mkdir()
        (home / "dialects" / "acme.yaml").write_text(table)
    for command in ("serve --port 0", f"ingest {spans}", f"doctor trace {spans}"):
        one_line(syscard_process("--home", home, *command.split(), cwd=tmp_path), says)
        assert not (home / "inbox.db").exists(), "nothing was begun"
    doctor = syscard("--home", home, "doctor")
    assert (doctor.code, [says in line for line in doctor.out.splitlines() if "WRONG" in line]) == (1, [True])
