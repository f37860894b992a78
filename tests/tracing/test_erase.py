"""A person is erased: not a byte of theirs is left in the home, whatever dies in between; the others are intact."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.errors import TraceError, UsageError
from syscard.home import Home
from syscard.system import Keep, System
from syscard_tracing import journal, keys
from syscard_tracing.erase import STEPS, Erasing, erase, find, mentions, names_of, unfinished
from syscard_tracing.erasing import Going
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.redact import Redactor
from syscard_tracing.roller import roll_all
from syscard_tracing.rules import SystemRule, TraceRules
from syscard_tracing.spans import Attributes, RawSpan
from tests.tracing.shop import shop

Span = Callable[..., RawSpan]
Stored = Callable[[], list[int]]
ANN, BEN = "ann@shop.example", "ben@shop.example"
CANARY = "zirconium wombat"
ERASE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from syscard.home import Home
from syscard_tracing.erase import erase, names_of
home, step = Home(Path(sys.argv[1])), sys.argv[2]
def on_step(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)
erase(home, names_of(home, None, sys.argv[3]), datetime.now(UTC), lambda e: None, lambda e: None, on_step)
"""


def _nothing(_: Erasing) -> None:
    """No records here; tests/functional has them."""


RULES = TraceRules((SystemRule(select=(("service.name", "shop"),), components=(), segments=(), user="user.id",
                                keep=Keep.FULL, words=frozenset()),))  # fmt: skip
DAY_NS = 86_400 * 10**9


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def two(home: Home, inbox: Inbox, clock: ReplayClock, span: Span, lake: Lake) -> None:
    """Spans of two people over two days: rolled, one roll behind, and waiting; texts kept in full.

    Ann's session has a trace of its own that names nobody, and Ben's texts speak of Ann.
    """
    pipeline = Pipeline(home, inbox, lambda: RULES, clock)
    for day in range(2):
        for part in range(2):
            spans = []
            for who, number in ((ANN, day * 10 + part), (BEN, 100 + day * 10 + part)):
                top = span(number, {"user.id": who, "session.id": f"session of {who}"})
                top = top._replace(start_ns=top.start_ns - day * DAY_NS, end_ns=top.end_ns - day * DAY_NS)
                said = f"{CANARY} {number}" if who == ANN else f"plain talk of Ann@Shop.example, {number}"
                text: Attributes = {"gen_ai.input.messages": said}
                spans += [
                    top,
                    top._replace(span_id=f"{number + 500:016x}", parent_span_id=top.span_id, attributes=text),
                ]
                if who == ANN:
                    alone = text | {"session.id": f"session of {who}"}
                    spans.append(top._replace(trace_id=f"{number + 1001:032x}", attributes=alone))
            pipeline.store(spans)
            if (day, part) != (1, 1):
                roll_all(inbox, lake)


