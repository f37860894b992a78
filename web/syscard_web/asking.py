"""What is asked and what is answered, without any web framework; who may ask; and the headers of every answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from syscard.access import authorised
from syscard.errors import (
    MissingExtra,
    NothingDeclared,
    NotOnTheCard,
    RecordsError,
    SyscardError,
    UsageError,
)

NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content policy of what is no page."""
STRICT: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    # Cards name people and incidents: nothing of them stays on the way.
    "cache-control": "no-store",
}
REALM: Final = 'Basic realm="syscard: any user, the token as password", charset="UTF-8"'
_LONGEST: Final = 200


class NotAllowed(SyscardError):
    """No token, or a wrong one."""


class WrongHost(SyscardError):
    """A name under which this server is not known: a page elsewhere may have made it point here."""


class NotHere(SyscardError):
    """There is no such page."""


_STATUS: Final[tuple[tuple[type[SyscardError], int], ...]] = (
    (NotAllowed, 401),
    (WrongHost, 421),
    (NotHere, 404),
    (NotOnTheCard, 404),
    (NothingDeclared, 404),
    (UsageError, 400),
    (RecordsError, 503),
    (MissingExtra, 503),
)


@dataclass(frozen=True)
class Asked:
    """One request, as far as it is looked at."""

    path: str = "/"
    host: str = ""
    authorization: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    """What the path names: `number`, `version`."""

    def said(self, name: str) -> str | None:
        """A word of the query; None where it is not there or empty.

        Raises:
            UsageError: it is longer than any that is meant.
        """
        word = self.query.get(name) or None
        if word is not None and len(word) > _LONGEST:
            raise UsageError(f"{name} is longer than {_LONGEST} characters")
        return word


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    body: bytes
    media_type: str
    headers: dict[str, str]


def status_of(error: SyscardError) -> int:
    """How an error is said over HTTP."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def check(asked: Asked, token: str | None) -> None:
    """Whether this one may read.

    With a token it must be there, as of whoever sends spans. Without one only this machine can reach the port; a page
    that somebody opened on it could still make a name of its own point here, so only names of this machine are taken.

    Raises:
        NotAllowed: the token is not there, or another.
        WrongHost: without a token, a host that is no name of this machine.
    """
    if not authorised(asked.authorization, token, password=True):
        raise NotAllowed("a token is needed: as password of any user, or as Authorization: Bearer TOKEN")
    if token is None and not is_this_machine(asked.host):
        raise WrongHost("this server is not known by that name: open it as localhost or 127.0.0.1, or give it a token")


def is_this_machine(host: str) -> bool:
    """Whether a Host header names the loopback."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or "]:" in host else host
    with suppress(ValueError):
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    return name.lower() == "localhost"
