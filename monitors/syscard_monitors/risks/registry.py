"""Every risk that is implemented, in the order of the catalogue."""

from __future__ import annotations

from typing import Final

from syscard_monitors.risks.amplification import Amplification
from syscard_monitors.risks.base import Risk

RISKS: Final[tuple[Risk, ...]] = (Amplification(),)
"""One instance each; a risk holds no state."""
