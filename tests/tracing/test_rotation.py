"""The key is changed: every row's key can be found for as long as the row lives, whatever dies in between."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.clock import ReplayClock
from syscard.errors import UsageError
from syscard.home import Home
from syscard.rotations import FILE, ended, rotations
from syscard.system import Keep
from syscard_tracing import journal, keys, retention
from syscard_tracing.batch import from_bytes
from syscard_tracing.doctor import check
from syscard_tracing.erase import erase, find, names_of
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.normalise import microseconds, moment
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.redact import Redactor
from syscard_tracing.retention import Keeping
from syscard_tracing.roller import roll_all
from syscard_tracing.rotation import destroy_unused, rotate
from syscard_tracing.rules import SystemRule, TraceRules
from syscard_tracing.spans import RawSpan

Span = Callable[..., RawSpan]
ANN = "ann@shop.example"
RULES = TraceRules((SystemRule(select=(("service.name", "shop"),), components=(), segments=(), user="user.id",
                               keep=Keep.FEATURES, words=frozenset()),))  # fmt: skip
HOUR = timedelta(hours=1)
ROTATE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from syscard.home import Home
from syscard_tracing.rotation import rotate
home, step = Home(Path(sys.argv[1])), sys.argv[2]
def on_step(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)
rotate(home, datetime(2026, 11, 20, 13, tzinfo=UTC), on_step)
"""


def take(home: Home, inbox: Inbox, now: datetime, *spans: RawSpan) -> None:
    """Store spans as a process of its own would: it opens the home, and ends."""
    pipeline = Pipeline(home, inbox, lambda: RULES, ReplayClock(now))
    pipeline.store(spans)
    pipeline.close()


def rows(home: Home, inbox: Inbox, lake: Lake) -> list[dict[str, Any]]:
    """Every row that the home holds."""
    waiting = [row for batch in inbox.every() for row in from_bytes([batch.body]).to_pylist()]
    return [*lake.scan().collect().to_dicts(), *waiting]


def hashed_with(home: Home, row: dict[str, Any]) -> bytes | None:
    """The key that the row's time names."""
    return keys.key_at(keys.ring(home.keys), microseconds(row["received"])).secret


def every_key_is_found(home: Home, found: list[dict[str, Any]]) -> bool:
    """Whether under each row's key its user is who he was."""
    secrets = [(row, hashed_with(home, row)) for row in found]
    return all(secret is not None and Redactor(secret).user(ANN) == row["user_key"] for row, secret in secrets)


@pytest.fixture
def ann(span: Span) -> Callable[[int], RawSpan]:
    """A span of hers, by number."""
    return lambda number: span(number, {"user.id": ANN})


def test_what_comes_after_a_rotation_is_hashed_with_another_key_and_both_are_found(
    home: Home, inbox: Inbox, lake: Lake, now: datetime, ann: Callable[[int], RawSpan]
) -> None:
    take(home, inbox, now, ann(0))
    made = rotate(home, now + HOUR)
    take(home, inbox, now + 2 * HOUR, ann(1))
    first, second = rows(home, inbox, lake)
    assert first["user_key"] != second["user_key"]
    assert hashed_with(home, second) == made.secret == (home.keys / FILE).read_bytes()
    assert every_key_is_found(home, [first, second])
    assert [entry["key"] for entry in journal.entries(home) if entry["did"] == "key rotated"] == [made.name]


def test_a_person_is_found_and_erased_under_every_key_that_still_exists(
    home: Home, inbox: Inbox, lake: Lake, now: datetime, ann: Callable[[int], RawSpan], span: Span
) -> None:
    for number in range(3):
        take(home, inbox, now + 2 * number * HOUR, ann(number), span(10 + number, {"user.id": "ben"}))
        roll_all(inbox, lake)
        rotate(home, now + (2 * number + 1) * HOUR)
    assert len(names_of(home, None, ANN)) == 1 + 4
    assert find(home, names_of(home, None, ANN), now).spans == 3
    assert find(home, names_of(home, ANN, None), now).spans == 3, "an SDK's key is hashed under each"
    erase(home, names_of(home, None, ANN), now, lambda _: None, lambda _: None)
    assert lake.count() == 3
    assert find(home, names_of(home, None, ANN), now).spans == 0


def test_nothing_is_taken_as_received_before_the_key_in_use_even_if_the_clock_is_set_back(
    home: Home, inbox: Inbox, lake: Lake, now: datetime, ann: Callable[[int], RawSpan]
) -> None:
    take(home, inbox, now + 5 * HOUR, ann(0))
    rotate(home, now)  # the clock was ahead
    take(home, inbox, now - HOUR, ann(1))
    assert every_key_is_found(home, rows(home, inbox, lake))


