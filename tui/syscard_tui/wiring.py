"""The composition root: the only place where records, tracing and monitors are put together."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from syscard.clock import Clock, system_clock
from syscard.edits import Author, AuthorKind
from syscard.errors import MissingExtra
from syscard.gates import Policy, read_policy
from syscard.home import Home
from syscard.rotations import rotations
from syscard.steps import At, untold
from syscard.words import one_line
from syscard_configs import names, read_text

if TYPE_CHECKING:
    import polars as pl

    from syscard.live import GroupsNow
    from syscard.records.store import Records
    from syscard.system import System
    from syscard_monitors.drift import DriftWorker
    from syscard_monitors.watch import Watcher
    from syscard_tracing.lake import Lake
    from syscard_tracing.rules import TraceRules


def promote_policy(path: Path | None = None) -> Policy:
    """The gate's policy: a file of the user's, else ours.

    Raises:
        UsageError: the file cannot be read.
        PolicyError: it is no policy; tells everything that is wrong.
    """
    if path is None:
        return read_policy(read_text("gates", "promote.yaml"), "gates/promote.yaml")
    return read_policy(policy_bytes(path), str(path))


def stage_policy(stage: str, path: Path | None = None) -> Policy:
    """The policy of a stage: a file of the user's, else ours.

    Raises:
        UsageError: there is none for the stage, or the file cannot be read.
        PolicyError: it is no policy; tells everything that is wrong.
    """
    from syscard.errors import UsageError

    if path is None and f"{stage}.yaml" not in names("gates"):
        known = ", ".join(name.removesuffix(".yaml") for name in names("gates") if name.endswith(".yaml"))
        raise UsageError(
            f"no policy ships for stage '{one_line(stage)[:60]}', only for {known}: name a file with --policy"
        )
    found = promote_policy(path) if path else read_policy(read_text("gates", f"{stage}.yaml"), f"gates/{stage}.yaml")
    if found.stage != stage:
        raise UsageError(f"the policy is for stage '{found.stage}', not '{stage}': name another with --policy")
    return found


def policy_bytes(path: Path) -> bytes:
    """What stands in a policy's file, as far as it may be read.

    Raises:
        UsageError: it cannot be read.
    """
    from syscard.errors import UsageError
    from syscard.gates.rules import MAX_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{one_line(str(path))}: {error.strerror}: name a policy file with --policy") from error


def author() -> Author:
    """The human at this terminal, by the name that the operating system gives."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = f"uid {os.getuid()}"
    return Author(kind=AuthorKind.HUMAN, name=name)


class House:
    """One home with its rooms, opened when they are needed."""

    def __init__(self, home: Home, clock: Clock = system_clock) -> None:
        self.home = home
        self.clock = clock

    @contextmanager
    def records(self) -> Iterator[Records]:
        """The records, closed afterwards.

        Raises:
            MissingExtra: the server extra is not installed.
            RecordsError: they cannot be opened.
        """
        try:
            from syscard.records.store import Records
        except ImportError as error:
            raise MissingExtra("server", "the records") from error
        records = Records.open(self.home.records, promote_policy())
        try:
            yield records
        finally:
            records.close()

    def scan(self, since: datetime | None) -> pl.LazyFrame:
        """Observations in the lake, from a moment on."""
        return self._scanning()(since)

    def lake(self) -> Callable[[datetime | None], pl.LazyFrame]:
        """Scans of the lake, which must be there or be made.

        Raises:
            LakeError: it cannot be opened.
        """
        return self._scanning()

    def _scanning(self) -> Callable[[datetime | None], pl.LazyFrame]:
        """Scans of one lake that is kept open: opening it takes the longer, the more days it holds."""

        @cache
        def lake() -> Lake:
            from syscard_tracing.roller import open_lake

            return open_lake(self.home)

        return lambda since: lake().scan(since)

    @property
    def packs(self) -> Path:
        """The folder of the home's own packs."""
        return self.home.root / "packs"

    def watcher(self, records: Records, worker: DriftWorker, at: At = untold) -> Watcher:
        """The monitors of this home; `at` is told what they do."""
        try:
            from syscard_monitors.watch import Watcher
        except ImportError as error:
            raise MissingExtra("server", "the monitors") from error
        rotated = partial(rotations, self.home.keys)
        return Watcher(records, self._scanning(), self.clock, worker, packs=self.packs, rotated=rotated, at=at)

    def measure_groups(self, ref: str) -> GroupsNow:
        """What the groups of a system get, compared now.

        Raises:
            MissingExtra: the server extra is not installed.
            UsageError: there are no groups, or nothing has been looked at.
        """
        with self.records() as records:
            try:
                from syscard_monitors.measuring import measure_groups
            except ImportError as error:
                raise MissingExtra("server", "the monitors") from error
            return measure_groups(records, ref, self.home.root / "packs", self.clock())

    def systems(self, records: Records) -> tuple[System, ...]:
        """The declared systems."""
        from syscard.declare import system_of

        return tuple(system_of(records.card(ref)) for ref in records.systems())

    def rules(self, records: Records) -> TraceRules:
        """What the declared systems say of their spans."""
        from syscard_tracing.rules import TraceRules

        return TraceRules.of(self.systems(records))
