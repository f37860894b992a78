"""How far an incident reaches and what is known of the harm, in words. Standard library only.

Who came while it fired was exposed. Harm is counted in missed promises only: where the attribution says by how much
their misses rose, or where a claim about its path is broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from syscard.incident_states import LIVE_STATES
from syscard.samples import beside
from syscard.words import moment, one_line, plural, share, stamp

MOST_CLAIMS: Final = 3
_SHARE: Final = re.compile(r"^\s*share\s*\(")
_BETTER: Final = re.compile(r"^\s*([<>])")


def reach_text(reach: dict[str, Any]) -> str:
    """`120 of 400 requests (30.0%) came while it fired`."""
    part = f" ({share(reach['requests'] / reach['of'])})" if reach["of"] else ""
    return f"{reach['requests']:,} of {plural(reach['of'], 'request')}{part} came while it fired"


def impact_lines(card: dict[str, Any], raw: dict[str, Any]) -> list[str]:
    """Its impact as share x loss, as far as anything says what the loss is; the JSON of a card and an incident in.

    Empty where neither requests nor misses were counted.
    """
    found = [*_by_attribution(card, raw), *_by_claims(card, raw)]
    if not found and raw.get("impact"):
        found.append("exposure, not harm: nothing says how many of these requests went wrong")
    return found


def _by_attribution(card: dict[str, Any], raw: dict[str, Any]) -> Iterator[str]:
    """The rise of misses of the promise that the attribution shares out, over the requests since then."""
    blamed, reach = raw.get("attribution") or {}, raw.get("impact") or {}
    if (blamed.get("damage") or 0.0) > 0 and reach.get("of"):
        missed = f"{_about(blamed['damage'], reach['of'])} miss {one_line(blamed['target'])}"
        yield (
            f"{missed} since {stamp(moment(raw['opened']))} beyond those that "
            f"did before: the rise is by the attribution, from {plural(blamed['n_now'], 'request')}"
            f"{_record(card, raw.get('attributed_by'))}"
        )


def _by_claims(card: dict[str, Any], raw: dict[str, Any]) -> Iterator[str]:
    """The misses of broken claims about its path; of what the claim looks at, which may begin before the incident.

    What is over is not told by claims that are broken now.
    """
    if raw["state"] not in LIVE_STATES:
        return
    path = {raw["subject"], *raw["inherited_by"], *(f["about"] for f in raw["findings"])}
    told = (raw.get("attribution") or {}).get("target") if raw.get("impact") else None
    near = ((ref, c) for ref, c in card["claims"].items() if c["declared"].get("about") in path and ref != told)
    yield from [line for ref, claim in near if (line := _missed(card, ref, claim))][:MOST_CLAIMS]


def _missed(card: dict[str, Any], ref: str, claim: dict[str, Any]) -> str | None:
    """`about 157 of 1,204 requests (13.0%) miss grounded, over its last 1d (E-7)`; None unless it is a broken share."""
    declared, overall = claim["declared"], claim["slices"][0]
    better = _BETTER.match(declared.get("expect", ""))
    if not (
        _SHARE.match(declared.get("metric", ""))
        and better
        and overall["status"] == "broken"
        and overall["value"] is not None
        and overall["n"]
    ):
        return None
    loss = 1 - overall["value"] if better[1] == ">" else overall["value"]
    text = beside(f"{_about(loss, overall['n'])} miss {one_line(ref)}", overall.get("sampled"))
    last = one_line(declared.get("window", {}).get("last", "?"))
    record = _record(card, overall["evidence"])
    return f"{text}, over the claim's last {last}{record}: some may have before it began"


def _record(card: dict[str, Any], digest: str | None) -> str:
    """` (E-7)`: the record that a figure is from, where the card has it."""
    item = card["evidence"].get(digest or "")
    return f" ({item['id']})" if item else ""


def _about(loss: float, requests: int) -> str:
    return f"about {round(loss * requests):,} of {plural(requests, 'request')} ({share(loss)})"
