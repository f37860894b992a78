"""Who tells: decisions and messages in one transaction, each message once, and the faces know of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard import edits as e
from syscard.clock import ReplayClock
from syscard.declare import declaring
from syscard.errors import MonitorError, RecordsError
from syscard.health import watcher_line
from syscard.live import Live, NoticesNow, RestartNow, WatcherNow
from syscard.notification import LOST_AFTER, WAITS
from syscard.records.notifications import notifications
from syscard.records.store import Records
from syscard_monitors.notify.jobs import Job, Result
from syscard_monitors.notify.notifier import LEASE_FOR, Notifier
from syscard_monitors.notify.pulse import Pulse
from syscard_monitors.notify.targets import Addresses, Target
from syscard_monitors.notify.watching import DEAD_AFTER, WELL_FOR
from tests.hooks import Hook, hooked
from tests.unit.build import GATE, HUMAN, NOW, declared, draft, opening

WAIT = timedelta(seconds=30)
TARGETS = (Target("json://a/...", "json://a/s3cret"), Target("json://b/...", "json://b/s3cret"))


class Post:
    """Delivers nothing, and keeps what it was asked to."""

    def __init__(self, *results: Result) -> None:
        self.jobs: list[Job] = []
        self.results = list(results)

    def __call__(self, job: Job) -> Result:
        self.jobs.append(job)
        return self.results.pop(0) if self.results else Result("sent")

    @property
    def titles(self) -> list[str]:
        return [job.title for job in self.jobs]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def records(file: Path) -> Iterator[Records]:
    with closing(Records.open(file, GATE)) as opened:
        declare(opened)
        yield opened


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(NOW)


def declare(records: Records, **notify: Any) -> None:
    monitors = {"packs": [], "notify": notify} if notify else {"packs": []}
    with records.transaction() as transaction:
        card, _ = transaction.newest("shop")
        drafts = declaring(card, declared(monitors=monitors), HUMAN, NOW)
        transaction.append("shop", drafts, cause="apply", recorded=NOW)


def change(records: Records, *bodies: e.Body) -> None:
    with records.transaction() as transaction:
        transaction.append("shop", [draft(body) for body in bodies], cause="window", recorded=NOW)


def looked(records: Records, clock: ReplayClock, **watcher: Any) -> None:
    """The monitors have just looked."""
    with records.transaction() as transaction:
        now = WatcherNow(last_run=clock(), last_span=clock(), **watcher)
        live = Live(as_of=clock(), watcher=now).after(transaction.live("shop"), groups=False)
        transaction.append("shop", [], cause="look", recorded=clock(), live=live)


def notifier(records: Records, clock: ReplayClock, post: Post, owner: str = "me") -> Notifier:
    return Notifier(records, TARGETS, clock, owner, post)


def watcher_of(records: Records) -> dict[str, Any]:
    live = records.live("shop")
    assert live is not None
    return live.watcher.model_dump(mode="json")


def states(records: Records) -> list[str]:
    return [one.state for one in notifications(records, "shop")]


def test_an_incident_is_told_to_every_target_once(records: Records, clock: ReplayClock) -> None:
    post = Post()
    teller = notifier(records, clock, post)
    teller.look()
    change(records, opening(severity="page"))
    for _ in range(10):
        looked(records, clock)
        teller.look()
        clock.advance(WAIT)
    assert sorted(job.url for job in post.jobs) == ["json://a/s3cret", "json://b/s3cret"]
    assert {job.severity for job in post.jobs} == {"page"}
    assert states(records) == ["sent", "sent"]


def test_nothing_of_an_address_is_in_the_records(records: Records, clock: ReplayClock, file: Path) -> None:
    change(records, opening(severity="page"))
    teller = notifier(records, clock, Post(Result("failed", "refused with 500")))
    for _ in range(3):
        teller.look()
        clock.advance(WAIT)
    records.close()
    written = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"json://a/..." in written
    assert b"s3cret" not in written


def test_a_failure_is_tried_again_and_stands_on_the_watchers_line_until_it_is_delivered(
    records: Records, clock: ReplayClock
) -> None:
    post = Post(Result("failed", "refused with 500"), Result("sent"), Result("sent"))
    teller = notifier(records, clock, post)
    looked(records, clock)
    change(records, opening(severity="page"))
    teller.look()
    clock.advance(WAIT)
    teller.look()
    looked(records, clock)
    line = watcher_line(watcher_of(records), clock())[1]
    assert "1 MESSAGE NOT DELIVERED (json://" in line
    assert "refused with 500" in line
    clock.advance(WAITS[0])
    teller.look()
    looked(records, clock)
    assert len(post.jobs) == 3
    assert "NOT DELIVERED" not in watcher_line(watcher_of(records), clock())[1]


def test_who_is_killed_between_sending_and_marking_leaves_it_perhaps_delivered(
    records: Records, clock: ReplayClock
) -> None:
    class Killed(Exception):
        pass

    class Deadly(Post):
        def __call__(self, job: Job) -> Result:
            super().__call__(job)
            raise Killed

    change(records, opening(severity="page"))
    deadly, post = Deadly(), Post()
    dying = notifier(records, clock, deadly)
    dying.look()
    clock.advance(WAIT)
    with pytest.raises(Killed):
        dying.look()
    clock.advance(LEASE_FOR + LOST_AFTER)
    looked(records, clock)
    notifier(records, clock, post, "next").look()
    told = {job.url for job in deadly.jobs} | {job.url for job in post.jobs}
    assert len(deadly.jobs) + len(post.jobs) == len(told) == 2
    assert sorted(states(records)) == ["perhaps", "sent"]


def test_two_processes_at_once_tell_once(records: Records, clock: ReplayClock, file: Path) -> None:
    with closing(Records.open(file, GATE)) as others:
        first, second = Post(), Post()
        one, two = notifier(records, clock, first, "one"), notifier(others, clock, second, "two")
        change(records, opening(severity="page"))
        for _ in range(4):
            one.look()
            two.look()
            clock.advance(WAIT)
        assert (len(first.jobs), len(second.jobs)) == (2, 0)
        one.close()
        change(records, opening(2, "cf", severity="page"))
        two.look()
        clock.advance(timedelta(minutes=6))
        looked(records, clock)
        two.look()
        assert len(second.jobs) == 2


def test_even_without_the_lease_no_message_is_sent_by_both(records: Records, clock: ReplayClock, file: Path) -> None:
    """The lease is for order; that a message is taken once is the outbox's business."""
    with closing(Records.open(file, GATE)) as others:
        post = Post()
        one, two = notifier(records, clock, post, "same"), notifier(others, clock, post, "same")
        change(records, opening(severity="page"))
        for _ in range(4):
            one.decide("shop")
            two.decide("shop")
            one.look()
            two.look()
            clock.advance(WAIT)
        assert len(post.jobs) == 2


