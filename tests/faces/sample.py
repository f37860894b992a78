"""A system with a past, made the way the project makes it: edits, folded, with live values, as one view."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from syscard import edits as e
from syscard.attribution import Attribution, PartVerdict
from syscard.digest import text_digest
from syscard.disparity import Disparity, GroupFigure
from syscard.finding import State
from syscard.fold import fold
from syscard.gates import read_policy
from syscard.incident_edits import AttributeIncident
from syscard.live import (
    GroupsNow,
    Live,
    PartNow,
    SignalNow,
    TracingFigure,
    VersionNow,
    WatcherNow,
)
from syscard.sources import sources
from syscard.view import build_view, with_live
from syscard.views import View

NOW: Final = datetime(2026, 11, 22, 14, 33, tzinfo=UTC)
LAUNCH: Final = NOW - timedelta(days=6)
FAULT: Final = NOW - timedelta(minutes=31)
NOTE: Final = "rolled lit-0.4 out at 13:58, looking"
HUMAN: Final = e.Author(kind=e.AuthorKind.HUMAN, name="mara")
MONITOR: Final = e.Author(kind=e.AuthorKind.MONITOR, name="syscard")
HOSTILE: Final = (
    "<script>alert(1)</script>[bold red]x[/] | a|b `code` ![i](http://evil.example/p.png) \x1b[31mred\x1b[0m\u202e"
    "\r\n# heading\n\"quoted\" 'single' \ud83d \u6f22\u5b57 " + "long" * 60
)

_POLICY: Final = read_policy(
    """
stage: promote
rules:
  - {id: no-broken-claim, says: claims broken, metric: claims_broken, op: "<=", threshold: 0}
  - {id: no-open-incident, says: incidents open, metric: incidents_open, op: "<=", threshold: 0}
  - {id: traffic, says: requests seen, metric: requests, op: ">=", threshold: 200}