def bytes_with(home: Home, *sought: str) -> list[str]:
    """Files of the home that hold one of some texts, packed files unpacked."""
    import pyarrow as pa
    from pyarrow import parquet

    found = []
    for path in sorted(p for p in home.root.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += str(parquet.read_table(path, partitioning=None).to_pylist()).encode()
        if path.name == "inbox.db":
            with Inbox(path) as inbox:
                bodies = [batch.body for batch in inbox.every()]
            content += b"".join(str(pa.ipc.open_stream(b).read_all().to_pylist()).encode() for b in bodies)
        found += [f"{path.relative_to(home.root)}: {text}" for text in sought if text.encode() in content]
    return found


def hers(home: Home) -> tuple[str, ...]:
    """What must not be found: the key, the trace ids, the words."""
    ids = (f"{n + own + 1:032x}" for n in (0, 1, 10, 11) for own in (0, 1000))
    return (*names_of(home, None, ANN), "Ann@Shop.example", *ids, CANARY)


def run(home: Home, now: datetime, on_step: Callable[[str], None] = lambda _: None) -> list[Erasing]:
    return erase(home, names_of(home, None, ANN), now, _nothing, _nothing, on_step)


def is_erased(home: Home, lake: Lake) -> bool:
    with Inbox(home.inbox) as inbox:
        roll_all(inbox, lake)
    others = sorted(int(i, 16) - 1 for i in lake.scan().collect()["trace_id"])
    return bytes_with(home, *hers(home)) == [] and others == sorted([100, 101, 110, 111] * 2)


def test_not_a_byte_of_the_person_is_left_and_the_other_is_whole(
    two: None, home: Home, lake: Lake, now: datetime
) -> None:
    assert len(bytes_with(home, *hers(home))) > 10, "it is there before, or the search finds nothing ever"
    (erased,) = run(home, now)
    assert (erased.spans, erased.days) == (12, {"2026-11-19": 6, "2026-11-20": 6})
    assert (erased.by_session, erased.texts, erased.shared, erased.nameless) == (4, 4, 0, 0)
    assert is_erased(home, lake)
    entry = journal.last(home, "erasure")
    assert entry is not None
    assert entry["spans"] == 12
    assert run(home, now) == [], "nothing is left to erase"


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_that_dies_at_any_step_is_finished_by_the_next(
    step: str, two: None, home: Home, lake: Lake, now: datetime
) -> None:
    def dies(at: str) -> None:
        if at == step:
            raise Killed

    with pytest.raises(Killed):
        run(home, now, dies)
    assert (unfinished(home) is None) == (step == "done")
    run(home, now)
    assert unfinished(home) is None
    assert is_erased(home, lake)


def test_one_that_is_killed_is_finished_by_the_next_even_for_somebody_else(
    two: None, home: Home, lake: Lake, now: datetime, children: Any
) -> None:
    child = children.run(ERASE, home.root, "lake", ANN)
    assert child.wait(120) == -9
    done = erase(home, names_of(home, None, "nobody"), now, _nothing, _nothing)
    assert [e.spans for e in done] == [12]
    assert is_erased(home, lake)


def test_a_person_is_found_by_the_raw_id_by_what_the_sdk_sends_and_by_the_key_in_the_lake(
    two: None, home: Home, now: datetime
) -> None:
    key = Redactor(keys.load_or_make(home.keys / keys.FILE)).user(ANN)
    for names in (names_of(home, None, ANN), names_of(home, ANN, None), names_of(home, key, None)):
        assert find(home, names, now).spans == 12
    assert find(home, names_of(home, "nobody", None), now).going == ()
    for wrong in ((None, None), (ANN, ANN), ("", None), (None, "  ")):
        with pytest.raises(UsageError, match="name the person"):
            names_of(home, *wrong)


def test_what_must_not_go_does_not(two: None, home: Home, now: datetime, stored: Stored) -> None:
    def refuses(found: Erasing) -> None:
        raise UsageError(f"held: {sorted(found.traces)[0]}")

    before = stored()
    with pytest.raises(UsageError, match="held: 0"):
        erase(home, names_of(home, None, ANN), now, _nothing, refuses)
    assert (stored(), unfinished(home)) == (before, None)


def test_an_id_that_somebody_else_used_at_another_time_stays_theirs(
    home: Home, inbox: Inbox, clock: ReplayClock, span: Span, lake: Lake, now: datetime, stored: Stored
) -> None:
    pipeline = Pipeline(home, inbox, lambda: RULES, clock)
    mine, early = span(0, {"user.id": ANN}), span(0, {"user.id": BEN})
    pipeline.store([mine, early._replace(start_ns=early.start_ns - DAY_NS // 4, end_ns=early.end_ns - DAY_NS // 4)])
    roll_all(inbox, lake)
    (erased,) = run(home, now)
    assert erased.spans == 1
    assert lake.scan().collect()["user_key"].to_list() == [names_of(home, None, BEN)[1]]


@pytest.mark.endurance
def test_thousands_of_traces_go_in_a_few_commits_and_those_used_again_only_at_her_time(
    home: Home, inbox: Inbox, clock: ReplayClock, span: Span, lake: Lake, now: datetime
) -> None:
    pipeline = Pipeline(home, inbox, lambda: RULES, clock)
    hers_alone, used_again = range(2000), range(2000, 3000)
    earlier = [
        one._replace(start_ns=one.start_ns - DAY_NS // 4, end_ns=one.end_ns - DAY_NS // 4)
        for one in (span(number, {"user.id": BEN}) for number in used_again)
    ]
    pipeline.store([*(span(number, {"user.id": ANN}) for number in range(3000)), *earlier])
    roll_all(inbox, lake)
    found = find(home, names_of(home, None, ANN), now)
    assert [g.trace_id for g in found.going] == [f"{n + 1:032x}" for n in range(3000)]
    assert [g.low_us is None for g in found.going] == [True] * len(hers_alone) + [False] * len(used_again)
    before, commits = lake.version(), 0

    def count(step: str) -> None:
        nonlocal commits
        commits = lake.version() - before if step == "lake" else commits

    (erased,) = run(home, now, count)
    assert erased.spans == 3000
    left = lake.scan().collect()
    assert sorted(left["trace_id"]) == [f"{number + 1:032x}" for number in used_again]
    assert set(left["user_key"]) == {names_of(home, None, BEN)[1]}
    assert commits < 10, "each commit writes files anew: they must not grow with the traces"


def test_an_erasure_takes_nothing_from_a_roll_and_a_roll_nothing_back(
    two: None, home: Home, lake: Lake, inbox: Inbox, now: datetime
) -> None:
    done = lake.done_seq(inbox.app_id)
    run(home, now)
    assert lake.done_seq(inbox.app_id) == done
    assert is_erased(home, lake)


LLM = {"kind": "llm", "owner": "o", "select": {"service.name": "shop"}, "keep": "masked"}
ALLOWING = LLM | {"allow": ["shop.note", "shop.notes"]}
MASKED = TraceRules.of([System.model_validate(shop({"user": "user.id"}, {"llm": ALLOWING}))])


def test_an_id_in_what_others_said_takes_the_text_and_leaves_the_span(
    home: Home, inbox: Inbox, clock: ReplayClock, span: Span, lake: Lake, now: datetime
) -> None:
    pipeline = Pipeline(home, inbox, lambda: MASKED, clock)
    said: list[Attributes] = [
        {"user.id": "u-77"},
        {"user.id": BEN, "gen_ai.input.messages": "is U-77 here?", "shop.note": "nothing", "syscard.rank": 3},
        {"shop.note": "u-77 called", "gen_ai.input.messages": "this stays"},
        {"shop.notes": ["u-77", "red"]},
        {"user.id": BEN, "gen_ai.input.messages": "u-777 and xu-77 are others", "shop.note": "u 77"},
    ]
    for rolled in (True, False):
        pipeline.store([span(n + (0 if rolled else 100), attributes) for n, attributes in enumerate(said)])
        if rolled:
            roll_all(inbox, lake)
    names = names_of(home, None, "u-77")
    before = find(home, names, now)
    assert (before.spans, before.texts) == (2, 6)
    (erased,) = erase(home, names, now, _nothing, _nothing)
    assert erased.texts == 6
    roll_all(inbox, lake)
    rows = lake.scan().sort("trace_id").collect().to_dicts()
    assert [int(row["trace_id"], 16) - 1 for row in rows] == [1, 2, 3, 4, 101, 102, 103, 104]
    for first in (0, 4):
        of_ben, called, notes, other = (json.loads(row["features"]) for row in rows[first : first + 4])
        assert (of_ben["gen_ai.input.messages"], of_ben["shop.note"], of_ben["rank"]) == ("[erased]", "nothing", 3)
        assert "gen_ai.input.messages.terms" not in of_ben
        assert (called["shop.note"], called["gen_ai.input.messages"]) == ("[erased]", "this stays")
        assert notes["shop.notes"] == ["[erased]", "red"]
        assert (other["gen_ai.input.messages"], other["shop.note"]) == ("u-777 and xu-77 are others", "u 77")
    assert find(home, names, now).finds is False
    assert erase(home, names, now, _nothing, _nothing) == []


def test_a_person_who_is_only_named_by_others_is_erased_too(
    home: Home, inbox: Inbox, clock: ReplayClock, span: Span, lake: Lake, now: datetime
) -> None:
    pipeline = Pipeline(home, inbox, lambda: RULES, clock)
    pipeline.store([span(0, {"user.id": BEN, "gen_ai.input.messages": f"ask {ANN}"})])
    roll_all(inbox, lake)
    (erased,) = run(home, now)
    assert (erased.spans, erased.texts) == (0, 1)
    assert bytes_with(home, ANN) == []


def test_a_trace_that_names_no_user_goes_with_a_session_that_is_the_persons_alone(
    home: Home, inbox: Inbox, clock: ReplayClock, span: Span, lake: Lake, now: datetime, stored: Stored
) -> None:
    pipeline = Pipeline(home, inbox, lambda: RULES, clock)
    sessions = [
        {"user.id": ANN, "session.id": "hers"},
        {"session.id": "hers"},
        {"gen_ai.conversation.id": "hers"},
        {"user.id": ANN, "session.id": "both"},
        {"user.id": BEN, "session.id": "both"},
        {"session.id": "both"},
        {"session.id": "elsewhere"},
        {},
        {"user.id": BEN},
    ]
    pipeline.store([span(n, attributes) for n, attributes in enumerate(sessions)])
    orphan = span(1)._replace(span_id="c" * 16, attributes={})  # a call below, which says nothing
    pipeline.store([orphan])
    roll_all(inbox, lake)
    waiting = span(20, {"session.id": "hers"})
    pipeline.store([waiting])
    (erased,) = run(home, now)
    assert (erased.spans, erased.by_session) == (6, 3)
    assert (erased.shared, erased.nameless) == (1, 1), "of the session of both; and what says nothing at all"
    roll_all(inbox, lake)
    assert stored() == [4, 5, 6, 7, 8]


def test_a_key_stands_for_a_person_where_it_is_the_whole_value(
    home: Home, inbox: Inbox, clock: ReplayClock, span: Span, lake: Lake, now: datetime, stored: Stored
) -> None:
    """An id of 32 hex digits may be a key of the lake: in a text of somebody else it is an id."""
    given = "0123456789abcdef" * 2
    pipeline = Pipeline(home, inbox, lambda: RULES, clock)
    pipeline.store([span(0, {"user.id": given}), span(1, {"gen_ai.input.messages": f"of {given}, says Ben"})])
    roll_all(inbox, lake)
    (erased,) = erase(home, names_of(home, None, given), now, _nothing, _nothing)
    assert (erased.spans, erased.texts) == (1, 1)
    assert stored() == [1]


def test_an_erasure_that_an_earlier_release_began_is_finished(two: None, home: Home, lake: Lake, now: datetime) -> None:
    def dies(_: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        run(home, now, dies)
    paper = home.root / "erasing.json"
    body = json.loads(paper.read_text())
    for later in ("by_session", "shared", "nameless", "texts"):
        del body[later]
    paper.write_text(json.dumps(body))
    run(home, now)
    assert is_erased(home, lake)


def test_which_references_go_is_told_by_id_and_by_time() -> None:
    erased = Erasing("r", "t", ("n",), (Going("a"), Going("b", 10, 20)), 0, {})
    assert [ref for ref in ("a", "a@5", "b", "b@9", "b@10", "b@21", "c") if erased.takes(ref)] == [
        "a",
        "a@5",
        "b",
        "b@10",
    ]


def test_snapshots_and_reports_that_name_a_trace_are_listed(two: None, home: Home, now: datetime) -> None:
    (home.snapshots / "shop").mkdir()
    (home.snapshots / "shop" / "v3.md").write_text(f"example trace {1:032x}@17")
    (home.snapshots / "shop" / "v4.md").write_text("nobody")
    (home.snapshots / "shop" / "v5.md").write_text(f"a digest with the id in it: abc{1:032x}def")
    (home.reports / "r.json").write_text(f"asked for by {ANN}")
    (erased,) = run(home, now)
    assert [path.name for path in mentions(home, erased)] == ["v3.md", "v5.md", "r.json"]


def test_a_paper_that_cannot_be_read_is_said(two: None, home: Home, now: datetime) -> None:
    (home.root / "erasing.json").write_text("{")
    with pytest.raises(TraceError, match="delete it and erase again"):
        run(home, now)
