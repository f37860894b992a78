"""One thing to send, and what came of it: as it goes to the process that sends, and back. Standard library only."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, NamedTuple

DEADLINE_S: Final = 20.0
"""Seconds after which whoever sends is ended: a server that hangs, or answers a byte at a time, holds up nobody."""
CONNECT_S: Final = 5.0
READ_S: Final = 10.0


class Job(NamedTuple):
    """What is to be sent. The address goes over standard input: in no list of processes, and in no environment."""

    do: Literal["tell", "know", "get", "post"]
    """`know`: only say whether there is a way to send to this address; nothing is sent."""
    url: str
    title: str = ""
    body: str = ""
    severity: str = ""

    def __repr__(self) -> str:
        """Without the address: it would stand in a traceback."""
        return f"Job({self.do}, {self.title!r})"

    def line(self) -> str:
        """As JSON."""
        return json.dumps(self._asdict())


class Result(NamedTuple):
    """What came of it."""

    state: Literal["sent", "failed", "perhaps"]
    """`failed`: it has certainly not arrived; `perhaps`: nobody knows."""
    why: str = ""


def read_job(line: str) -> Job:
    """From JSON.

    Raises:
        ValueError: it is no job.
    """
    found: Any = json.loads(line)
    try:
        return Job(**found)
    except TypeError as error:
        raise ValueError("no job") from error


def read_result(line: str) -> Result:
    """From JSON; what cannot be read tells nothing of whether it was sent."""
    try:
        found = Result(**json.loads(line))
    except (TypeError, ValueError):
        return Result("perhaps", "the process that sent it ended without a word")
    return found