def test_the_budget_stands_on_the_watchers_line_until_the_digest(records: Records, clock: ReplayClock) -> None:
    declare(records, budget={"at_most": 1, "per": "1d"}, repeat="7d")
    post = Post()
    teller = notifier(records, clock, post)
    looked(records, clock)
    teller.look()
    change(records, opening(1, "llm", severity="page"), opening(2, "cf", severity="page"))
    teller.look()
    clock.advance(WAIT)
    teller.look()
    looked(records, clock)
    said = "MESSAGE BUDGET USED UP: 1 incident waits for the digest"
    assert said in watcher_line(watcher_of(records), clock())[1]
    clock.advance(timedelta(days=1))
    looked(records, clock)
    teller.look()
    assert said not in watcher_line(watcher_of(records), clock())[1]
    assert "digest" in post.titles[-1]


def test_that_the_monitors_are_dead_is_told_once_and_that_they_are_back_once(
    records: Records, clock: ReplayClock
) -> None:
    post = Post()
    teller = notifier(records, clock, post)
    looked(records, clock)
    teller.look()
    for _ in range(5):
        clock.advance(DEAD_AFTER)
        teller.look()
    assert len(post.jobs) == len(TARGETS)
    assert post.titles[0].startswith("(shop) NOT WATCHED: the monitors have not looked for")
    for _ in range(5):
        looked(records, clock)
        teller.look()
        clock.advance(WELL_FOR / 2)
    assert [title for title in post.titles if "watched again" in title] == ["(shop) watched again"] * len(TARGETS)


def test_a_notice_survives_the_looks_of_the_monitors_and_restarts_survive_a_notice(
    records: Records, clock: ReplayClock
) -> None:
    looked(records, clock)
    with records.transaction() as transaction:
        live = transaction.live("shop")
        assert live is not None
        watcher = live.watcher.model_copy(
            update={"restarts": (RestartNow(at=NOW, why="x"),), "notices": NoticesNow(sent=3)}
        )
        transaction.append("shop", [], cause="x", recorded=NOW, live=live.model_copy(update={"watcher": watcher}))
    looked(records, clock)
    assert watcher_of(records)["notices"]["sent"] == 3
    assert len(watcher_of(records)["restarts"]) == 1


