"""What the monitors remember between two runs: small, plain JSON, committed together with the edits it led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from syscard.finding import Finding, State
from syscard.live import HISTORY
from syscard_monitors.answers import Came, body_of, read_answers
from syscard_monitors.assemble import Frontier, micros
from syscard_monitors.burn import Bins, budgets_body, read_budgets
from syscard_monitors.edetector import Detector, read_detector
from syscard_monitors.gathering import Gathered, read_gathered
from syscard_monitors.judge import Streak
from syscard_monitors.parts import Reach
from syscard_monitors.reach import Reached, read_reached
from syscard_monitors.risks.verdicts import Standing, read_standing
from syscard_monitors.skew import Skews
from syscard_monitors.vectors import Seen
from syscard_monitors.versions import Remembered, Sighting

FORMAT: Final = 1
START: Final = Frontier()


@dataclass
class Memory:
    """The monitors' state of one system."""

    frontier: Frontier = START
    windows: int = 0
    requests: int = 0
    orphans: int = 0
    late: int = 0
    watermark_us: int = 0
    newest_us: int = 0
    """Start of the newest span that was looked at."""
    received_us: int = 0
    """Newest received time that was looked at."""
    floor_us: int = 0
    """Before this there is nothing but spans that belong to no request."""
    baseline: str | None = None
    """Digest of the baseline that the last window was compared with."""
    rebaselined: list[int] = field(default_factory=list)
    """Incidents that were open when the baseline changed: being quiet now proves nothing for them."""
    pace_us: int = 0
    """Between the ends of the last two windows."""
    starts: list[int] = field(default_factory=list)
    """Of the newest windows: where their requests are found again."""
    detecting: str = ""
    """Digest of the baseline that the detectors know."""
    detectors: dict[str, Detector] = field(default_factory=dict)
    """What e-detectors have seen, by signal."""
    withheld: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """(stratum, cell) of values beyond the tolerance, which detectors learn when that is over, by signal."""
    budgets: dict[str, tuple[Bins, ...]] = field(default_factory=dict)
    """What error budgets were spent, by promise."""
    streaks: dict[str, Streak] = field(default_factory=dict)
    pending: dict[str, list[Any]] = field(default_factory=dict)
    """(value, stratum) in the windows beyond the tolerance that wait for one more, by signal."""
    waiting: dict[str, Gathered] = field(default_factory=dict)
    """What waits for the next look of signals that are looked at over several windows together."""
    kept: dict[str, Finding] = field(default_factory=dict)
    """What the last look at them found: that stands until the next."""
    risks: dict[str, Standing] = field(default_factory=dict)
    """What the newest assessments found, by risk and place."""
    risks_against: str = ""
    """Digest of the baseline that they were made against."""
    risks_told: str | None = None
    """Digest of the baseline whose thresholds stand in an edit; None before the first."""
    risk_findings: dict[str, Finding] = field(default_factory=dict)
    """What stands of risks until the next assessment, by key."""
    history: dict[str, list[float | None]] = field(default_factory=dict)
    vectors: dict[str, list[Seen]] = field(default_factory=dict)
    """The newest vectors, by signal."""
    violating: dict[str, dict[str, int]] = field(default_factory=dict)
    quiet: dict[int, int] = field(default_factory=dict)
    answers: dict[str, Came] = field(default_factory=dict)
    """What came of the newest requests of which it is known."""
    reached: dict[int, Reached] = field(default_factory=dict)
    """How far each live incident reaches."""
    reach: dict[str, Reach] = field(default_factory=dict)
    """How many requests have come to each component on the card, and have shown each edge."""
    tracing: list[dict[str, float]] = field(default_factory=list)
    """Counts of tracing health, by window."""
    skew: list[Skews] = field(default_factory=list)
    """Clock skew by pair of services, by window."""
    versions: Remembered = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    """Some of the requests seen, `trace/root` -> start, to know ids again that come anew."""

    def remember(self, finding: Finding, count: int) -> None:
        """What a finding adds to its streak and history; `count` windows running it has been off now."""
        before, start = self.streaks.get(finding.key, Streak()), micros(finding.window.start)
        stayed = before.state is finding.state and before.state_since_us
        self.streaks[finding.key] = Streak(
            windows=count,
            since_us=before.since_us if before.windows and count else start,
            state=finding.state,
            state_since_us=before.state_since_us if stayed else start,
        )
        value = None if finding.value is None else float(f"{finding.value:.6g}")
        self.history[finding.key] = [*self.history.get(finding.key, []), value][-HISTORY:]

    def body(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "format": FORMAT,
            "frontier": [self.frontier.end_us, self.frontier.request],
            "windows": self.windows,
            "requests": self.requests,
            "orphans": self.orphans,
            "late": self.late,
            "watermark_us": self.watermark_us,
            "newest_us": self.newest_us,
            "received_us": self.received_us,
            "floor_us": self.floor_us,
            "baseline": self.baseline,
            "rebaselined": self.rebaselined,
            "pace_us": self.pace_us,
            "starts": self.starts,
            "detecting": self.detecting,
            "detectors": {key: detector.body() for key, detector in self.detectors.items()},
            "withheld": {key: [list(one) for one in found] for key, found in self.withheld.items()},
            "budgets": budgets_body(self.budgets),
            "streaks": {k: [s.windows, s.since_us, s.state, s.state_since_us] for k, s in self.streaks.items()},
            "pending": self.pending,
            "waiting": {key: found.body() for key, found in self.waiting.items()},
            "kept": {key: found.model_dump(mode="json") for key, found in self.kept.items()},
            "risks": {name: standing.body() for name, standing in self.risks.items()},
            "risks_against": self.risks_against,
            "risks_told": self.risks_told,
            "risk_findings": [found.model_dump(mode="json") for found in self.risk_findings.values()],
            "history": self.history,
            "vectors": {key: [[s.by, s.stratum, list(s.vector)] for s in found] for key, found in self.vectors.items()},
            "violating": self.violating,
            "quiet": {str(k): v for k, v in self.quiet.items()},
            "answers": body_of(self.answers),
            "reached": {str(k): r.body() for k, r in self.reached.items()},
            "reach": {ref: list(reach) for ref, reach in self.reach.items()},
            "tracing": self.tracing,
            "skew": self.skew,
            "versions": self.versions,
            "ids": self.ids,
        }


