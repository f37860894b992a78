from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from syscard import edits as e
from syscard.digest import canonical, text_digest
from syscard.errors import ChainBroken, MissingExtra, NotOnTheCard, RecordsError
from syscard.fold import empty_card, fold
from syscard.live import Live, WatcherNow
from syscard.records.store import HEAD, Records, _use_wal
from syscard.stored import verify
from syscard.views import read_view, systems, version_stamp
from tests.unit.build import GATE, HUMAN, NOW, component, draft, evidence, histories, opening

LENGTH = timedelta(seconds=30)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def records(file: Path) -> Iterator[Records]:
    with closing(Records.open(file, GATE)) as found:
        yield found


def put(records: Records, *bodies: e.Body, system: str = "shop", **more: Any) -> None:
    """Bodies as one version."""
    with records.transaction() as transaction:
        transaction.append(system, [draft(b) for b in bodies], cause="test", recorded=NOW, **more)


def sql(file: Path, statement: str, *values: object) -> list[Any]:
    """What somebody with the file could do to it."""
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_an_appended_batch_is_one_version_of_the_chain(records: Records) -> None:
    put(records, component("cf"), component("vlm"))
    put(records, evidence())
    edits = list(records.edits("shop"))
    assert verify(records.stored("shop")) == 3
    assert [x.version for x in edits] == [1, 1, 2]
    assert records.systems() == ["shop"]


def test_no_drafts_make_no_version(records: Records) -> None:
    put(records, component())
    put(records)
    assert records.current("shop").version == 1


def test_edits_can_be_read_from_behind_one_and_up_to_a_version(records: Records) -> None:
    for ref in ("a", "b", "c"):
        put(records, component(ref))
    assert [x.seq for x in records.edits("shop", after=1)] == [2, 3]
    assert [x.seq for x in records.edits("shop", until_version=2)] == [1, 2]


def test_an_earlier_version_of_the_card_is_there_and_a_later_one_is_not(records: Records) -> None:
    put(records, component("a"))
    put(records, component("b"))
    assert records.card("shop", 1).parts.keys() == {"a"}
    with pytest.raises(NotOnTheCard, match="shop has no card v3: the newest is v2"):
        records.card("shop", 3)


@settings(max_examples=10)
@given(histories(least=4))
def test_the_view_is_the_fold_of_the_edits(tmp_path_factory: pytest.TempPathFactory, batches: Any) -> None:
    file = tmp_path_factory.mktemp("home") / "records.db"
    with closing(Records.open(file, GATE)) as records:
        for batch in batches:
            with records.transaction() as transaction:
                shown = transaction.append("shop", batch, cause="test", recorded=NOW)
        card = fold(records.edits("shop"), start="shop")
        assert shown == records.current("shop") == records.card("shop") == card
        view, newest = read_view(file), list(records.edits("shop"))[-1]
    assert view["digest"] == card.digest
    assert view["card"] == card.model_dump(mode="json")
    assert (view["head"], view["edits"]) == (newest.link, newest.seq)


def test_a_view_that_fell_behind_is_not_believed(records: Records, file: Path) -> None:
    put(records, component("a"))
    body = sql(file, "select body from view")[0][0]
    put(records, component("b"))
    sql(file, "update view set body = ?", body)
    assert records.current("shop").parts.keys() == {"a", "b"}


def test_several_batches_in_one_transaction_follow_each_other(records: Records) -> None:
    with records.transaction() as transaction:
        for ref in ("a", "b"):
            transaction.append("shop", [draft(component(ref))], cause=ref, recorded=NOW)
        assert transaction.newest("shop")[0].parts.keys() == {"a", "b"}
    assert verify(records.stored("shop")) == 2


def test_two_systems_have_two_chains(records: Records) -> None:
    put(records, component("a"), system="one")
    put(records, component("b"), system="two")
    assert [verify(records.stored(s)) for s in ("one", "two")] == [1, 1]
    assert records.current("one").parts.keys() == {"a"}


def stop_halfway(records: Records) -> None:
    with records.transaction() as transaction:
        transaction.append("shop", [draft(component("b"))], cause="test", recorded=NOW, texts=["secret"])
        transaction.set_watch("shop", {"windows": 1})
        transaction.set_tallies("shop", {("fast", 1): {}})
        transaction.lease("roll", "me", NOW, LENGTH)
        raise RuntimeError("halfway")


