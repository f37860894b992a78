"""`syscard explain`: one signal, or the list of all, as text and as a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from syscard.precision import record_of
from syscard.render.cardtext import signal_text
from syscard.system import System
from syscard.views import View
from syscard.words import figure, moment, one_line, pad, plural, stamp, wrap
from syscard_monitors.burn import KIND, Objective
from syscard_monitors.explain import Explanation
from syscard_monitors.packs import Signal, origin
from syscard_monitors.reference import Reference
from syscard_monitors.severity import Severity

Budgets = Mapping[str, tuple[Objective, Severity]]
"""Error budgets by the keys of their findings."""
_WIDTH = 80
_LABELS = (
    "says", "means", "effect", "evidence", "breach", "shows", "from", "tuned", "baseline", "severity", "owner",
    "record", "now",
)  # fmt: skip
_TUNABLE = {"tolerance", "min_n", "severity"}


def listed(signals: Iterable[Signal], budgets: Budgets, view: View) -> str:
    """A line a signal or error budget: key, label, state in the newest window."""
    states = {key: live["state"] for key, live in _live(view).items()}
    named = [*((s.key, s.label) for s in signals), *((key, o.label) for key, (o, _) in budgets.items())]
    rows = [(key, states.get(key, "not seen yet"), one_line(label)) for key, label in named]
    widest = max((len(key) for key, _, _ in rows), default=0)
    return "\n".join(f"{pad(key, widest)}  {pad(state, 12)}  {label}" for key, state, label in rows)


def documents(signals: Iterable[Signal], budgets: Budgets) -> list[dict[str, Any]]:
    """Every signal as its pack and system.yaml make it, then every error budget."""
    spent = ({**asdict(o), "key": key, "kind": KIND, "severity": severity} for key, (o, severity) in budgets.items())
    return [*({**s.model_dump(), **_severity(s)} for s in signals), *spent]


def budget_document(
    found: Explanation, objective: Objective, severity: Severity, view: View, system: System
) -> dict[str, Any]:
    """Everything that is said of one error budget."""
    return {
        **asdict(found),
        "about": objective.about,
        "expr": objective.expr,
        "from": "system.yaml",
        "tuned": {},
        "baseline": {"n": 0, "says": "needs none"},
        "severity": severity,
        "severity_rule": severity,
        "owner": system.owner_of(objective.about),
        "record": _record(view, found.key),
        "now": _live(view).get(found.key),
    }


def document(
    found: Explanation, signal: Signal, reference: Reference | None, view: View, system: System, packs: Path
) -> dict[str, Any]:
    """Everything that is said of one signal."""
    tune = system.monitors.tune.get(signal.key)
    return {
        **asdict(found),
        "about": signal.about,
        "expr": signal.expr,
        "from": origin(signal.name, system.monitors.packs, packs),
        "tuned": tune.model_dump(include=_TUNABLE, exclude_none=True) if tune else {},
        "baseline": _baseline(signal, reference, view["card"]["baseline"]),
        **_severity(signal),
        "owner": signal.owner,
        "record": _record(view, signal.key),
        "now": _live(view).get(signal.key),
    }


def text(body: dict[str, Any]) -> str:
    """A document as a screen."""
    said = dict(body)
    tuned = ", ".join(f"{key} {value}" for key, value in body["tuned"].items())
    said["tuned"] = f"in system.yaml: {tuned}" if tuned else ""
    said["baseline"] = body["baseline"]["says"]
    said["now"] = _now(body["now"])
    said["severity"] = body["severity_rule"]
    lines = [f"{one_line(body['key'])}  {one_line(body['label'])}"]
    for label in _LABELS:
        if said[label]:
            lines += wrap(one_line(str(said[label])), _WIDTH, first=f"  {pad(label, 9)} ", rest=" " * 12)
    return "\n".join(lines)


def _record(view: View, key: str) -> str:
    """How often its incidents were real; empty before one is over."""
    return "".join(record.words for record in record_of(view["card"], [key]))


def _severity(signal: Signal) -> dict[str, str]:
    return {"severity": signal.severity.is_, "severity_rule": signal.severity.words}


def _live(view: View) -> dict[str, Any]:
    signals: dict[str, Any] = (view["live"] or {}).get("signals", {})
    return signals


def _now(live: dict[str, Any] | None) -> str:
    if live is None:
        return "not seen yet: no window was judged, or no span carries it"
    since = moment(live["since"])
    return f"{signal_text(live)}, since {stamp(since)}" if since else signal_text(live)


def _baseline(signal: Signal, reference: Reference | None, card: dict[str, Any] | None) -> dict[str, Any]:
    if reference is None or card is None or not reference.n:
        return {"n": 0, "says": "none has values of it: syscard baseline set"}
    said: dict[str, Any] = {"name": card["name"], "n": reference.n, "groups": len(reference.strata) or 1}
    if reference.sample is not None:
        said["by"], said["left_out"] = reference.sample.by, reference.sample.left_out
        what = f"embeddings by {one_line(reference.sample.by)}, {said['left_out']} left out"
    elif reference.constant is not None:
        said["constant"], what = reference.constant, f"always {reference.constant}"
    elif signal.kind == "category":
        shares = sorted(reference.everyone.shares.items(), key=lambda one: (-one[1], one[0]))[:5]
        said["shares"], what = dict(shares), ", ".join(f"{one_line(name)} {share:.0%}" for name, share in shares)
    else:
        said["mean"] = reference.everyone.mean
        what = f"mean {figure(said['mean'], signal.unit)}"
        if signal.kind not in ("share", "rate"):
            said["median"] = reference.with_mix_of([""]).quantile(0.5)
            what += f", median {figure(said['median'], signal.unit)}"
    groups = f" in {plural(said['groups'], 'group')}" if said["groups"] > 1 else ""
    return {**said, "says": f"{one_line(said['name'])}: {plural(said['n'], 'request')}{groups}, {what}"}
