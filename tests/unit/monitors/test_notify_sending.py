"""What is sent, by a process of its own to a real server; whatever the server does, it is over in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from syscard_monitors.notify.jobs import Job, Result, read_job, read_result
from syscard_monitors.notify.sending import send
from tests.hooks import Hook, hooked


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as opened:
        yield opened


def nobody() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_message_arrives_as_it_was_written(hook: Hook) -> None:
    assert send(Job("tell", hook.json(), "PAGE <INC-1>", "llm *broke*\n<b>now</b>", "page")) == Result("sent")
    (got,) = hook.got
    assert (got.document["title"], got.document["message"]) == ("PAGE <INC-1>", "llm *broke*\n<b>now</b>")
    assert got.document["type"] == "failure"


def test_what_was_refused_or_reached_nobody_has_certainly_failed(hook: Hook) -> None:
    assert send(Job("tell", hook.json("/bad"), "t", "b")) == Result("failed", "refused with 503")
    assert send(Job("tell", f"json://127.0.0.1:{nobody()}/", "t", "b")) == Result("failed", "it could not be reached")
    assert send(Job("tell", "nope://x", "t", "b")).state == "failed"


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_server_that_never_answers_is_left_and_nobody_knows_whether_it_arrived(hook: Hook, path: str) -> None:
    begun = time.monotonic()
    assert send(Job("tell", hook.json(path), "t", "b"), deadline_s=3) == Result("perhaps", "no answer within 3 s")
    assert time.monotonic() - begun < 30
    assert len(hook.got) == 1


def test_a_request_is_got_or_posted_with_the_password_in_a_header(hook: Hook) -> None:
    url = hook.http("/api").replace("http://", "http://me:pa%20ss@")
    assert send(Job("get", url)) == Result("sent")
    assert send(Job("post", url, body="[1]")) == Result("sent")
    got, posted = hook.got
    assert (got.method, got.path, got.headers["authorization"]) == ("GET", "/api", "Basic bWU6cGEgc3M=")
    assert (posted.method, posted.document, posted.headers["content-type"]) == ("POST", [1], "application/json")


def test_a_request_that_fails_says_why_without_the_address(hook: Hook) -> None:
    assert send(Job("get", hook.http("/bad"))) == Result("failed", "HTTP 503")
    assert send(Job("get", f"http://127.0.0.1:{nobody()}/s3cret")) == Result("failed", "connection refused")
    assert send(Job("post", "http://[bad/s3cret", body="[]")) == Result("perhaps", "ValueError")


def test_jobs_and_results_are_read_as_they_were_written_and_nonsense_tells_nothing() -> None:
    job = Job("tell", "json://x", "t", "b", "page")
    assert read_job(job.line()) == job
    assert "json" not in repr(job)
    with pytest.raises(ValueError, match="no job"):
        read_job('{"do": "tell", "other": 1}')
    for line in ("", "nonsense", '{"x": 1}', "[]"):
        assert read_result(line) == Result("perhaps", "the process that sent it ended without a word")