def test_a_transaction_that_fails_changes_nothing(records: Records, file: Path) -> None:
    put(records, component("a"))
    before = read_view(file)
    with pytest.raises(RuntimeError, match="halfway"):
        stop_halfway(records)
    assert read_view(file) == before
    assert [x.seq for x in records.edits("shop")] == [1]
    assert records.watch("shop") == {}
    assert records.tallies("shop") == []
    with records.transaction() as transaction:
        assert transaction.lease("roll", "you", NOW, LENGTH) == 1


def test_a_draft_that_has_no_digest_changes_nothing(records: Records) -> None:
    put(records, component("a"))
    with pytest.raises(ValueError, match="finite"):
        put(records, component("b"), evidence(float("nan")))
    assert records.current("shop").version == 1


def test_writers_at_once_make_one_unbroken_chain(file: Path, records: Records) -> None:
    other = Records.open(file, GATE)
    start = threading.Barrier(4, timeout=60)

    def write(writer: int) -> None:
        start.wait()
        for number in range(10):
            put((records, other)[writer % 2], component(f"w{writer}-{number}"))

    with closing(other), ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert verify(records.stored("shop")) == 40
    assert records.current("shop") == records.card("shop")
    assert len(records.current("shop").parts) == 40


def test_readers_see_whole_versions_while_somebody_writes(file: Path, records: Records) -> None:
    put(records, component("a"), component("b"))
    with records.transaction() as transaction:
        transaction.append("shop", [draft(component("c"))], cause="test", recorded=NOW)
        assert records.current("shop").version == 1
        assert read_view(file)["card"]["version"] == 1
    assert read_view(file)["card"]["version"] == 2


def test_live_values_are_replaced_and_make_no_version(records: Records, file: Path) -> None:
    put(records, component())
    for seen in (20, 40):
        put(records, live=Live(as_of=NOW, watcher=WatcherNow(requests=seen)))
    view = read_view(file)
    assert view["live"]["watcher"]["requests"] == 40
    assert view["card"]["version"] == 1
    put(records, component("vlm"))
    assert read_view(file)["live"]["watcher"]["requests"] == 40


def test_the_view_s_stamp_moves_with_every_change(records: Records, file: Path) -> None:
    put(records, component())
    stamps = [version_stamp(file)]
    put(records, live=Live(as_of=NOW, watcher=WatcherNow()))
    stamps.append(version_stamp(file))
    put(records, component("vlm"))
    assert stamps[0] < stamps[1] < version_stamp(file)


def test_the_gate_s_verdict_stands_in_the_view(records: Records, file: Path) -> None:
    put(records, component())
    assert read_view(file)["gate"] == {"stage": "promote", "blocked": False, "reasons": []}
    put(records, opening())
    assert read_view(file)["gate"]["reasons"] == ["incidents open: 1, needs <= 0 (INC-1)"]


def test_free_text_stands_beside_its_edit_and_can_be_erased_without_breaking_the_chain(
    records: Records, file: Path
) -> None:
    note = e.NoteOnIncident(number=1, text_sha256=text_digest("looking"))
    put(records, opening(), note, texts=["looking"])
    assert read_view(file)["texts"] == {text_digest("looking"): "looking"}
    assert "looking" not in sql(file, "select group_concat(draft) from edit")[0][0]
    sql(file, "delete from free_text")
    assert verify(records.stored("shop")) == 2


@pytest.mark.parametrize("column", ["cause", "recorded", "previous", "link", "draft", "version"])
def test_a_row_that_somebody_changed_is_named(records: Records, file: Path, column: str) -> None:
    for ref in ("a", "b", "c"):
        put(records, component(ref))
    other = {"recorded": "2027-01-01T00:00:00Z", "version": 7}.get(column)
    if column == "draft":
        sql(file, "update edit set draft = replace(draft, '\"discovery\"', '\"nobody\"') where seq = 2")
    else:
        sql(file, f"update edit set {column} = ? where seq = 2", other or "f" * 64)
    with pytest.raises(ChainBroken, match=r"^edit 2 "):
        verify(records.stored("shop"))


@pytest.mark.parametrize("draft_text", ["", "{", "{}", "[]", '{"body": {"kind": "gossip"}}'])
def test_a_row_that_is_no_edit_any_more_breaks_the_chain_too(records: Records, file: Path, draft_text: str) -> None:
    put(records, component("a"), component("b"))
    sql(file, "update edit set draft = ? where seq = 2", draft_text)
    with pytest.raises(ChainBroken, match=r"^edit 2 \(v1\): "):
        verify(records.stored("shop"))
    with pytest.raises(ChainBroken, match=r"^edit 2 \(v1\): it is no edit"):
        list(records.edits("shop"))


