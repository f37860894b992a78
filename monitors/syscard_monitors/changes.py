"""What changed in a system before an incident began, from its edits: the first place to look. Pure.

That something changed shortly before is no proof that it is the cause, and the note does not say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from syscard.edits import Change, Declare, Draft, Edit, Observe, SetBaseline
from syscard.words import clip, one_line

LOOK_BACK: Final = timedelta(hours=24)
"""How long before an incident began a change is still told, by event time."""
MOST_CHANGES: Final = 5
"""The newest of them: a note is read at night."""
_LONGEST: Final = 60
"""Characters of a version or a name: spans can say anything."""
_NAMED: Final = 4
"""Parts of system.yaml that are named of one apply."""


def changes_before(edits: Iterable[Edit], drafts: Iterable[Draft], since: datetime) -> tuple[Change, ...]:
    """What changed from a day before an incident began until it opened, the newest first.

    Args:
        edits: the newest of the system, in order.
        drafts: those of the window in which it opens: what is new in the same requests.
        since: when it began, event time.
    """
    known = list(edits)
    told = [*_seen(e.draft for e in known if e.version > 1), *_seen(drafts), *_applied(known), *_baselines(known)]
    near = [change for change in told if change.at >= since - LOOK_BACK]
    return tuple(sorted(near, key=lambda change: change.at, reverse=True)[:MOST_CHANGES])


def _seen(drafts: Iterable[Draft]) -> Iterable[Change]:
    for draft in drafts:
        body = draft.body
        if isinstance(body, Observe) and (body.previous is not None or not body.declared):
            yield Change(at=draft.observed, about=body.ref, says=_what(body))


def _what(body: Observe) -> str:
    if body.what in ("component", "edge"):
        return "was seen for the first time, declared by nobody"
    was = f" (was {_short(body.previous)})" if body.previous is not None else ", declared by nobody"
    return f"{body.what} became {_short(body.value)}{was}"


def _short(text: str) -> str:
    return clip(one_line(text), _LONGEST)


def _applied(edits: Iterable[Edit]) -> Iterable[Change]:
    """One change for every time that system.yaml was applied anew."""
    for _, batch in groupby(edits, key=lambda edit: edit.version):
        declared = [e for e in batch if isinstance(e.body, Declare) and e.version > 1]
        if declared:
            refs = list(dict.fromkeys(e.body.ref or e.body.section for e in declared if isinstance(e.body, Declare)))
            more = f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else ""
            says = f"system.yaml was applied anew: {', '.join(refs[:_NAMED])}{more}"
            yield Change(at=declared[0].draft.observed, about="system", says=says)


def _baselines(edits: Iterable[Edit]) -> Iterable[Change]:
    for edit in edits:
        if isinstance(edit.body, SetBaseline):
            says = f"the baseline became {_short(edit.body.name)}"
            yield Change(at=edit.draft.observed, about="system", says=says)
