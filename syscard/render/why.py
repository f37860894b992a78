"""`syscard card why`: how the status of a claim came about, what speaks against it, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from syscard.errors import NotOnTheCard
from syscard.faces import claim_row
from syscard.incident_states import OPEN_STATES
from syscard.render.facts import is_share_of_group, said_by
from syscard.samples import beside, sample_mark
from syscard.signing import approval_rows
from syscard.slices import claim_status, claim_unit, figures_text, missing_text, telling_slice
from syscard.views import View
from syscard.words import figure, moment, one_line, pad, plural, span_of, stamp, wrap

if TYPE_CHECKING:
    from syscard.claim_history import ClaimStep

_WIDTH: Final = 80
_STEPS_SHOWN: Final = 12
_RULES: Final = {
    "holds": "holds: the whole interval keeps the promise",
    "broken": "broken: the whole interval violates the promise, in two windows (for == 0: one event is enough)",
    "unknown": "unknown: the interval lies on both sides, n is too small, or nothing watches it",
    "stale": "stale: the newest evidence is older than valid_for",
}


def why_text(
    view: View, claim_id: str, width: int = _WIDTH, *, steps: Sequence[ClaimStep] = (), now: datetime | None = None
) -> str:
    """Why a claim has the status it has, and what would change it.

    Args:
        view: the card.
        claim_id: the claim.
        width: columns.
        steps: how it stood before, where that was read from the chain.
        now: the time by which evidence is old; when the view was written, by default.

    Raises:
        NotOnTheCard: names the claims there are.
    """
    there(view, claim_id)
    return "\n".join(_why(view, claim_id, width, steps, now or moment(view["written"]))) + "\n"


def why_document(view: View, claim_id: str, steps: Sequence[ClaimStep], now: datetime) -> dict[str, Any]:
    """The same as data; `docs/json.md` says what of it means what.

    Raises:
        NotOnTheCard: names the claims there are.
    """
    from syscard.claim_history import valid_until
    from syscard.digest import iso

    raw = there(view, claim_id)
    until = valid_until(raw, view["card"]["evidence"])
    return {
        **raw,
        "status": claim_status(raw),
        "valid_until": iso(until) if until else None,
        "expired": until is not None and until < now,
        "recorded": iso(steps[-1].latest) if steps else None,
        "reviewed": _review_document(view, steps),
        "waived": claim_row(view, claim_id).waived,
        "evidence": [item for part in raw["slices"] if (item := _evidence(view, part))],
        "against": [f"INC-{one['number']}" for one in _incidents(view, raw) if one["state"] in OPEN_STATES],
        "history": [step.json() for step in steps],
        "would_change": would_change(raw),
    }


def there(view: View, claim_id: str) -> dict[str, Any]:
    """A claim of the card.

    Raises:
        NotOnTheCard: names the claims there are.
    """
    claims: dict[str, dict[str, Any]] = view["card"]["claims"]
    if claim_id not in claims:
        known = ", ".join(map(one_line, claims)) or "none"
        raise NotOnTheCard(f"no claim '{one_line(claim_id)}' on this card; there is: {known}")
    return claims[claim_id]


def _why(view: View, ref: str, width: int, steps: Sequence[ClaimStep], now: datetime | None) -> Iterator[str]:
    from syscard.claim_history import looked_at  # the terminal starts without pydantic

    raw, row = view["card"]["claims"][ref], claim_row(view, ref)
    looked = looked_at(raw, view["card"]["evidence"])
    assessed = f", last assessed {stamp(looked)}" if looked else ", never assessed"
    yield from wrap(f"{row.word} {row.id}  since {stamp(row.since)}{assessed}", width, rest="  ")
    rows = (
        ("says", f"{row.says} ({row.about})"),
        ("promised", _terms(raw["declared"])),
        ("rule", _RULES[claim_status(raw)]),
        ("waived", row.waived and f"{row.waived}: it is let pass, not ok"),
        ("figure", _slice_line(telling_slice(raw), raw["declared"])),
        *_evidence_rows(view, raw, now),
        ("recorded", stamp(steps[-1].latest) if steps else ""),
        ("reviewed", _review(view, steps)),
        *(("slice", _other_slice(view, one, raw["declared"])) for one in raw["slices"][1:]),
        *_incident_rows(view, raw),
        ("would change", would_change(raw)),
        *_history(view, steps, raw["declared"]),
    )
    yield from (line for label, text in rows if text for line in _labelled(label, text, width))


def _labelled(label: str, text: str, width: int) -> list[str]:
    return wrap(text, width, first=f"  {pad(label, 14)}")


def _terms(declared: dict[str, Any]) -> str:
    window = declared.get("window", {})
    promise = f"{one_line(declared.get('metric', '?'))} {one_line(declared.get('expect', '?'))}"
    terms = f"over {one_line(window.get('last', '?'))}, needs n {window.get('min_n', '?')}"
    return f"{promise} {terms}, valid for {one_line(declared.get('valid_for', '?'))}"


def _slice_line(part: dict[str, Any], declared: dict[str, Any]) -> str:
    if is_share_of_group(part, declared):
        return f"share {beside(figures_text(part, {}), part.get('sampled'))}, n {part['n']:,} (shown, not judged alone)"
    if part["value"] is None:
        return f"{part['status'].upper()}: {beside(missing_text(part), part.get('sampled'))}"
    why = f", {one_line(part['why'])}" if part["why"] else ""
    figures = beside(figures_text(part, declared), part.get("sampled"))
    return f"{part['status'].upper()}: {figures}, n {part['n']:,}{why}"


def _other_slice(view: View, part: dict[str, Any], declared: dict[str, Any]) -> str:
    item = _evidence(view, part)
    named = f", {item['id']}" if item else ""
    return f"{one_line(part['slice'])}: {_slice_line(part, declared)}{named}"


def _evidence(view: View, part: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = view["card"]["evidence"].get(part["evidence"] or "")
    return found


def _evidence_rows(view: View, raw: dict[str, Any], now: datetime | None) -> Iterator[tuple[str, str]]:
    from syscard.claim_history import valid_until  # the terminal starts without pydantic

    item = _evidence(view, telling_slice(raw))
    if item is None:
        yield "evidence", "none" + said_by(view, f"claims/{raw['id']}")
        return
    fig = item["figure"]
    age = f", {span_of(now - ended)} old" if now and (ended := moment(fig["window_end"])) and ended <= now else ""
    yield "evidence", f"{item['id']}, {one_line(fig['method'] or 'no test')}{age}"
    if until := valid_until(raw, view["card"]["evidence"]):
        over = " (over: it counts no longer)" if now and until < now else ""
        yield "valid", f"until {stamp(until)}{over}"
    if mark := sample_mark(fig.get("sampled")):
        yield "sample", f"{mark}; {plural(fig['sampled']['requests'], 'request')} looked at"
    yield "window", f"{stamp(moment(fig['window_start']))} to {stamp(moment(fig['window_end']))}"
    yield "digest", item["digest"]


def _review_document(view: View, steps: Sequence[ClaimStep]) -> dict[str, Any] | None:
    """Who last signed for a card with this claim on it, and whether its status is still the one of then."""
    for signed in approval_rows(view)[-1:]:
        told = {key: getattr(signed, key) for key in ("at", "person", "role", "decision", "version")}
        return {**told, "unchanged": bool(steps) and steps[-1].version <= signed.version}
    return None


def _review(view: View, steps: Sequence[ClaimStep]) -> str:
    said = _review_document(view, steps)
    if said is None:
        return "by nobody yet (syscard approve)"
    word = "rejected" if said["decision"] == "reject" else "approved"
    since = "; its status has changed since" if steps and not said["unchanged"] else ""
    return f"{stamp(moment(said['at']))} by {said['person']} ({said['role']}), who {word} v{said['version']}{since}"


def _incidents(view: View, raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Incidents about the part that the promise is about, or an end of that edge, newest last."""
    about = str(raw["declared"].get("about", ""))
    names = {about, *about.split("->")}

    def told(incident: dict[str, Any]) -> bool:
        return incident["subject"] in names or any(f["about"] in names for f in incident["findings"])

    return [incident for incident in view["card"]["incidents"].values() if told(incident)]


