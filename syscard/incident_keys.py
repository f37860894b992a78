"""What makes two incidents the same, and what makes several a group. Pure.

Neither key holds a value, a time, a version or a threshold: one alert that fired 23,696 times because its key changed
with the figure, and another that hid everything because its key was a name, are why.
"""

from __future__ import annotations

from typing import Any, Final

from syscard.digest import digest
from syscard.finding import Finding
from syscard.system import SYSTEM

OVERFLOW: Final = "overflow"
"""Rule of the incident that gathers what there is no room for."""
ENVIRONMENT: Final = "deployment.environment.name"
_LENGTH: Final = 16


def fingerprint(system: str, *, rule: str, part: str, metric: str, segment: str = "") -> str:
    """Sixteen hex digits of `system | risk or signal | component or edge | metric | segment`."""
    return digest([system, rule, part, metric, segment])[:_LENGTH]


def fingerprint_of(system: str, finding: Finding) -> str:
    """Of what a finding is about. The two paces of an error budget differ by a threshold only, so they are one."""
    name = rule_of(finding.signal, finding.kind)
    return fingerprint(system, rule=name, part=finding.about, metric=name)


def rule_of(signal: str, kind: str) -> str:
    """The rule that a finding was made by."""
    return f"{signal.rpartition('.')[0]}.burn" if kind == "burn" else signal


def overflow_fingerprint(system: str) -> str:
    """Of the one incident that gathers what there is no room for."""
    return fingerprint(system, rule=OVERFLOW, part=SYSTEM, metric="")


def group_key(system: str, root: str, traces: dict[str, Any]) -> str:
    """`shop/vlm`, or `shop/vlm/production` where the system's spans are selected by environment.

    Args:
        system: reference of the system.
        root: the component that is named first.
        traces: the card's `traces`.
    """
    environment = (traces.get("select") or {}).get(ENVIRONMENT)
    return "/".join((system, root, *((str(environment),) if environment else ())))


def signal_of(key: str, about: str) -> str:
    """`agrees` of `vlm.agrees`; a part that spans made up may have dots in its name."""
    return key.removeprefix(f"{about}.")