def test_the_key_is_not_changed_while_spans_are_taken(home: Home, inbox: Inbox, now: datetime, children: Any) -> None:
    pipeline = Pipeline(home, inbox, TraceRules, ReplayClock(now))
    before = (home.keys / FILE).read_bytes()
    with pytest.raises(UsageError, match="is being served, or spans are ingested into it: stop that, rotate"):
        rotate(home, now)
    pipeline.close()
    rotate(home, now)
    children.serve(home)
    with pytest.raises(UsageError, match="is being served"):
        rotate(home, now + HOUR)
    assert (home.keys / FILE).read_bytes() != before
    assert len(rotations(home.keys)) == 1


def test_a_home_into_which_nothing_came_has_nothing_to_rotate(home: Home, now: datetime) -> None:
    with pytest.raises(UsageError, match="has no key yet"):
        rotate(home, now)


@pytest.mark.parametrize("step", keys.STEPS)
def test_whoever_is_killed_while_the_key_is_changed_loses_nothing(
    home: Home, inbox: Inbox, lake: Lake, now: datetime, ann: Callable[[int], RawSpan], children: Any, step: str
) -> None:
    take(home, inbox, now, ann(0))
    before = (home.keys / FILE).read_bytes()
    assert children.run(ROTATE, home.root, step).wait(120) == -9
    changed = (home.keys / FILE).read_bytes() != before
    assert changed is (step == "in use")
    assert len(rotations(home.keys)) == changed
    take(home, inbox, now + 2 * HOUR, ann(1))
    assert every_key_is_found(home, rows(home, inbox, lake))
    rotate(home, now + 3 * HOUR)
    take(home, inbox, now + 4 * HOUR, ann(2))
    assert len(rotations(home.keys)) == changed + 1, "what was cut off leaves no trace"
    assert every_key_is_found(home, rows(home, inbox, lake))


def test_the_old_key_goes_when_the_last_row_that_it_hashed_has_gone(
    home: Home, inbox: Inbox, lake: Lake, now: datetime, ann: Callable[[int], RawSpan]
) -> None:
    take(home, inbox, now, ann(0))
    rotate(home, now + HOUR)
    assert destroy_unused(home, now) == [], "it waits in the inbox"
    take(home, inbox, now + 2 * HOUR, ann(1))
    roll_all(inbox, lake)
    assert destroy_unused(home, now) == [], "it is in the lake"
    later = now + timedelta(days=40)
    assert retention.apply(home, Keeping(days=90), later) == []
    assert len(keys.secrets_of(home.keys)) == 2
    (old, _) = keys.ring(home.keys)
    held = Keeping(days=30, held=frozenset({f"{1:032x}"}))
    retention.apply(home, held, later)
    _emptied(inbox, lake)
    assert keys.secrets_of(home.keys)[0] == old.secret, "a held row still needs it"
    retention.apply(home, Keeping(days=30), later)
    assert old.secret not in keys.secrets_of(home.keys)
    assert not any(old.secret in path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert rotations(home.keys) == (old.until_us,), "that there was one is still known"
    assert [e["key"] for e in journal.entries(home) if e["did"] == "key destroyed"] == [old.name]


def _emptied(inbox: Inbox, lake: Lake) -> None:
    """The inbox keeps a roll for one roll more."""
    inbox.delete_to(lake.done_seq(inbox.app_id))


def test_destroying_that_is_killed_half_way_is_done_by_the_next(
    home: Home, inbox: Inbox, now: datetime, ann: Callable[[int], RawSpan]
) -> None:
    take(home, inbox, now)
    rotate(home, now + HOUR)
    (old, _) = keys.ring(home.keys)
    (home.keys / f"fingerprint.until-{old.until_us:017d}.gone").touch()
    assert [key.secret for key in destroy_unused(home, now)] == [old.secret]
    assert destroy_unused(home, now) == []


def test_the_key_in_use_is_never_destroyed(home: Home, inbox: Inbox, now: datetime) -> None:
    take(home, inbox, now)
    assert destroy_unused(home, now) == []
    with pytest.raises(ValueError, match="in use"):
        keys.destroy(home.keys, keys.ring(home.keys)[-1])


def test_keys_have_names_that_tell_them_apart_and_give_nothing_away(home: Home, inbox: Inbox, now: datetime) -> None:
    take(home, inbox, now)
    rotate(home, now)
    names = [key.name for key in keys.ring(home.keys)]
    assert len({*names}) == 2
    assert not any(name in secret.hex() for name in names for secret in keys.secrets_of(home.keys))
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.keys.iterdir())


