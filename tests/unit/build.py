"""Small systems, edits and histories to test with, made the way the project makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from syscard import edits as e
from syscard import incident_edits as ie
from syscard.approvals import Approve
from syscard.gate_runs import GateCheck, RunGate
from syscard.gates import Policy, read_policy
from syscard.system import System
from syscard.waivers import RevokeWaiver, Waive

NOW: Final = datetime(2026, 11, 22, 14, tzinfo=UTC)
HUMAN: Final = e.Author(kind=e.AuthorKind.HUMAN, name="mara")
MONITOR: Final = e.Author(kind=e.AuthorKind.MONITOR, name="watch")
GATE: Final = read_policy(
    """
stage: promote
rules:
  - {id: broken, says: claims broken, metric: claims_broken, op: "<=", threshold: 0}
  - {id: open, says: incidents open, metric: incidents_open, op: "<=", threshold: 0}
""",
    "gate.yaml",
)
_SPARE: Final = ("c0", "c1", "c2")


def policy(metric: str, op: str = "<=", threshold: float = 0, **changes: Any) -> Policy:
    """A policy of one rule."""
    rule = {"id": "r", "says": "it", "metric": metric, "op": op, "threshold": threshold, **changes}
    return Policy.model_validate({"stage": "promote", "rules": [rule]})


def claim(ref: str = "grounded", **changes: Any) -> dict[str, Any]:
    """A claim as system.yaml declares it."""
    plain = {
        "id": ref,
        "says": "Reasons are grounded.",
        "about": "llm",
        "metric": "share(llm.grounded)",
        "expect": ">= 0.90",
        "window": {"last": "1h", "min_n": 50},
        "valid_for": "1d",
    }
    return plain | changes


def declared(**changes: Any) -> System:
    """cf -> vlm -> llm -> agent, with a claim, a risk and an unknown."""
    kinds = {"cf": "ranking", "vlm": "vision-language", "llm": "llm", "agent": "agent"}
    body: dict[str, Any] = {
        "schema": "syscard/1",
        "system": {
            "ref": "shop",
            "name": "Shop",
            "version": "1.10",
            "owner": {"team": "discovery", "on_call": "#discovery", "accountable": "lead@shop.example"},
            "intended_use": "Suggest products.",
            "users": ["shoppers"],
            "out_of_scope": ["advice"],
            "limitations": ["Reasons may be wrong."],
            "oversight": "Merchandising can switch it off.",
            "review": {"every": "90d", "next": "2027-02-01"},
        },
        "traces": {"select": {"service.name": "shop"}, "segments": {"age_band": "syscard.user.segment"}},
        "components": {
            ref: {"kind": kind, "owner": "discovery", "select": {"syscard.component": ref}}
            for ref, kind in kinds.items()
        },
        "interactions": {"cf->vlm": {"order": "before"}, "vlm->llm": {"order": "before"}, "llm->agent": {}},
        "monitors": {"packs": []},
        "claims": [claim()],
        "risks": [
            {
                "id": "R-1",
                "about": "vlm->llm",
                "says": "A wrong reading becomes a wrong reason.",
                "owner": "discovery",
                "treatment": "mitigate",
                "watch": ["grounded"],
            }
        ],
        "unknowns": [{"id": "U-1", "says": "Second language.", "owner": "discovery", "answer_by": "2027-01-15"}],
    }
    return System.model_validate({**body, **changes})


def draft(body: e.Body, *, minute: int = 0, author: e.Author = MONITOR) -> e.Draft:
    """A body as a draft, observed some minutes after noon."""
    return e.Draft(body=body, author=author, observed=NOW + timedelta(minutes=minute))


def chained(batches: Sequence[Sequence[e.Draft]], *, recorded: datetime = NOW) -> tuple[e.Edit, ...]:
    """Batches of drafts as one chain, a version a batch."""
    edits: list[e.Edit] = []
    for number, batch in enumerate(batches):
        head = edits[-1] if edits else None
        edits += e.chain(batch, head=head, cause=f"batch {number}", recorded=recorded + timedelta(seconds=number))
    return tuple(edits)


def component(ref: str = "llm", body: dict[str, Any] | None = None) -> e.Declare:
    """A component is declared."""
    return e.Declare(section="component", ref=ref, body=body or {"kind": "llm", "owner": "discovery"})


def evidence(value: float = 0.5, about: str = "llm", n: int = 40) -> e.AddEvidence:
    """A figure."""
    return e.AddEvidence(
        about=about, metric="grounded", value=value, n=n, window_start=NOW - timedelta(hours=1), window_end=NOW
    )


def member(key: str = "llm.grounded", evidence_digest: str = "0" * 64) -> e.IncidentFinding:
    """A signal of an incident."""
    about, _, label = key.rpartition(".")
    return e.IncidentFinding(
        key=key, about=about, label=label, reference=0.9, value=0.3, n=40, evidence=evidence_digest
    )


def opening(number: int = 1, subject: str = "llm", **changes: Any) -> e.OpenIncident:
    """An incident opens."""
    body: dict[str, Any] = {
        "number": number,
        "fingerprint": "f" * 16,
        "group": f"shop/{subject}",
        "subject": subject,
        "severity": "ticket",
        "title": f"{subject}: grounded 0.90 -> 0.30",
        "since": NOW,
        "findings": (member(f"{subject}.grounded"),),
    }
    return e.OpenIncident(**{**body, **changes})


def waiving(number: int = 1, **changes: Any) -> Waive:
    """A waiver for thirty days."""
    body: dict[str, Any] = {
        "id": f"W-{number}",
        "rule": "no-broken-claim",
        "scope": ("grounded",),
        "reason_sha256": "a" * 64,
        "control_sha256": "b" * 64,
        "requested_by": "mara",
        "approver": "ines",
        "starts": NOW,
        "expires": NOW + timedelta(days=30),
    }
    return Waive(**{**body, **changes})


def running(**changes: Any) -> RunGate:
    """A gate was asked and is blocked."""
    check = GateCheck(rule="fair", outcome="failed", value=1.6, op="<=", threshold=1.25, items=("fair",))
    body: dict[str, Any] = {"stage": "promote", "blocked": True, "policy": "a" * 64, "input": "b" * 64}
    return RunGate(**{**body, "engine": "python", "checks": (check,), **changes})


_figures = st.floats(min_value=-1e6, max_value=1e6) | st.integers(-1000, 1000).map(float)
_words = st.text(max_size=12)
_refs = st.sampled_from(_SPARE)


def _slices() -> st.SearchStrategy[tuple[e.SliceStatus, ...]]:
    status = st.sampled_from(("holds", "broken", "unknown", "stale"))
    one = st.builds(e.SliceStatus, status=status, value=st.none() | _figures, n=st.integers(0, 500), why=_words)
    return one.map(lambda s: (s,))


_FREE: Final[tuple[st.SearchStrategy[e.Body], ...]] = (
    st.builds(
        e.Declare,
        section=st.sampled_from(("component", "claim", "risk", "unknown")),
        ref=_refs,
        body=st.none() | st.fixed_dictionaries({"owner": _words, "about": _refs}),
    ),
    st.builds(
        e.Declare,
        section=st.sampled_from(("system", "traces", "monitors")),
        ref=st.just("shop"),
        body=st.fixed_dictionaries({"name": _words}),
    ),
    st.builds(evidence, value=_figures, about=_refs, n=st.integers(0, 500)),
    st.builds(e.SetClaim, claim=_refs, slices=_slices()),
    st.builds(e.SetPart, ref=_refs, state=st.sampled_from(("ok", "broken", "inherited", "unknown")), why=_words),
    st.builds(
        e.Observe,
        what=st.sampled_from(("component", "version", "model", "prompt")),
        ref=_refs,
        value=_words,
        evidence_class=st.just("span"),
        traces=st.integers(1, 99),
        declared=st.booleans(),
    ),
    st.builds(
        e.Observe,
        what=st.just("edge"),
        ref=st.sampled_from(("c0->c1", "c1->c2", "c2->c0")),
        value=_words,
        evidence_class=st.sampled_from(("link", "value", "order")),
        traces=st.integers(1, 99),
        declared=st.booleans(),
    ),
    st.builds(e.RiskSeen, risk=_refs, incident=st.integers(1, 3), says=_words),
    st.builds(lambda hours: silence(hours=hours), st.integers(1, 2000)),
    st.builds(lambda number, refs: waiving(number, scope=refs), st.integers(1, 3), st.lists(_refs).map(tuple)),
    st.builds(RevokeWaiver, id=st.sampled_from(("W-1", "W-2"))),
    st.builds(
        Approve,
        role=st.sampled_from(("owner", "legal")),
        decision=st.sampled_from(("approve", "reject")),
        over=st.just("a" * 64),
        version=st.just(1),
        material=st.just("b" * 64),
    ),
    st.builds(lambda stage: running(stage=stage), st.sampled_from(("promote", "release"))),
)


def _about_incident(number: int) -> st.SearchStrategy[e.Body]:
    """What can be said of an incident that is there."""
    moves = ("open", "acknowledged", "mitigating", "resolved", "reviewed", "false_positive", "accepted_risk")
    severity = st.sampled_from(("page", "ticket", "note"))
    reach = st.builds(ie.Impact, requests=st.integers(1, 500), of=st.integers(500, 900))
    return st.one_of(
        st.builds(e.MoveIncident, number=st.just(number), state=st.sampled_from(moves)),
        st.builds(e.NoteOnIncident, number=st.just(number), text_sha256=st.just("a" * 64)),
        st.builds(
            e.ReportOnIncident, number=st.just(number), document_sha256=st.just("b" * 64), page_sha256=st.just("c" * 64)
        ),
        st.builds(
            e.ExtendIncident,
            number=st.just(number),
            findings=_refs.map(lambda r: (member(f"{r}.late"),)),
            inherited_by=st.lists(_refs, max_size=2, unique=True).map(tuple),
            severity=severity,
        ),
        st.builds(
            e.ReopenIncident,
            number=st.just(number),
            since=st.just(NOW),
            severity=severity,
            findings=_refs.map(lambda r: (member(f"{r}.late"),)),
        ),
        st.builds(ie.ImpactIncident, number=st.just(number), impact=reach, gathered=st.integers(0, 99)),
        st.builds(ie.AssignIncident, number=st.just(number), owner=st.just("mara")),
        st.builds(ie.SetSeverity, number=st.just(number), severity=severity, text_sha256=st.just("d" * 64)),
        st.builds(ie.HoldIncident, number=st.just(number), transitions=st.integers(4, 9)),
        st.builds(ie.AssessIncident, number=st.just(number), serious=st.just("assess"), regime=st.just("eu_ai_act")),
        st.builds(ie.AttachPostmortem, number=st.just(number), sha256=st.just("e" * 64), name=st.just("postmortem.md")),
        *((st.just(ie.MergeIncident(number=number, into=1)),) if number > 1 else ()),
    )


def silence(ref: str = "S-1", *, hours: float = 2, minute: int = 0, **changes: Any) -> ie.Silence:
    """A silence of the vlm from some minutes after noon on."""
    start = NOW + timedelta(minutes=minute)
    body: dict[str, Any] = {
        "id": ref,
        "matcher": ie.Matcher(about="vlm"),
        "start": start,
        "until": start + timedelta(hours=hours),
        "reason_sha256": "c" * 64,
    }
    return ie.Silence(**{**body, **changes})


@cache
def _next(incidents: int) -> st.SearchStrategy[e.Body]:
    """Any edit that may follow once so many incidents have opened."""
    about = [_about_incident(n) for n in range(1, incidents + 1)]
    return st.one_of(*_FREE, st.builds(opening, number=st.just(incidents + 1), subject=_refs), *about)


@st.composite
def histories(draw: Callable[..., Any], least: int = 1, most: int = 8) -> tuple[tuple[e.Draft, ...], ...]:
    """Batches of edits that may follow each other: what is said of an incident is said after it opened."""
    batches: list[list[e.Draft]] = [[]]
    incidents = 0
    for step in range(draw(st.integers(least, most))):
        if batches[-1] and draw(st.booleans()):
            batches.append([])
        body: e.Body = draw(_next(incidents))
        incidents += isinstance(body, e.OpenIncident)
        batches[-1].append(draft(body, minute=step))
    return tuple(tuple(batch) for batch in batches)
