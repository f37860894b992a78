"""Sends one job in a process of its own, which is ended when it takes too long."""

from __future__ import annotations

from typing import Final

from syscard_monitors.child import ask, environment
from syscard_monitors.notify.jobs import DEADLINE_S, Job, Result, read_result

_OF_NETWORK: Final = ("proxy", "ssl_cert", "ca_bundle")
"""What says how to reach the network, in capitals or not; what is secret is not passed on."""


def send(job: Job, deadline_s: float = DEADLINE_S) -> Result:
    """Send it; returns within the deadline, whatever the server does; ctrl-c does not reach it."""
    out = ask("syscard_monitors.notify.sender", job.line(), deadline_s, environment(_OF_NETWORK))
    return Result("perhaps", f"no answer within {deadline_s:g} s") if out is None else read_result(out)