def test_a_row_that_somebody_deleted_is_missed(records: Records, file: Path) -> None:
    put(records, component("a"), component("b"), component("c"))
    sql(file, "delete from edit where seq = 2")
    with pytest.raises(ChainBroken, match=r"edit 3 .* missing or out of place"):
        verify(records.stored("shop"))


def test_what_monitors_remember_is_replaced(records: Records) -> None:
    for windows in (1, 2):
        with records.transaction() as transaction:
            transaction.set_watch("shop", {"windows": windows})
    assert records.watch("shop") == {"windows": 2}
    assert records.watch("another") == {}


def test_tallies_are_replaced_read_back_in_order_and_dropped_one_by_one(records: Records) -> None:
    with records.transaction() as transaction:
        transaction.set_tallies("shop", {("fast", end): {"all": end} for end in (300, 100, 200)})
        transaction.set_tallies("shop", {("fast", 200): {"all": 201}})
        transaction.set_tallies("another", {("fast", 50): {}})
        transaction.set_tallies("shop", {})
    assert records.tallies("shop") == [
        ("fast", 100, {"all": 100}),
        ("fast", 200, {"all": 201}),
        ("fast", 300, {"all": 300}),
    ]
    with records.transaction() as transaction:
        transaction.set_tallies("shop", {("fast", 100): None, ("fast", 400): None})
    assert [end for _, end, _ in records.tallies("shop")] == [200, 300]
    assert len(records.tallies("another")) == 1


def test_sums_of_a_day_are_replaced_and_old_days_dropped(records: Records) -> None:
    with records.transaction() as transaction:
        for day in (1, 2, 3):
            transaction.set_group_sums("shop", day, {"n": day})
        transaction.set_group_sums("shop", 2, {"n": 20})
        transaction.set_group_sums("another", 1, {"n": 1})
        assert transaction.group_sums("shop", [2, 7]) == {2: {"n": 20}}
    assert records.group_sums("shop") == {1: {"n": 1}, 2: {"n": 20}, 3: {"n": 3}}
    with records.transaction() as transaction:
        transaction.drop_group_sums("shop", 2)
    assert list(records.group_sums("shop")) == [2, 3]
    assert list(records.group_sums("another")) == [1]


def test_a_baseline_comes_back_by_its_digest(records: Records) -> None:
    values = {"signals": {"llm.words": [0.1, 0.2], "vlm.category": ["a"]}, "per_minute": 60.5}
    with records.transaction() as transaction:
        key = transaction.add_baseline("shop", canonical(values))
        assert transaction.add_baseline("shop", canonical(dict(reversed(values.items())))) == key
    assert records.baseline_data(key) == values


