"""Every risk that is implemented, in the order of the catalogue."""

from __future__ import annotations

from typing import Final

from syscard_monitors.risks.amplification import Amplification
from syscard_monitors.risks.base import Risk
from syscard_monitors.risks.coupling import CoMovement, Coupling
from syscard_monitors.risks.lists import Homogenisation, Popularity
from syscard_monitors.risks.orders import ColdStart, OutOfCandidates, Override
from syscard_monitors.risks.propagation import Propagation
from syscard_monitors.risks.rationales import Conflict, IgnoredInput, Ungrounded, WrongItem

RISKS: Final[tuple[Risk, ...]] = (
    Propagation(),
    Coupling(),
    CoMovement(),
    Conflict(),
    Ungrounded(),
    WrongItem(),
    IgnoredInput(),
    Override(),
    OutOfCandidates(),
    Popularity(),
    Homogenisation(),
    ColdStart(),
    Amplification(),
)
"""One instance each; a risk holds no state."""
