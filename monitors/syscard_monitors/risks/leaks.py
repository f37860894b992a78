"""IR-17, personal data across components: they turn up where no edge allows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.system import System
from syscard.words import one_line
from syscard_monitors.assemble import Request
from syscard_monitors.facts import is_taken
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples

ALLOWING: Final = ("personal", "pii", "contact")
"""Words of `allowed_data` that allow personal data: `personal data`, `contact details`."""
ALONE: Final = 1
"""Hits in all requests that wake nobody: the counter errs, above all on what is shaped like a number."""
_PII: Final = ".pii"


class PersonalDataLeak:
    """An edge whose source wrote personal data that it does not allow: one event is enough, baseline or none.

    A single hit is a ticket, more are a page.
    """

    id: Final = "IR-17"
    invariant: Final = True

    def places(self, system: System) -> tuple[str, ...]:
        """Declared edges."""
        return tuple(system.interactions)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:  # noqa: ARG002 - as all risks have it
        """An invariant knows no baseline."""
        return {}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:  # noqa: ARG002 - as all risks have it
        """The share of requests in which the source hands on what the edge does not allow."""
        allowed = case.system.interactions[case.about].allowed_data
        if not allowed:
            return Lacking(f"needs allowed_data on {case.about}")
        # What a part was given is another's.
        fields = [n for n in roles.fields_of(case, case.source) if n.endswith(_PII) and not is_taken(n)]
        counts = [_personal(r, fields) for r in case.requests]
        told = [None if count is None else count > 0 for count in counts]
        n = sum(found is not None for found in told)
        if not n:
            return roles.needs(f"texts that {case.source} writes")
        if any(word in data.lower() for data in allowed for word in ALLOWING):
            return Lacking(f"{case.about} allows personal data, so none is a leak", n=n)
        hits, allows = sum(bool(found) for found in told), ", ".join(map(one_line, allowed))
        return Reading(
            n=n,
            effect=hits / n,
            says=f"{case.source} wrote personal data in {hits} of {n} requests; {case.about} allows {allows}",
            scale="share",
            value=hits / n,
            reference=0.0,
            unit="share",
            share=hits / n,
            severity="ticket" if sum(filter(None, counts)) == ALONE else "",
            traces=examples(case.requests, told),
        )


def _personal(request: Request, fields: Sequence[str]) -> float | None:
    """Hits in what a part wrote. None where no text was counted."""
    counts = [v for name in fields for v in request.values.get(name, ()) if isinstance(v, int | float)]
    return sum(counts) if counts else None
