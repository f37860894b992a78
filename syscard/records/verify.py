"""Whether the records of a system say one thing: the chain, the card, the view that faces read, and the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from syscard.approvals import Approve
from syscard.card import Card
from syscard.digest import digest, text_digest
from syscard.disparity import CompareGroups
from syscard.edits import Body, Erasure, Hold, NoteOnIncident, SetBaseline
from syscard.errors import ChainBroken, RecordsError
from syscard.gates import Policy, decide
from syscard.head import Head, anchored
from syscard.incident_fold import author_name
from syscard.live import GroupsNow
from syscard.records.store import Records
from syscard.risks import AssessRisks, Calibration
from syscard.sources import sources
from syscard.stored import Stored, read
from syscard.stored import verify as verify_chain
from syscard.view import verdict_json
from syscard.views import View
from syscard.waivers import Waive


@dataclass(frozen=True)
class Verified:
    """What was found to hold."""

    edits: int
    card: Card
    erased: int
    """Notes whose text was erased; their digests are still in the chain."""
    erased_evidence: int = 0
    """Records of evidence whose example traces were erased with a person."""
    erasures: int = 0
    """Erasures of a person."""
    lifted_holds: int = 0
    """Holds that were lifted, because what they held went with a person."""
    calibrations: tuple[Calibration, ...] = ()
    """Thresholds of risks that rest on windows of the baseline."""
    anchor: Stored | None = None
    """The edit that an older head is of."""


def verify_system(records: Records, ref: str, view: View, gate: Policy, kept: Head | str | None = None) -> Verified:
    """Recompute everything that can be, for `card verify` and `doctor` alike.

    Live values rest on spans, not on edits: they cannot be recomputed here, but the gate's verdict on them can. What
    groups get is shown as an edit has it, so that is compared.

    Args:
        records: the home's records.
        ref: the system.
        view: what the faces are drawn from.
        gate: the policy that the view's verdict was made with.
        kept: an older head of the chain, which somebody kept elsewhere.

    Raises:
        ChainBroken: names the first thing that does not follow.
        RecordsError: the records cannot be read.
    """
    rows = records.stored(ref)
    count = verify_chain(rows)
    card = records.card(ref)
    anchor = _anchored(records, ref, rows, kept) if kept is not None else None
    _same_card(ref, view, card, rows)
    _same_baselines(ref, records)
    calibrations = _same_calibrations(ref, records, card)
    _same_groups(ref, records, card, view)
    _signed_approvals(ref, records)
    texts = records.texts(ref)
    if changed := [key for key, text in (*texts.items(), *view["texts"].items()) if text_digest(text) != key]:
        raise ChainBroken(f"{ref}: the note stored under {changed[0][:16]} is not the one that was written")
    if view["gate"] != verdict_json(decide(gate, view["card"], view["live"], datetime.fromisoformat(view["written"]))):
        raise ChainBroken(
            f"{ref}: the gate's verdict that the faces show is not the one that this card and its live values give: "
            "decide it anew with: syscard monitor --once"
        )
    erasures = [edit.body for edit in records.edits(ref) if isinstance(edit.body, Erasure)]
    evidence = sum(erasure.evidence for erasure in erasures)
    holds = sum(erasure.holds for erasure in erasures)
    return Verified(
        count, card, _erased(records, ref, view["texts"]), evidence, len(erasures), holds, calibrations, anchor
    )


def _anchored(records: Records, ref: str, rows: list[Stored], kept: Head | str) -> Stored:
    """The older head is in the chain, and the card of its version is the one that it names."""
    found = anchored(rows, kept)
    if not isinstance(kept, str) and records.card(ref, kept.version).digest != kept.digest:
        raise ChainBroken(f"{ref}: the card v{kept.version} is not the one that the head of {kept.at} names")
    return found


def _same_card(ref: str, view: View, card: Card, rows: list[Stored]) -> None:
    count, newest = len(rows), rows[-1].name if rows else "none"
    if count != view["edits"]:
        raise ChainBroken(
            f"{ref}: the view says {view['edits']} edits, the chain has {count}, the newest {newest}: the two differ"
        )
    if not rows or view["head"] != rows[-1].link:
        raise ChainBroken(f"{ref}: the head of the chain that the faces show is not the link of {newest}")
    if card.digest != view["digest"]:
        raise ChainBroken(f"{ref}: the digest that the faces show is not that of the card which {count} edits give")
    if view.get("sources", {}) != (sources(map(read, rows), card) if "sources" in view else {}):
        raise ChainBroken(f"{ref}: the edits that the faces name beside figures are not those that say them")
    if digest(view["card"]) != card.digest:
        raise ChainBroken(f"{ref}: the card that the faces show is not the one that its {count} edits give")


def _same_baselines(ref: str, records: Records) -> None:
    """Drift is measured against these values, or was, or may be again: changed ones would make any traffic normal."""
    bodies = (edit.body for edit in records.edits(ref))
    for key in dict.fromkeys(body.data_digest for body in bodies if isinstance(body, SetBaseline)):
        try:
            records.baseline_data(key)
        except RecordsError as error:
            raise ChainBroken(f"{ref}: {error}") from error


def _same_calibrations(ref: str, records: Records, card: Card) -> tuple[Calibration, ...]:
    """Every threshold of a risk that was calibrated is what the windows of its baseline gave; those of the card."""
    for edit in records.edits(ref):
        if not isinstance(edit.body, AssessRisks) or not edit.body.calibrations:
            continue
        kept = records.baseline_data(edit.body.baseline).get("risks", {}) if edit.body.baseline else {}
        for told in edit.body.calibrations:
            known = kept.get(f"{told.risk} {told.about}", {})
            if (told.windows, told.value) != (known.get("windows", 0), known.get("quantile")):
                raise ChainBroken(f"{ref}: the threshold of {told.risk} {told.about} is not what its baseline gives")
    now = (known.calibration for known in card.assessed.values())
    return tuple(one for one in now if one is not None and one.value is not None)


def _same_groups(ref: str, records: Records, card: Card, view: View) -> None:
    """Every figure of a group that is shown stands in the edit that it names, and the card rests on that edit."""
    body = (view["live"] or {}).get("groups")
    try:
        shown = [told for told in GroupsNow.model_validate(body).told if told.evidence] if body else []
    except ValueError as error:
        raise ChainBroken(f"{ref}: the groups that the faces show cannot be read") from error
    if not shown:
        return
    held = {
        edit.draft.digest: {told.name: told for told in edit.body.told}
        for edit in records.edits(ref)
        if isinstance(edit.body, CompareGroups)
    }
    for told in shown:
        known = card.groups.get(told.name)
        kept = held[known.evidence].get(told.name) if known and known.evidence == told.evidence else None
        if kept is None or not kept.told.same_as(told.told):
            raise ChainBroken(f"{ref}: the figures shown of {told.name} are not those of their evidence")


def _signed_approvals(ref: str, records: Records) -> None:
    """Every approval that is signed is the one that its key signed for, by the person that the edit names."""
    for edit in records.edits(ref):
        if isinstance(edit.body, Approve) and edit.body.signature is not None:
            from syscard.approval_signatures import signer

            signer(edit.body, author_name(edit), f"{ref}: approval of v{edit.body.version} by {author_name(edit)}")


def _erased(records: Records, ref: str, texts: dict[str, str]) -> int:
    named = (key for edit in records.edits(ref) for key in _texts_of(edit.body))
    return sum(key not in texts for key in named)


def _texts_of(body: Body) -> tuple[str, ...]:
    """Digests of the free texts that an edit names."""
    match body:
        case NoteOnIncident():
            return (body.text_sha256,)
        case Hold():
            return (body.reason_sha256,)
        case Waive():
            return (body.reason_sha256, body.control_sha256)
        case Approve(comment_sha256=str(comment)):
            return (comment,)
    return ()
