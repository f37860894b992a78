"""What the monitors know right now. Live values are monitor state, not edits: they are replaced, never chained."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from syscard.disparity import Amplification, Disparity
from syscard.edits import SliceStatus
from syscard.finding import Sampling, State, Value
from syscard.health import RESTARTED_LATELY

HISTORY = 30
"""Windows that a sparkline shows."""
OTHER_VALUES = "(other values)"
"""Stands for what a component carried beyond the versions, models and prompts that the card names."""


class SignalNow(Value):
    """One signal in its newest closed window."""

    key: str
    about: str
    label: str
    kind: str
    topic: str = ""
    """What it is about (`syscard.blindspots.TOPICS`); empty where the kind says it."""
    state: State
    since: datetime
    """Start of the first window of the run of windows with this state."""
    value: float | None = None
    reference: float | None = None
    unit: str = ""
    n: int = 0
    tolerance: float | None = None
    effect: float | None = None
    method: str | None = None
    one_in: float | None = None
    one_in_needed: float | None = None
    p_value: float | None = None
    threshold: float | None = None
    needs: int | None = None
    why: str = ""
    sampled: Sampling | None = None
    history: tuple[float | None, ...] = ()
    """Values of up to `HISTORY` closed windows, oldest first."""


class CarriedNow(Value):
    """What one part hands to another, found again in what the other was given."""

    what: Literal["ids", "words"]
    made_as: str
    """Field of the part that hands it on: `cf.items`."""
    taken_as: str
    """Field of the part that takes it: `vlm.item.id`."""
    requests: int
    """Requests in which it was found again."""
    things: int
    """Identifiers, or words of their own, that were handed on in all of them."""


MOST_CARRIED: Final = 8
"""Pairs of fields that are named for an edge."""


class PartNow(Value):
    """Traffic of a component or edge over the newest closed windows.

    Latency and errors of an edge are those of the calls by which something is handed on.
    """

    ref: str
    per_minute: float | None = None
    """Requests a minute."""
    error_share: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    requests: int = 0
    last_seen: datetime | None = None
    sampled: Sampling | None = None
    calls: int = 0
    evidence: dict[str, int] = Field(default={}, exclude_if=lambda found: not found)
    """Of an edge: requests that show it, by class of evidence, the strongest first."""
    carries: tuple[CarriedNow, ...] = Field(default=(), exclude_if=lambda found: not found)
    """Of an edge, the most frequent first."""
    silent: Literal["never seen", "no longer seen"] | None = Field(default=None, exclude_if=lambda word: word is None)
    """So many requests went by without it that missing it by chance is improbable."""
    last_shown: datetime | None = Field(default=None, exclude_if=lambda moment: moment is None)
    """End of the last request that reached the component, or showed the edge."""


class VersionNow(Value):
    """One version, model or prompt that calls of a component carried."""

    what: str
    """`version`, `model` or `prompt`."""
    value: str
    first_seen: datetime
    """Event time, as is `last_seen`."""
    last_seen: datetime
    calls: int
    """Calls in closed windows."""


class SkewNow(Value):
    """Calls from one service to another, and how far the skewed ones lie outside their callers' time."""

    caller: str
    called: str
    calls: int
    skewed: int
    """Calls outside by more than is tolerated; the two figures are of these."""
    median_ms: float | None
    largest_ms: float | None


class TracingFigure(Value):
    """One figure of tracing health, over the newest windows."""

    key: str
    says: str
    """What so many of them do: `traces have no root`."""
    of: str
    """What is counted: trace, request, span or call."""
    hint: str
    """What that often comes of."""
    state: Literal["ok", "bad", "unknown"]
    share: float | None
    hits: int
    n: int
    needs: int | None = None
    """Least n, where there are fewer."""
    pairs: tuple[SkewNow, ...] = ()
    """Of clock skew: by pair of services, most skewed calls first."""


class RestartNow(Value):
    """The process of the monitors ended, and was started again."""

    at: datetime
    """By the clock."""
    why: str


