"""Every risk that is implemented, in the order of the catalogue."""

from __future__ import annotations

from typing import Final

from syscard_monitors.risks.amplification import Amplification
from syscard_monitors.risks.base import Risk
from syscard_monitors.risks.blind import BlindSpot
from syscard_monitors.risks.changes import UndeclaredChange
from syscard_monitors.risks.common_cause import CommonCause
from syscard_monitors.risks.confidence import Miscalibration
from syscard_monitors.risks.conflicts import Conflict
from syscard_monitors.risks.contracts import ContractChange
from syscard_monitors.risks.coupling import CoMovement, Coupling
from syscard_monitors.risks.disparities import DisparityAmplification
from syscard_monitors.risks.freshness import FreshnessSkew
from syscard_monitors.risks.injection import Injection
from syscard_monitors.risks.judges import JudgeCoupling
from syscard_monitors.risks.leaks import PersonalDataLeak
from syscard_monitors.risks.lists import Homogenisation, Popularity
from syscard_monitors.risks.masking import ErrorMasking
from syscard_monitors.risks.orders import ColdStart, OutOfCandidates, Override
from syscard_monitors.risks.propagation import Propagation
from syscard_monitors.risks.rationales import IgnoredInput, Ungrounded, WrongItem
from syscard_monitors.risks.repetition import Repetition
from syscard_monitors.risks.slices import SegmentMasking
from syscard_monitors.risks.tokens import TokenBlowUp

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
    UndeclaredChange(),
    ContractChange(),
    Injection(),
    PersonalDataLeak(),
    TokenBlowUp(),
    DisparityAmplification(),
    SegmentMasking(),
    ErrorMasking(),
    CommonCause(),
    FreshnessSkew(),
    Repetition(),
    Miscalibration(),
    JudgeCoupling(),
    BlindSpot(),
)
"""One instance each; a risk holds no state."""