def recall(body: Mapping[str, Any]) -> Memory:
    """Memory from its JSON form; an empty one where there is none."""
    if not body:
        return Memory()
    return Memory(
        frontier=Frontier(*body["frontier"]),
        windows=body["windows"],
        requests=body["requests"],
        orphans=body["orphans"],
        late=body["late"],
        watermark_us=body["watermark_us"],
        newest_us=body["newest_us"],
        received_us=body["received_us"],
        floor_us=body["floor_us"],
        baseline=body["baseline"],
        rebaselined=list(body["rebaselined"]),
        pace_us=body.get("pace_us", 0),  # earlier releases had none
        starts=list(body.get("starts", ())),  # likewise
        detecting=body.get("detecting", ""),
        detectors={key: read_detector(known) for key, known in body.get("detectors", {}).items()},
        withheld={key: [(stratum, cell) for stratum, cell in found] for key, found in body.get("withheld", {}).items()},
        budgets=read_budgets(body.get("budgets", {})),
        streaks={k: Streak(w, since, State(state), at) for k, (w, since, state, at) in body["streaks"].items()},
        pending=dict(body["pending"]) if "detectors" in body else {},  # earlier releases kept no strata
        waiting={key: read_gathered(found) for key, found in body.get("waiting", {}).items()},
        kept={key: Finding.model_validate(found) for key, found in body.get("kept", {}).items()},
        risks={name: read_standing(known) for name, known in body.get("risks", {}).items()},  # likewise
        risks_against=body.get("risks_against", ""),
        risks_told=body.get("risks_told"),
        risk_findings={f.key: f for f in map(Finding.model_validate, body.get("risk_findings", ()))},
        history=dict(body["history"]),
        vectors={
            key: [Seen(by, stratum, tuple(vector)) for by, stratum, vector in found]
            for key, found in body.get("vectors", {}).items()
        },
        violating=dict(body["violating"]),
        quiet={int(k): v for k, v in body["quiet"].items()},
        answers=read_answers(body.get("answers", {})),  # earlier releases had none
        reached={int(k): read_reached(r) for k, r in body.get("reached", {}).items()},  # earlier releases had none
        reach={ref: Reach(*counts) for ref, counts in body.get("reach", {}).items()},  # earlier releases had none
        tracing=list(body.get("tracing", ())),  # likewise
        skew=list(body.get("skew", ())),
        versions={
            ref: {what: {v: Sighting(*seen) for v, seen in values.items()} for what, values in signals.items()}
            for ref, signals in body.get("versions", {}).items()
        },
        ids=dict(body.get("ids", {})),
    )
