"""What the tests of the web share: homes whose records were written as the project writes them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.edits import Draft
from syscard.gates import read_policy
from syscard.records.store import Records
from syscard.views import View
from syscard_configs import read_text
from syscard_web.site import Site
from tests.faces import sample

GATE = read_policy(read_text("gates", "promote.yaml"), "promote.yaml")
TOKEN = "a-token-of-the-tests"
Batches = Iterable[tuple[str, list[Draft]]]


def write(file: Path, system: str, batches: Batches, live: Any = None) -> Path:
    """Records with these versions of a system."""
    with closing(Records.open(file, GATE)) as records, records.transaction() as transaction:
        for cause, drafts in batches:
            texts = (sample.NOTE,) if cause == "monitor" else ()
            transaction.append(system, drafts, cause=cause, recorded=sample.NOW, texts=texts, live=live)
    return file


def replace_view(file: Path, system: str, view: View) -> None:
    """Another view in the place of the one that was folded."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("update view set body = ?, stamp = stamp + 1 where system = ?", (json.dumps(view), system))


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample: four versions, a page is open, two claims broke. Nothing may change it."""
    return write(tmp_path_factory.mktemp("home") / "records.db", "shop-recommender", sample.past(), sample.live())


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems in one home."""
    file = write(tmp_path_factory.mktemp("two") / "records.db", "shop-recommender", sample.past(), sample.live())
    return write(file, "bank", sample.past()[:1])


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, with what an attacker would write wherever there is room for text."""
    file = write(tmp_path_factory.mktemp("hostile") / "records.db", "shop-recommender", sample.past(), sample.live())
    replace_view(file, "shop-recommender", sample.hostile_view())
    return file


@pytest.fixture(scope="session")
def clock() -> ReplayClock:
    """The time of the sample."""
    return ReplayClock(sample.NOW)


@pytest.fixture(scope="session")
def site(records: Path, clock: ReplayClock) -> Site:
    """The site of the sample, for anybody on this machine."""
    return Site(records, None, clock)


@pytest.fixture
def site_of(clock: ReplayClock) -> Callable[..., Site]:
    """A site of other records."""

    def make(file: Path, token: str | None = None) -> Site:
        return Site(file, token, clock)

    return make