MOST_RESTARTS: Final = 60


def restarts_with(known: tuple[RestartNow, ...], restart: RestartNow) -> tuple[RestartNow, ...]:
    """With one more, the oldest first: those that the watcher's line may tell of."""
    return (*(one for one in known if restart.at - one.at < RESTARTED_LATELY), restart)[-MOST_RESTARTS:]


class NoticesNow(Value):
    """How people are told of incidents."""

    held: int = 0
    """Incidents that wait for the digest, as the budget of messages is used up."""
    undelivered: int = 0
    """Messages of the last day that have not arrived, or perhaps not: one a target."""
    why: str = ""
    """What went wrong with the newest of them."""
    sent: int = 0
    """Since the beginning, one a target; as are the next two."""
    failed: int = 0
    perhaps: int = 0


class WatcherNow(Value):
    """The health of the watcher itself: the first line of every face."""

    last_span: datetime | None = None
    """Newest event time in the lake."""
    last_run: datetime | None = None
    """When the monitors last ran, by the clock that was passed in."""
    ran: int = 0
    """Monitors that gave a verdict in the last run."""
    total: int = 0
    errors: tuple[str, ...] = ()
    requests: int = 0
    """Requests in closed windows since the beginning."""
    waiting: int = 0
    """Complete requests that do not fill a window yet."""
    windows: int = 0
    per_minute: float | None = None
    orphans: int = 0
    """Traces that never showed a root."""
    late: int = 0
    """Requests that completed after their window had closed."""
    kept: float | None = None
    """Share of traces that senders kept, where requests say that they are of a sample: rates are biased by it."""
    sampled: Sampling | None = None
    """The same with how they were chosen, over the newest windows."""
    restarts: tuple[RestartNow, ...] = ()
    """Of the monitors' process, the oldest first."""
    notices: NoticesNow | None = None
    """None where nobody is told."""
    snapshots: str = ""
    """Why the newest snapshot that was due could not be taken; empty where it was."""

    @property
    def told_by_others(self) -> dict[str, Any]:
        """What other processes than the monitors' know of."""
        return {"restarts": self.restarts, "notices": self.notices, "snapshots": self.snapshots}


class GroupsNow(Value):
    """What groups of requests get, in the order of the pipeline, as last compared."""

    since: datetime
    as_of: datetime
    tolerated: float
    """Ratio up to which groups count as treated alike."""
    disparities: tuple[Disparity, ...]
    """Each as its evidence holds it, which is older where nothing material has changed since."""
    amplifications: tuple[Amplification, ...] = ()
    """Likewise."""

    @property
    def told(self) -> tuple[Disparity | Amplification, ...]:
        """All of both."""
        return (*self.disparities, *self.amplifications)


class EncoderNow(Value):
    """What makes vectors of a component's answers, in the newest window."""

    by: str
    """Its name, with a digest of the model or the name of the key."""
    vectors: int
    left_out: int
    """What is no vector: not finite, without a length, or no list of numbers."""


class Live(Value):
    """Everything live of one system."""

    as_of: datetime
    watcher: WatcherNow
    parts: dict[str, PartNow] = {}
    signals: dict[str, SignalNow] = {}
    claims: dict[str, tuple[SliceStatus, ...]] = {}
    tracing: tuple[TracingFigure, ...] = ()
    versions: dict[str, tuple[VersionNow, ...]] = {}
    """By component, oldest first."""
    encoders: dict[str, tuple[EncoderNow, ...]] = {}
    """By component, the commonest first; of components whose answers have vectors."""
    groups: GroupsNow | None = None
    """As last measured; None before, and where no segment is declared."""

    def after(self, before: Live | None, *, groups: bool) -> Live:
        """With what no window tells: restarts, who was told, and (`groups`) what groups got when measured."""
        if before is None:
            return self
        watcher = self.watcher.model_copy(update=before.watcher.told_by_others)
        return self.model_copy(update={"watcher": watcher, "groups": before.groups if groups else None})