""",
    "sample.yaml",
)

_IDENTITY: Final[dict[str, Any]] = {
    "ref": "shop-recommender",
    "name": "Shop recommender",
    "version": "2026.11.2",
    "owner": {"team": "discovery", "on_call": "#discovery-oncall", "accountable": "discovery-lead@shop.example"},
    "intended_use": "Suggest five catalogue products to a signed-in shopper, each with a one-sentence reason.",
    "users": ["shoppers aged 16+, in English"],
    "out_of_scope": ["medical or dietary advice", "age-restricted goods"],
    "limitations": ["Reasons are written by a 135 M parameter model; they may be fluent and wrong."],
    "oversight": "Merchandising can pin, hide or switch off reasons (runbook R-2).",
    "regimes": {"eu_ai_act": "not_applicable", "nist_ai_rmf": "voluntary"},
    "review": {"every": "90d", "next": "2027-02-01"},
}
_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "cf": {
        "kind": "ranking",
        "name": "implicit ALS",
        "version": {"from": "syscard.component.version", "declared": "als-2026-11-18"},
        "owner": "personalisation",
        "select": {"syscard.component": "cf"},
    },
    "vlm": {
        "kind": "vision-language",
        "name": "LiT EfficientNet-Lite0 + MiniLM-L6",
        "version": {"declared": "lit-0.3"},
        "owner": "catalogue",
        "select": {"syscard.component": "vlm"},
        "runbook": "https://runbooks.shop.example/vlm",
    },
    "llm": {
        "kind": "llm",
        "name": "SmolLM2-135M-Instruct",
        "version": {"from": "gen_ai.response.model"},
        "supplier": "Hugging Face (Apache-2.0)",
        "owner": "discovery",
        "select": {"syscard.component": "llm"},
    },
    "agent": {"kind": "agent", "owner": "discovery", "select": {"gen_ai.operation.name": "invoke_agent"}},
}
_INTERACTIONS: Final[dict[str, dict[str, Any]]] = {
    "vlm->llm": {"carries": ["category", "confidence"], "order": "before", "allowed_data": ["product"]},
    "cf->llm": {"carries": ["candidate ids", "scores"], "contract": "1-10 catalogue ids", "order": "before"},
    "llm->agent": {"carries": ["reason", "chosen id"], "allowed_data": ["product"]},
}


def _claim(ref: str, says: str, about: str, metric: str, expect: str, min_n: int, **more: Any) -> e.Declare:
    window = {"last": "1d", "min_n": min_n}
    body = {"id": ref, "says": says, "about": about, "metric": metric, "expect": expect, "window": window}
    return e.Declare(section="claim", ref=ref, body={**body, "by": [], "valid_for": "7d", **more})


_CLAIMS: Final = (
    _claim("grounded", "At least 90 % of reasons mention only facts the system had.", "vlm->llm",
           "share(llm.rationale.grounded >= 0.8)", ">= 0.90", 200, by=["age_band"]),
    _claim("sees-the-picture", "The image model agrees with the catalogue category.", "vlm",
           "share(vlm.agrees)", ">= 0.85", 200),
    _claim("fast", "95 % of answers come within 3 s.", "agent", "p95(latency)", "<= 3s", 100),
    _claim("only-real-items", "It never shows an item CF did not offer.", "cf->llm",
           "count(final not in candidates)", "== 0", 400),
    _claim("fair-acceptance", "No age band accepts 1.25 times less than another.", "system",
           "disparity(accepted)", "<= 1.25", 100, by=["age_band"]),
    _claim("no-personal-data", "Reasons contain no personal data.", "llm->agent", "count(pii)", "== 0", 1000),
)  # fmt: skip


def declared() -> list[e.Body]:
    """What `syscard apply` brings."""
    return [
        e.Declare(section="system", ref="shop-recommender", body=_IDENTITY),
        e.Declare(section="traces", ref="shop-recommender", body={"segments": {"age_band": "syscard.user.segment"}}),
        *(e.Declare(section="component", ref=ref, body=body) for ref, body in _COMPONENTS.items()),
        *(e.Declare(section="interaction", ref=ref, body=body) for ref, body in _INTERACTIONS.items()),
        *_CLAIMS,
        e.Declare(section="risk", ref="R-1", body={
            "id": "R-1", "about": "vlm->llm", "owner": "discovery", "treatment": "mitigate", "watch": ["grounded"],
            "says": "A wrong picture reading becomes a confident wrong reason (IR-05)."}),
        e.Declare(section="risk", ref="R-2", body={
            "id": "R-2", "about": "cf->llm", "owner": "personalisation", "treatment": "accept", "until": "2027-02-01",
            "says": "Cold-start fallback yields generic reasons (IR-12).", "watch": []}),
        e.Declare(section="unknown", ref="U-1", body={
            "id": "U-1", "says": "How reasons read to non-native speakers.", "owner": "discovery",
            "answer_by": "2027-01-15"}),
    ]  # fmt: skip


def evidence(about: str, metric: str, value: float, n: int, low: float, high: float, **more: Any) -> e.AddEvidence:
    """One figure over the last day."""
    end = more.pop("end", NOW)
    return e.AddEvidence(about=about, metric=metric, value=value, n=n, low=low, high=high, method="Wilson 95 %",
                         window_start=end - timedelta(days=1), window_end=end, **more)  # fmt: skip


def draft(body: e.Body, at: datetime, author: e.Author = MONITOR) -> e.Draft:
    """An edit that says something of a moment."""
    return e.Draft(body=body, author=author, observed=at)


def judged(claim: str, status: Any, figure: e.AddEvidence, at: datetime, **more: Any) -> list[e.Draft]:
    """Evidence and the status that rests on it."""
    first = draft(figure, at)
    slice_ = e.SliceStatus(status=status, value=figure.value, low=figure.low, high=figure.high, n=figure.n,
                           evidence=first.digest, **more)  # fmt: skip
    return [first, draft(e.SetClaim(claim=claim, slices=(slice_,)), at)]


def never_seen(claim: str, n: int, bound: str, at: datetime) -> list[e.Draft]:
    """A `== 0` claim that holds: the rule of three stands where an interval would."""
    about, window = "cf->llm", at - timedelta(days=1)
    figure = e.AddEvidence(about=about, metric="count", value=0, n=n, window_start=window, window_end=at)
    slice_ = e.SliceStatus(status="holds", value=0, n=n, why=bound, evidence=draft(figure, at).digest)
    return [draft(figure, at), draft(e.SetClaim(claim=claim, slices=(slice_,)), at)]


def _unjudged(claim: str, why: str, at: datetime, **more: Any) -> e.Draft:
    return draft(e.SetClaim(claim=claim, slices=(e.SliceStatus(status="unknown", why=why, **more),)), at)


def _part(ref: str, state: Any, at: datetime, why: str = "", incident: int | None = None) -> e.Draft:
    return draft(e.SetPart(ref=ref, state=state, why=why, incident=incident), at)


def _ran(version: str, *, declared: bool) -> e.Observe:
    return e.Observe(what="version", ref="vlm", value=version, evidence_class="span", traces=40, declared=declared)


def _launched() -> list[e.Draft]:
    watched = ("vlm.agrees", "llm.grounded", "cf.latency")
    at = LAUNCH
    return [
        draft(
            e.SetBaseline(name="launch", start=at - timedelta(hours=3), end=at, requests=200, data_digest="ab" * 32,
                          approved_by="discovery-lead", agreement_p=0.41, watched=watched, too_constant=("cf.k",)),
            at, HUMAN,
        ),
        draft(_ran("lit-0.3", declared=True), at),
        *(draft(e.Observe(what="edge", ref=ref, value=ref, evidence_class=seen, traces=200, declared=True,
                          examples=(f"{'5e' * 16}@1763301600000000",)), at)
          for ref, seen in (("vlm->llm", "link"), ("cf->llm", "value"))),
        *(_part(ref, "ok", at) for ref in ("cf", "vlm", "llm", "agent", "vlm->llm", "cf->llm")),
        *judged("grounded", "holds", evidence("vlm->llm", "share(grounded)", 0.93, 1204, 0.915, 0.944, end=at), at),
        *judged("sees-the-picture", "holds", evidence("vlm", "share(agrees)", 0.91, 1204, 0.89, 0.92, end=at), at),
        *judged("fast", "holds", evidence("agent", "p95(latency)", 2.71, 1204, 2.6, 2.82, end=at), at),
        *never_seen("only-real-items", 1204, "at most 0.25 % of requests (95 %)", at),
    ]  # fmt: skip


def _rest(at: datetime) -> list[e.Draft]:
    """What stays open even when nothing is broken."""
    return [
        _part("llm->agent", "unknown", at, "nothing watches personal data here"),
        _unjudged("fair-acceptance", "needs n 100, has 31 in the smallest group", at, n=31, needs=100),
        _unjudged("no-personal-data", "no detector for personal data is installed", at),
    ]


def _all_hold(at: datetime) -> list[e.Draft]:
    return [
        _part("llm->agent", "ok", at),
        *judged("fair-acceptance", "holds", evidence("system", "disparity(accepted)", 1.08, 2408, 1.01, 1.17), at),
        *never_seen("no-personal-data", 2408, "at most 0.12 % of requests (95 %)", at),
    ]


def _broke() -> list[e.Draft]:
    at = FAULT
    agrees = draft(evidence("vlm", "agrees", 0.30, 1204, 0.27, 0.33, reference=0.91, p_value=1e-9, threshold=0.01,
                            one_in=4.2e7, one_in_needed=136_000,
                            traces=("4f1c" * 8 + "@2026-11-22T14:02:11Z",)), at)  # fmt: skip
    found = e.IncidentFinding(key="vlm.agrees", about="vlm", label="agrees with the catalogue", reference=0.91,
                              value=0.30, n=1204, evidence=agrees.digest)  # fmt: skip
    opened = e.OpenIncident(
        number=12, fingerprint="vlm.agrees", group="vlm", subject="vlm", severity="page",
        title="image reading disagrees with the catalogue", since=at, findings=(found,), inherited_by=("llm",),
        unchanged=("cf",), traces=("4f1c" * 8 + "@2026-11-22T14:02:11Z", "9a02" * 8 + "@2026-11-22T14:02:13Z"),
        note=("From 14:02 the image model stopped agreeing with the catalogue (0.91 -> 0.30).", "cf is unchanged."),
        unknowns=("which weights ran: the spans carry no digest of them",), do_first="roll back lit-0.4",
    )  # fmt: skip
    seen = _ran("lit-0.4", declared=False)
    grounded = draft(evidence("vlm->llm", "grounded", 0.87, 1204, 0.85, 0.89, reference=0.93), at)
    joined = e.IncidentFinding(key="llm.grounded", about="llm", label="grounded reasons", reference=0.93, value=0.87,
                               n=1204, evidence=grounded.digest)  # fmt: skip
    return [
        draft(seen, at - timedelta(minutes=4)),
        agrees,
        draft(opened, at),
        _part("vlm", "broken", at, "agrees 0.91 -> 0.30", 12),
        *judged("sees-the-picture", "broken", evidence("vlm", "share(agrees)", 0.30, 1204, 0.27, 0.33), at),
        grounded,
        draft(e.ExtendIncident(number=12, findings=(joined,), inherited_by=("vlm->llm",), severity="page"),
              at + timedelta(minutes=2)),
        _part("llm", "inherited", at + timedelta(minutes=2), "grounded 0.93 -> 0.87", 12),
        _part("vlm->llm", "broken", at + timedelta(minutes=2), "false reasons 7 % -> 13 %", 12),
        *_grounded_broke(at + timedelta(minutes=2)),
        draft(_attributed(), at + timedelta(minutes=2)),
        draft(e.RiskSeen(risk="R-1", incident=12, says="blurred pictures reach the reasons"), at),
        draft(e.NoteOnIncident(number=12, text_sha256=text_digest(NOTE)), NOW - timedelta(minutes=5), HUMAN),
    ]  # fmt: skip


def _attributed() -> AttributeIncident:
    parts = (
        PartVerdict(part="cf", verdict="unchanged", p_adjusted=1.0, effect=0.04, n=1_420),
        PartVerdict(part="vlm", verdict="changed itself", why="vlm.agrees changed, given what reaches it",
                    p_adjusted=3e-12, effect=1.9, share=0.94, low=0.81, high=1.0, n=1_420),
        PartVerdict(part="llm", verdict="inherited", why="what it shows follows from vlm", p_adjusted=0.4, effect=0.1,
                    n=1_420),
        PartVerdict(part="agent", verdict="cannot tell", why="no signal tells of it", n=0),
        PartVerdict(part="vlm->llm", verdict="inherited", why="it carries what changed in vlm", p_adjusted=0.7,
                    n=1_420),
    )  # fmt: skip
    found = Attribution(
        target="grounded", damage=0.06, parts=parts, first="vlm", causes=("vlm",), wins=1.0, confidence="medium",
        lowered_by=("agent has no signal: what it does shows in the parts behind it",), n_before=1_000, n_now=420,
        method="conditional test, Shapley",
    )  # fmt: skip
    return AttributeIncident(number=12, attribution=found)


def _grounded_broke(at: datetime) -> list[e.Draft]:
    figures = (("all", 0.87, 0.85, 0.89, 1204), ("age_band=25-34", 0.93, 0.91, 0.95, 640),
               ("age_band=45-54", 0.71, 0.66, 0.76, 310))  # fmt: skip
    drafts, slices = [], []
    for name, value, low, high, n in figures:
        of = f"share(grounded) {name}"
        drafts.append(draft(evidence("vlm->llm", of, value, n, low, high), at))
        status: Any = "holds" if low > 0.9 else "broken"
        slices.append(e.SliceStatus(slice=name, status=status, value=value, low=low, high=high, n=n,
                                    evidence=drafts[-1].digest))  # fmt: skip
    slices.append(e.SliceStatus(slice="age_band=unknown", status="unknown", n=12, needs=100, why="needs n 100, has 12"))
    return [*drafts, draft(e.SetClaim(claim="grounded", slices=tuple(slices)), at)]


def live(*, last_run: datetime = NOW - timedelta(seconds=6), as_of: datetime = NOW, broken: bool = True) -> Live:
    """What the monitors know."""
    agrees = tuple(0.91 - 0.01 * (i % 3) for i in range(24)) + ((0.33, 0.30, 0.30) if broken else (0.91, 0.9, 0.91))
    signals = (
        SignalNow(key="vlm.agrees", about="vlm", label="agrees with the catalogue", kind="rate",
                  state=State.BREACH if broken else State.OK, since=FAULT, value=agrees[-1], reference=0.91, unit="",
                  n=20, tolerance=0.05, effect=0.61, history=agrees),
        SignalNow(key="cf.latency", about="cf", label="latency p95", kind="latency", state=State.OK, since=LAUNCH,
                  value=12.0, reference=12.4, unit="ms", n=20, tolerance=6.0, effect=0.4,
                  history=(12.0, 13.1, None, 12.2, 11.8, 12.0)),
        SignalNow(key="llm.grounded", about="llm", label="grounded reasons", kind="drift", state=State.UNKNOWN,
                  since=FAULT, n=8, needs=20, why="needs n 20, has 8", history=()),
    )  # fmt: skip
    traffic = {"vlm": (824, 0.0, 114.0), "llm": (412, 0.002, 2400.0), "cf": (412, 0.0, 12.0),
               "agent": (412, 0.001, 2710.0), "vlm->llm": (824, None, None), "cf->llm": (412, None, None),
               "llm->agent": (412, None, None)}  # fmt: skip
    parts = {ref: PartNow(ref=ref, per_minute=rate, error_share=errors, p95_ms=p95, requests=1204, last_seen=as_of)
             for ref, (rate, errors, p95) in traffic.items()}  # fmt: skip
    watcher = WatcherNow(last_span=last_run + timedelta(seconds=4), last_run=last_run, ran=5, total=5, requests=1204,
                         windows=60, waiting=4, per_minute=412)  # fmt: skip
    tracing = (
        TracingFigure(key="no_root", says="traces have no root", of="trace", hint="thread pools lose the context",
                      state="bad" if broken else "ok", share=0.12 * broken, hits=144 * broken, n=1204),
        TracingFigure(key="missing_parents", says="spans name a parent that never came", of="span",
                      hint="spans are dropped on the way", state="ok", share=0.001, hits=8, n=8428),
        TracingFigure(key="clock_skew", says="calls between services start before their caller or end after it",
                      of="call", hint="clocks differ", state="unknown", share=None, hits=0, n=0, needs=50),
    )  # fmt: skip
    old = VersionNow(what="version", value="lit-0.3", first_seen=LAUNCH - timedelta(hours=3),
                     last_seen=FAULT - timedelta(minutes=3) if broken else as_of, calls=2140)  # fmt: skip
    new = VersionNow(what="version", value="lit-0.4", first_seen=FAULT - timedelta(minutes=4), last_seen=as_of,
                     calls=268)  # fmt: skip
    return Live(as_of=as_of, watcher=watcher, parts=parts, signals={s.key: s for s in signals}, tracing=tracing,
                versions={"vlm": (old, new) if broken else (old,)}, groups=groups(as_of, broken))  # fmt: skip


def groups(as_of: datetime, broken: bool) -> GroupsNow:
    """What age bands get: of one metric all alike, of one not, and of one there is too little."""

    def of(name: str, n: int, *figures: float) -> GroupFigure:
        value, low, high = figures or (None, None, None)
        return GroupFigure(group=name, n=n, value=value, low=low, high=high, needs=None if figures else 30)

    shared: dict[str, Any] = {"segment": "age_band", "statistic": "share"}
    known = Disparity(
        key="cf.known_user",
        about="cf",
        label="known shoppers",
        state="even",
        ratio=1.05,
        ratio_low=0.98,
        ratio_high=1.14,
        difference=0.04,
        difference_low=-0.02,
        difference_high=0.11,
        highest="25-34",
        lowest="45-54",
        groups=(of("25-34", 640, 0.94, 0.92, 0.96), of("45-54", 310, 0.9, 0.86, 0.93), of("65+", 12)),
        without=242,
        **shared,
    )
    grounded = Disparity(
        key="vlm->llm.grounded",
        about="vlm->llm",
        label="reasons grounded",
        state="uneven" if broken else "even",
        ratio=1.4 if broken else 1.02,
        ratio_low=1.28 if broken else 0.97,
        ratio_high=1.55 if broken else 1.08,
        difference=0.26 if broken else 0.02,
        difference_low=0.2 if broken else -0.03,
        difference_high=0.33 if broken else 0.07,
        highest="25-34",
        lowest="45-54",
        groups=(
            of("25-34", 640, 0.91, 0.88, 0.93),
            of("45-54", 310, *((0.65, 0.6, 0.7) if broken else (0.89, 0.85, 0.92))),
            of("65+", 12),
        ),
        without=242,
        **shared,
    )
    failed = Disparity(
        key="llm.error",
        about="llm",
        label="errors",
        statistic="rate",
        state="unknown",
        segment="age_band",
        why="the interval contains 1.25",
        needs=7150,
        ratio=3.04,
        ratio_low=0.66,
        ratio_high=14.04,
        difference=0.022,
        difference_low=-0.009,
        difference_high=0.07,
        highest="45-54",
        lowest="25-34",
        groups=(of("25-34", 640, 0.011, 0.005, 0.024), of("45-54", 310, 0.033, 0.017, 0.064)),
    )
    taken = Disparity(
        key="fair-acceptance",
        about="system",
        label="fair-acceptance",
        state="unknown",
        why="needs two groups of 1,000, has 640 and 310",
        needs=1000,
        groups=(of("25-34", 640).model_copy(update={"needs": 1000}),),
        **shared,
    )
    found = (known, failed, grounded, taken)
    named = tuple(told.model_copy(update={"evidence": "9c" * 32, "measured": as_of}) for told in found)
    return GroupsNow(since=LAUNCH, as_of=as_of, tolerated=1.25, disparities=named)


def chained(*batches: tuple[str, Iterable[e.Draft]]) -> tuple[e.Edit, ...]:
    """Batches of drafts, one card version each."""
    edits: list[e.Edit] = []
    for cause, drafts in batches:
        edits += e.chain(drafts, head=edits[-1] if edits else None, cause=cause, recorded=NOW)
    return tuple(edits)


def view_of(edits: tuple[e.Edit, ...], now: Live | None, texts: dict[str, str] | None = None) -> View:
    """The view row of a chain."""
    card = fold(edits, start="shop-recommender")
    return build_view(card, now, gate=_POLICY, head=edits[-1].link, edits=len(edits),
                      texts=texts if texts is not None else {text_digest(NOTE): NOTE}, written=NOW,
                      sources=sources(edits, card))  # fmt: skip


def _declaring() -> tuple[str, list[e.Draft]]:
    return "apply", [draft(body, LAUNCH - timedelta(days=1), HUMAN) for body in declared()]


def past() -> tuple[tuple[str, list[e.Draft]], ...]:
    """Cause and edits of the four versions behind the broken view."""
    return _declaring(), ("baseline", _launched()), ("monitor", _rest(LAUNCH)), ("monitor", _broke())


def broken_view() -> View:
    """Card v4: a page is open, two claims broke, two are unknown."""
    return view_of(chained(*past()), live())


def earlier_view() -> View:
    """Card v3: before anything broke."""
    return view_of(chained(_declaring(), ("baseline", _launched()), ("monitor", _rest(LAUNCH))), live(broken=False))


def calm_view() -> View:
    """Every claim holds and the watcher is alive."""
    return view_of(chained(_declaring(), ("baseline", _launched()), ("monitor", _all_hold(NOW))), live(broken=False))


def declared_view() -> View:
    """Just applied: nothing was measured, the monitors never ran."""
    return view_of(chained(_declaring()), None)


def silent_view() -> View:
    """All held when it was last looked at, two days ago."""
    then = NOW - timedelta(days=2)
    return view_of(chained(_declaring(), ("baseline", _launched()), ("monitor", _all_hold(then))),
                   live(last_run=then, as_of=then, broken=False))  # fmt: skip


def idle_view() -> View:
    """The monitors run, but no request ever came."""
    watcher = WatcherNow(last_run=NOW - timedelta(seconds=6), ran=5, total=5)
    return view_of(chained(_declaring()), Live(as_of=NOW, watcher=watcher))


def hostile_view() -> View:
    """The broken view with every free text replaced by what an attacker would write."""
    view: View = hostile(broken_view())
    return view


_KEPT: Final = frozenset((
    "schema", "written", "digest", "head", "kind", "state", "status", "severity", "since", "opened", "resolved",
    "at", "observed", "as_of", "measured", "first_seen", "last_span", "last_run", "last_seen", "window_start",
    "window_end", "start", "end", "evidence", "text_sha256", "ref", "id", "key", "about", "assessed", "data_digest",
    "treatment", "evidence_class", "declared_", "expect", "subject", "source", "target", "next", "answer_by", "until",
    "fingerprint",
))  # fmt: skip


def hostile(value: Any, key: str = "") -> Any:  # any JSON value in, the same shape out
    """A copy with hostile text wherever the shape of the view leaves room for text."""
    if isinstance(value, dict):
        return {k: hostile(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(v, key) for v in value]
    return HOSTILE if isinstance(value, str) and key not in _KEPT else value


SAMPLED: Final = {"requests": 1204, "sampled": 1204, "kept": 0.1, "by": "tail", "towards": "errors"}


def sampled_view() -> View:
    """The broken view with every figure resting on traces of which a tail sampler kept one in ten."""
    view: View = _sampled(broken_view())
    view["live"]["watcher"] |= {"kept": 0.1, "sampled": SAMPLED}
    return with_live(view, view["live"], _POLICY, NOW)


def _sampled(value: Any) -> Any:
    """A copy in which slices, evidence, signals and parts are marked: whatever has a number of requests."""
    if isinstance(value, dict):
        marked = {k: _sampled(v) for k, v in value.items()}
        return marked | {"sampled": SAMPLED} if {"n", "error_share"} & value.keys() else marked
    return [_sampled(v) for v in value] if isinstance(value, list) else value


def variants() -> dict[str, View]:
    """Every view that the faces are shown in tests."""
    return {
        "broken": broken_view(),
        "earlier": earlier_view(),
        "calm": calm_view(),
        "declared": declared_view(),
        "silent": silent_view(),
        "idle": idle_view(),
        "hostile": hostile_view(),
        "sampled": sampled_view(),
    }