def test_a_look_that_finds_nothing_new_writes_no_view(records: Records, clock: ReplayClock, file: Path) -> None:
    from syscard.views import version_stamp

    teller = notifier(records, clock, Post())
    looked(records, clock)
    teller.look()
    before = version_stamp(file)
    for _ in range(5):
        teller.look()
    assert version_stamp(file) == before


def test_a_system_that_cannot_be_read_does_not_silence_the_others(records: Records, clock: ReplayClock) -> None:
    post = Post()
    teller = notifier(records, clock, post)
    change(records, opening(severity="page"))
    body = e.Declare(section="monitors", ref="a-broken-one", body={"notify": {"of a later": "release"}})
    with records.transaction() as transaction:
        transaction.append("a-broken-one", [draft(body)], cause="apply", recorded=NOW)
    for _ in range(2):
        with pytest.raises(MonitorError, match="nobody is told of a-broken-one: ValidationError"):
            teller.look()
        clock.advance(WAIT)
    assert len(post.jobs) == len(TARGETS)


def test_a_system_that_cannot_be_read_takes_the_sign_of_life_and_leaves_the_alerts_of_the_others(
    records: Records, clock: ReplayClock
) -> None:
    post = Post()
    beats = pulse(records, clock, post)
    change(records, opening(severity="page"))
    looked(records, clock)
    body = e.Declare(section="monitors", ref="a-broken-one", body={"notify": {"of a later": "release"}})
    with records.transaction() as transaction:
        transaction.append("a-broken-one", [draft(body)], cause="apply", recorded=NOW)
    with pytest.raises(MonitorError, match="how it is with a-broken-one: ValidationError"):
        beats.look()
    assert [(job.do, "INC-1" in job.body) for job in post.jobs] == [("post", True)]


def test_nobody_to_tell_is_no_work(records: Records, clock: ReplayClock) -> None:
    change(records, opening(severity="page"))
    nobody = Notifier(records, (), clock, "me", Post())
    clock.advance(timedelta(days=2))
    assert nobody.look() == 0
    assert states(records) == []


def test_records_that_refuse_send_nothing(records: Records, clock: ReplayClock, file: Path) -> None:
    post = Post()
    teller = notifier(records, clock, post)
    change(records, opening(severity="page"))
    teller.look()
    clock.advance(WAIT)
    file.chmod(0o400)
    records.close()
    for beside in file.parent.glob("records.db-*"):
        beside.unlink()
    file.write_bytes(b"no database at all, and long enough to be read as the header of one " * 20)
    with pytest.raises(RecordsError):
        teller.look()
    assert post.jobs == []


# ------------------------------------------------------------------------------------- signs of life, and Alertmanager


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as opened:
        yield opened


def pulse(records: Records, clock: ReplayClock, post: Post | None = None, hook: Hook | None = None) -> Pulse:
    url = hook.http() if hook else "http://x"
    addresses = Addresses(
        heartbeat=Target("http://x/...", f"{url}/beat"), alertmanager=Target("http://y/...", f"{url}/am/")
    )
    return Pulse(records, addresses, clock, post) if post else Pulse(records, addresses, clock)


def test_a_sign_of_life_is_sent_while_the_monitors_live_and_not_when_they_are_dead(
    records: Records, clock: ReplayClock
) -> None:
    post = Post()
    beats = pulse(records, clock, post)
    looked(records, clock)
    beats.look()
    assert [job.do for job in post.jobs] == ["get"]
    clock.advance(DEAD_AFTER + timedelta(seconds=1))
    beats.look()
    assert len(post.jobs) == 1
    looked(records, clock)
    beats.look()
    assert len(post.jobs) == 2


def test_an_alertmanager_is_sent_open_incidents_again_and_again_and_their_end(
    records: Records, clock: ReplayClock, hook: Hook
) -> None:
    beats = pulse(records, clock, hook=hook)
    assert [beat.result for beat in beats.look()] == [Result("sent")]  # a sign of life, and no empty list of alerts
    change(records, opening(3, severity="page"))
    for _ in range(2):
        clock.advance(timedelta(minutes=1))
        beats.look()
    change(records, e.MoveIncident(number=3, state="resolved", resolution="fixed"))
    clock.advance(timedelta(minutes=1))
    beats.look()
    posts = [one for one in hook.got if one.method == "POST"]
    assert {one.path for one in posts} == {"/am/api/v2/alerts"}
    assert [one.document[0]["labels"]["incident"] for one in posts] == ["INC-3"] * 3
    ends = [one.document[0]["endsAt"] for one in posts]
    assert ends == ["2026-11-22T14:05:00Z", "2026-11-22T14:06:00Z", "2026-11-22T14:03:00Z"]
