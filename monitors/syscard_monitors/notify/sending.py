"""Sends one job in a process of its own, which is ended when it takes too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Final

from syscard_monitors.notify.jobs import DEADLINE_S, Job, Result, read_result

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
_OF_NETWORK: Final = ("proxy", "ssl_cert", "ca_bundle")
"""What says how to reach the network, in capitals or not."""


def send(job: Job, deadline_s: float = DEADLINE_S) -> Result:
    """Send it; returns within the deadline, whatever the server does."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "syscard_monitors.notify.sender"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        process_group=0,  # ctrl-c is not for it: what is being sent is sent
        text=True,
    ) as child:
        try:
            out, _ = child.communicate(job.line(), deadline_s)
        except subprocess.TimeoutExpired:
            _kill(child)
            return Result("perhaps", f"no answer within {deadline_s:g} s")
        except BaseException:
            _kill(child)
            raise
    return read_result(out)


def _kill(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def _environment() -> dict[str, str]:
    """Without what is secret: the sender is given one address, and needs no other."""
    return {
        key: value
        for key, value in os.environ.items()
        if key in _PASSED_ON or any(part in key.lower() for part in _OF_NETWORK)
    }
