"""`retain`, `hold`, `erase`, `backup` and `doctor --repair` as a platform engineer types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syscard.edits import Hold
from syscard.home import Home
from syscard_tui.wiring import House
from tests.functional.helpers import REF, one_line, recorded, sound, spans_of, syscard


def rows(home: Path) -> list[dict[str, Any]]:
    return House(Home(home)).scan(None).collect().to_dicts()


@pytest.fixture
def stored(declared: Path, tmp_path: Path) -> Path:
    """A home that holds 40 requests."""
    file = tmp_path / "before.jsonl"
    file.write_bytes(b"\n".join(recorded("normal")[:40]))
    assert syscard("--home", declared, "ingest", file).code == 0
    return declared


def bytes_of(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_person_is_erased_and_the_card_still_verifies_and_says_so(stored: Path) -> None:
    before = rows(stored)
    key = next(row["user_key"] for row in before if row["user_key"])
    hers = {row["trace_id"] for row in before if row["user_key"] == key}
    note = f"seen with user {key}"
    trace = sorted(hers)[0]
    assert syscard("--home", stored, "hold", "add", trace, "--reason", note).code == 0
    one_line(syscard("--home", stored, "erase", "--user-key", key, "--yes"), "held", "--despite-hold")
    one_line(syscard("--home", stored, "erase", "--user-key", key, "--despite-hold"), "--yes")
    assert len(rows(stored)) == len(before)
    dry = syscard("--home", stored, "erase", "--user-key", key, "--dry-run", "--json").document
    assert (dry["done"], dry["traces"]) == (False, len(hers))
    ran = syscard("--home", stored, "erase", "--user-key", key, "--yes", "--despite-hold")
    assert ran.code == 0, ran
    assert f"erased: {dry['spans']} spans" in ran.out
    assert [r for r in before if r["trace_id"] not in hers] == rows(stored)
    assert key.encode() not in bytes_of(stored)
    assert note.encode() not in bytes_of(stored)
    verified = syscard("--home", stored, "card", "verify")
    assert verified.code == 0
    assert "1 notes have been erased" in verified.out
    assert "1 times a person was erased" in verified.out
    assert "a person was erased" in syscard("--home", stored, "card", "history").out
    again = syscard("--home", stored, "erase", "--user-key", key, "--yes")
    assert "found: 0 spans" in again.out
    sound(stored)


def held(home: Path) -> dict[str, str]:
    """Traces that are held, and why."""
    found = syscard("--home", home, "hold", "list", "--json").document
    return {f"{hold['trace']} {hold['why']}": hold["trace"] for hold in found}


@pytest.mark.endurance
def test_what_held_a_trace_of_an_erased_person_holds_it_no_longer(demo_home: Path) -> None:
    before = held(demo_home)
    owners = {row["trace_id"]: row["user_key"] for row in rows(demo_home) if row["user_key"]}
    key = next(owners[trace[:32]] for why, trace in before.items() if " INC-" in why)
    hers = {trace for trace, owner in owners.items() if owner == key}
    by_hand = sorted(hers)[0]
    assert syscard("--home", demo_home, "hold", "add", by_hand, "--reason", "a complaint").code == 0
    one_line(syscard("--home", demo_home, "erase", "--user-key", key, "--yes"), "held", "--despite-hold")
    assert syscard("--home", demo_home, "erase", "--user-key", key, "--yes", "--despite-hold").code == 0

    after = held(demo_home)
    assert after == {why: trace for why, trace in before.items() if trace[:32] not in hers}
    gone = {trace for trace in before.values() if trace[:32] in hers} | {by_hand}
    verified = syscard("--home", demo_home, "card", "verify", "--json").document
    assert (verified["ok"], verified["erasures"], verified["lifted_holds"]) == (True, 1, len(gone))
    assert f"{len(gone)} holds were lifted" in syscard("--home", demo_home, "card", "verify").out
    one_line(syscard("--home", demo_home, "hold", "remove", by_hand), "not held by hand")
    with House(Home(demo_home)).records() as records:
        lifted = [edit.body for edit in records.edits(REF) if isinstance(edit.body, Hold) and edit.body.erased]
        assert {body.trace for body in lifted} == gone
        assert not any(trace in json.dumps(records.watch(REF)) for trace in hers), "nor do monitors know it"
    sound(demo_home)


def test_what_is_found_beside_the_key_of_a_person_is_said_before_it_goes(declared: Path, tmp_path: Path) -> None:
    def request(number: int, **said: str) -> bytes:
        document = json.loads(recorded("normal")[0])
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
        root = {**spans_of(document)[0], "traceId": f"{number:032x}", "parentSpanId": "", "attributes": attributes}
        document["resourceSpans"][0]["scopeSpans"][0]["spans"] = [root]
        return json.dumps({"resourceSpans": document["resourceSpans"][:1]}).encode()

    file = tmp_path / "spans.jsonl"
    user, session = "user.id", "session.id"
    file.write_bytes(b"\n".join([
        request(1, **{user: "u-77", session: "hers"}), request(2, **{session: "hers"}),
        request(3, **{user: "u-77", session: "both"}), request(4, **{user: "u-8", session: "both"}),
        request(5, **{session: "both"}), request(6, **{"syscard.note": "u-77"}),
    ]))  # fmt: skip
    assert syscard("--home", declared, "ingest", file).code == 0
    ran = syscard("--home", declared, "erase", "--user", "u-77", "--dry-run")
    for line in (
        "found: 3 spans of 3 traces",
        "of them 1 traces name no user: their session is the person's alone",
        "found: 1 spans of others with a text that holds the id: the texts go, the spans stay",
        "not attributed: 1 traces name no user, in sessions that others have too: they stay",
        "not attributed: 1 traces of these days name neither user nor session: they stay",
    ):
        assert line in ran.out.splitlines(), ran.out
    document = syscard("--home", declared, "erase", "--user", "u-77", "--yes", "--json").document
    counts = {name: document[name] for name in ("spans", "by_session", "texts", "shared", "nameless")}
    assert counts == {"spans": 3, "by_session": 1, "texts": 1, "shared": 1, "nameless": 1}
    assert sorted(int(row["trace_id"], 16) for row in rows(declared)) == [4, 5, 6]
    assert b"u-77" not in bytes_of(declared)
    sound(declared)


@pytest.mark.endurance
def test_retention_is_set_shown_and_applied_and_a_hold_outlives_it(stored: Path) -> None:
    shown = syscard("--home", stored, "retain").out
    assert "30 d (traces.retain of system.yaml)" in shown
    trace = rows(stored)[0]["trace_id"]
    assert syscard("--home", stored, "hold", "add", trace, "--reason", "an auditor asked").code == 0
    assert trace in syscard("--home", stored, "hold", "list").out
    assert syscard("--home", stored, "retain", "--days", "1", "--max-gb", "0.5").code == 0
    document = syscard("--home", stored, "retain", "--json").document
    assert (document["days"], document["max_bytes"], document["held"]) == (1, 500_000_000, [trace])
    ran = syscard("--home", stored, "retain", "--now")
    assert ran.code == 0
    left = {row["trace_id"] for row in rows(stored)}
    assert trace in left
    assert (len(left) == 1) == ("dropped:" in ran.out), "the recording may be of today"
    assert syscard("--home", stored, "hold", "remove", trace).code == 0
    one_line(syscard("--home", stored, "hold", "remove", trace), "not held by hand")
    one_line(syscard("--home", stored, "hold", "add", "abc", "--reason", "x"), "no trace")
    one_line(syscard("--home", stored, "retain", "--max-gb", "-1"), "--max-gb")
    one_line(syscard("--home", stored, "retain", "--forever", "--days", "3"), "--forever")
    assert "oldest day kept" in syscard("--home", stored, "doctor").out or not left
    sound(stored)


def test_a_backup_is_verified_and_is_a_home(stored: Path, tmp_path: Path) -> None:
    ran = syscard("--home", stored, "backup", tmp_path / "copy")
    assert ran.code == 0, ran
    assert "200 spans in the lake" in ran.out
    assert "verified" in ran.out
    sound(tmp_path / "copy")
    assert len(rows(tmp_path / "copy")) == 200
    one_line(syscard("--home", stored, "backup", tmp_path / "copy"), "is there already")


def test_the_view_is_made_anew_from_the_edits(stored: Path) -> None:
    import sqlite3
    from contextlib import closing

    for damage in ("delete from view", "update view set body = '{'"):
        with closing(sqlite3.connect(stored / "records.db")) as connection, connection:
            connection.execute(damage)
        ran = syscard("--home", stored, "doctor", "--repair")
        assert ran.code == 0, ran
        assert f"mended {REF}: what the faces read was made anew" in ran.err
        assert syscard("--home", stored, "card", "verify").code == 0
    one_line(syscard("--home", stored, "doctor", "--forget-missing"), "--repair")