def test_the_doctor_says_which_old_keys_are_kept_and_which_are_missed(
    home: Home, inbox: Inbox, now: datetime, ann: Callable[[int], RawSpan]
) -> None:
    take(home, inbox, now, ann(0))
    rotate(home, now + HOUR)
    (old, _) = keys.ring(home.keys)
    (said,) = [f for f in check(home) if f.what.startswith("keys:")]
    assert said.ok
    assert f"{old.name} was in use until 2026-11-20T13:00:00" in said.what
    keys.destroy(home.keys, old)
    (said,) = [f for f in check(home) if f.what.startswith("keys:")]
    assert not said.ok
    assert "hashed with a key that is gone" in said.what


STEPS = st.lists(
    st.sampled_from(["take", "take", "roll", "rotate", "rotate", "housekeeping", "clock back", "days pass", "cut off"]),
    min_size=3,
    max_size=10,
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_the_key_of_a_row_can_be_found_for_as_long_as_the_row_lives(steps: list[str]) -> None:
    from tests.tracing.conftest import _span

    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder)).create()
        lake = Lake(home.lake)
        with Inbox(home.inbox) as inbox:
            take(home, inbox, now)  # makes the key
            for number, step in enumerate(steps):
                now += timedelta(minutes=1)
                if step == "take":
                    start = int(now.timestamp()) * 10**9
                    spans = [_span(number, {"user.id": ANN}, start_ns=start, end_ns=start + 10**6)]
                    take(home, inbox, now, *spans)
                elif step == "roll":
                    roll_all(inbox, lake)
                    _emptied(inbox, lake) if lake.exists() else None
                elif step == "rotate":
                    rotate(home, now)
                elif step == "housekeeping" and lake.exists():
                    retention.apply(home, Keeping(days=1), now)
                elif step == "clock back":
                    now -= HOUR
                elif step == "days pass":
                    now += timedelta(days=3)
                elif step == "cut off":
                    with pytest.raises(KeyboardInterrupt):
                        rotate(home, now, _cut_off)
                found = rows(home, inbox, lake)
                assert every_key_is_found(home, found), (step, [moment(k.since_us) for k in keys.ring(home.keys)])


def _cut_off(step: str) -> None:
    if step == "kept":
        raise KeyboardInterrupt


# -- a key that is gone --------------------------------------------------------------------------------


@pytest.mark.parametrize("rolled", [True, False])
def test_a_key_that_is_gone_is_said_and_nobody_is_told_that_a_person_is_not_there(
    home: Home, inbox: Inbox, span: Span, lake: Lake, now: datetime, caplog: pytest.LogCaptureFixture, rolled: bool
) -> None:
    take(home, inbox, now, span(0, {"user.id": ANN}))
    in_lake = names_of(home, None, ANN)[1]
    if rolled:
        roll_all(inbox, lake)
        inbox.delete_to(inbox.last_seq())
    backup = (home.keys / FILE).read_bytes()
    shutil.rmtree(home.keys)

    def wrong() -> list[str]:
        return [f"{finding.what}: {finding.do}" for finding in check(home) if not finding.ok]

    assert [("is gone" in line, "put keys/ back from a backup" in line) for line in wrong()] == [(True, True)]
    for who in (("user", ANN), ("user_key", "0123456789abcdef")):
        with pytest.raises(UsageError, match=r"is gone.*put keys/ back from a backup"):
            names_of(home, **{"user": None, "user_key": None} | dict([who]))
    assert names_of(home, in_lake, None) == (in_lake,)
    assert not home.keys.exists(), "looking makes no key"

    take(home, inbox, now + HOUR, span(1, {"user.id": ANN}))
    assert [r.getMessage() for r in caplog.records if "is gone" in r.getMessage()] != []
    assert len(wrong()) == 1, "a new key does not hide that the old one is gone"
    with pytest.raises(UsageError, match="is gone"):
        names_of(home, None, ANN)
    ended(home.keys, rotations(home.keys)[0]).write_bytes(backup)
    for path in home.keys.iterdir():
        path.chmod(0o600)
    assert wrong() == []
    assert find(home, names_of(home, None, ANN), now).spans == 2


def test_a_new_home_makes_its_key_without_a_word(
    home: Home, inbox: Inbox, span: Span, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    assert names_of(home, None, ANN) == (ANN,)
    take(home, inbox, now, span(0))
    assert (caplog.records, rotations(home.keys)) == ([], ())