def _incident_rows(view: View, raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What speaks against it: open incidents, with the evidence of their first signal; then those that are over."""
    for incident in sorted(_incidents(view, raw), key=lambda one: one["state"] not in OPEN_STATES):
        against = incident["state"] in OPEN_STATES
        held = view["card"]["evidence"].get(incident["findings"][0]["evidence"]) if incident["findings"] else None
        evidence = f" ({held['id']})" if held else ""
        text = f"INC-{incident['number']} {incident['state']}: {one_line(incident['title'])}{evidence}"
        yield "against" if against else "incident", text


def _history(view: View, steps: Sequence[ClaimStep], declared: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The newest stretches, newest first: how it stood, since which version, by what figure, over how many looks."""
    for at, step in enumerate(reversed(steps[-_STEPS_SHOWN:])):
        raw = step.figure.model_dump(mode="json")
        without = "; by the clock" if step.status == "stale" else "; declared"
        looks = f"; {plural(step.looks, 'look')}" if step.looks else without
        item = _evidence(view, raw)
        named = f", {item['id']}" if item else f", evidence {raw['evidence'][:12]}" if raw["evidence"] else ""
        where = "" if raw["slice"] == "all" else f" in {one_line(raw['slice'])}"
        says = f"v{step.version} {stamp(step.observed)}: {_slice_line(raw, declared)}{where}{named}{looks}"
        yield "" if at else "history", says
    if len(steps) > _STEPS_SHOWN:
        yield "", f"and {len(steps) - _STEPS_SHOWN} before: --json has all"


def would_change(raw: dict[str, Any]) -> str:
    """What it takes for the claim to hold, in words."""
    declared, part = raw["declared"], telling_slice(raw)
    where = "" if part["slice"] == "all" else f" in {one_line(part['slice'])}"
    expect = one_line(declared.get("expect", "?"))
    if part["needs"] and part["n"] < part["needs"]:
        return f"needs n {part['needs']:,}, has {part['n']:,}{where}"
    if part["value"] is None:
        return f"a figure: {missing_text(part)}"
    interval = figures_text(part, declared)
    match claim_status(raw):
        case "holds" if expect.startswith("=="):
            return f"one event breaks it; now {interval}"
        case "holds":
            return f"it breaks when the whole interval violates {expect} in two windows; now {interval}"
        case "broken":
            bound = figure(part["high" if expect.startswith(">") else "low"], claim_unit(declared))
            return f"the whole interval must be {expect}{where}; the nearer bound is {bound}"
        case "stale":
            return f"new evidence within {one_line(declared.get('valid_for', '?'))}"
        case _:
            return f"the interval {interval} must lie on one side of {expect}{where}: more requests narrow it"