@pytest.mark.parametrize("forged", [b"not deflated", b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9"])
def test_a_baseline_that_is_not_what_its_digest_says_is_refused(records: Records, file: Path, forged: bytes) -> None:
    with records.transaction() as transaction:
        key = transaction.add_baseline("shop", canonical({"signals": {}}))
    sql(file, "update baseline set body = ?", forged)
    with pytest.raises(RecordsError, match="do not match their digest"):
        records.baseline_data(key)


def test_a_baseline_that_is_gone_says_what_to_do(records: Records) -> None:
    with pytest.raises(RecordsError, match="syscard baseline set"):
        records.baseline_data("0" * 64)


def test_a_job_has_one_owner_who_may_renew_it(records: Records) -> None:
    with records.transaction() as transaction:
        assert transaction.lease("roll", "me", NOW, LENGTH) == 1
        assert transaction.lease("roll", "me", NOW + LENGTH / 2, LENGTH) == 1
        assert transaction.lease("roll", "you", NOW + LENGTH, LENGTH) is None
        assert transaction.lease("monitor", "you", NOW, LENGTH) == 1


def test_a_job_is_taken_over_when_its_owner_was_silent_for_long_and_the_fence_grows(records: Records) -> None:
    with records.transaction() as transaction:
        transaction.lease("roll", "me", NOW, LENGTH)
    with records.transaction() as transaction:
        assert transaction.lease("roll", "you", NOW + LENGTH, LENGTH) == 2
        assert transaction.lease("roll", "me", NOW + LENGTH, LENGTH) is None
        assert transaction.lease("roll", "me", NOW + 2 * LENGTH, LENGTH) == 3


def test_a_job_that_was_given_back_is_free_at_once(records: Records) -> None:
    with records.transaction() as transaction:
        transaction.lease("roll", "me", NOW, LENGTH)
        transaction.release("roll", "you")
        assert transaction.lease("roll", "you", NOW, LENGTH) is None
        transaction.release("roll", "me")
        assert transaction.lease("roll", "you", NOW, LENGTH) == 2


def test_of_many_who_want_a_job_at_once_one_gets_it(records: Records) -> None:
    start = threading.Barrier(4, timeout=60)

    def want(owner: str) -> int | None:
        start.wait()
        with records.transaction() as transaction:
            return transaction.lease("roll", owner, NOW, LENGTH)

    with ThreadPoolExecutor(4) as pool:
        fences = list(pool.map(want, "abcd"))
    assert sorted(map(bool, fences)) == [False, False, False, True]


def test_opening_again_keeps_what_is_there(file: Path) -> None:
    for ref in ("a", "b"):
        with closing(Records.open(file, GATE)) as records:
            put(records, component(ref))
    with closing(Records.open(file, GATE)) as records:
        assert verify(records.stored("shop")) == 2


def test_a_fresh_home_can_be_opened_by_several_at_once(file: Path) -> None:
    start = threading.Barrier(4, timeout=60)

    def open_and_write(number: int) -> None:
        start.wait()
        with closing(Records.open(file, GATE)) as records:
            put(records, component(f"c{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_write, range(4)))
    with closing(Records.open(file, GATE)) as records:
        assert verify(records.stored("shop")) == 4


class Refuses:
    """A connection that SQLite refuses a few times, as it does while another one makes the same file."""

    def __init__(self, times: int, code: int) -> None:
        self.left, self.code = times, code

    def execute(self, statement: str) -> None:
        assert statement == "PRAGMA journal_mode=WAL"
        self.left -= 1
        if self.left >= 0:
            error = sqlite3.OperationalError("refused")
            error.sqlite_errorcode = self.code
            raise error


def test_a_file_that_another_one_is_making_is_waited_for() -> None:
    _use_wal(busy := Refuses(3, sqlite3.SQLITE_BUSY_RECOVERY))
    assert busy.left == -1
    with pytest.raises(sqlite3.OperationalError):
        _use_wal(Refuses(1, sqlite3.SQLITE_READONLY))


def test_a_fresh_home_can_be_opened_by_several_processes_at_once(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from syscard.gates import Policy;"
        "from syscard.records.store import Records; sys.stdin.readline();"
        "Records.open(Path(sys.argv[1]), Policy.model_validate_json(sys.argv[2])).close()"
    )
    command = [sys.executable, "-c", code, str(file), GATE.model_dump_json()]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [child.communicate("go\n")[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], errors
    assert sql(file, "select version_num from alembic_version") == [(HEAD,)]


def test_records_of_a_newer_release_are_refused_and_left_alone(file: Path) -> None:
    Records.open(file, GATE).close()
    sql(file, "update alembic_version set version_num = '9999'")
    with pytest.raises(RecordsError, match=r"newer release \(revision 9999\): upgrade syscard$"):
        Records.open(file, GATE)
    assert sql(file, "select version_num from alembic_version") == [("9999",)]


@pytest.mark.parametrize("content", [b"these are no records\n" * 200, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_none_of_ours_is_refused_in_one_line_and_left_alone(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(RecordsError) as caught:
        Records.open(file, GATE)
    assert "\n" not in str(caught.value)
    assert "syscard doctor" in str(caught.value)
    assert file.read_bytes() == content


def test_an_address_that_is_none_is_refused_in_one_line() -> None:
    with pytest.raises(RecordsError, match="syscard doctor"):
        Records.open("where my records are", GATE)


def test_a_driver_that_is_not_there_is_asked_for() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'syscard\[postgres\]'"):
        Records.open("mysql+pymysql://localhost/records", GATE)


def test_records_that_went_bad_while_they_were_open_are_an_error_in_one_line(file: Path, records: Records) -> None:
    put(records, component())
    sql(file, "drop table edit")
    with pytest.raises(RecordsError, match=r"^records: no such table: edit: nothing was changed$"):
        put(records, component("b"))


def test_an_unknown_system_has_an_empty_card(records: Records, file: Path) -> None:
    assert records.current("nobody") == records.card("nobody") == empty_card("nobody")
    assert systems(file) == []


def test_the_author_of_an_edit_is_kept(records: Records) -> None:
    with records.transaction() as transaction:
        transaction.append("shop", [draft(component(), author=HUMAN)], cause="apply", recorded=NOW)
    assert next(records.edits("shop")).draft.author == HUMAN
