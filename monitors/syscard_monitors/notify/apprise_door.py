"""Apprise, which knows how to reach a hundred kinds of chats, mailboxes and pagers. Nothing else may import it.

It says only whether it worked. Whether a message that failed may have arrived all the same is read from its log, of
which nothing is passed on: it may hold the address.
"""

from __future__ import annotations

import io
import logging
import re
from typing import Any, Final

from syscard_monitors.notify.jobs import CONNECT_S, READ_S, Job, Result

_REFUSED: Final = re.compile(r"\berror[=: ]+(\d{3})\b", re.IGNORECASE)
_BETWEEN: Final = frozenset({"502", "504"})
"""A proxy that had no answer from behind it: what it passed on may have arrived."""
_NOT_REACHED: Final = re.compile(
    r"NewConnectionError|ConnectTimeoutError|NameResolutionError|ConnectionRefusedError|Connection refused|"
    r"Name or service not known|Temporary failure in name resolution|getaddrinfo failed|SSLCertVerificationError"
)
_TYPES: Final = {"page": "failure", "ticket": "warning"}
_LOGGER: Final = "apprise"
_UNKNOWN: Final = Result("failed", "no address of a kind that Apprise knows")


def know(job: Job) -> Result:
    """Whether an address is one that Apprise can send to; says nothing of whether anybody is there."""
    return Result("sent") if _plugin(job.url) is not None else _UNKNOWN


def tell(job: Job) -> Result:
    """Send a message to one address."""
    plugin = _plugin(job.url)
    if plugin is None:
        return _UNKNOWN
    plugin.socket_connect_timeout, plugin.socket_read_timeout = CONNECT_S, READ_S
    log = _listen()
    sent = plugin.notify(
        body=job.body, title=job.title, notify_type=_TYPES.get(job.severity, "info"), body_format="text"
    )
    return Result("sent") if sent else _why(log.getvalue())


def _plugin(url: str) -> Any:
    import apprise

    logging.getLogger(_LOGGER).propagate = False
    asset = apprise.AppriseAsset(app_id="syscard", app_desc="syscard", app_url="", image_url_mask="")
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _listen() -> io.StringIO:
    log = io.StringIO()
    logger = logging.getLogger(_LOGGER)
    logger.setLevel(logging.DEBUG)
    logger.addHandler(logging.StreamHandler(log))
    return log


def _why(log: str) -> Result:
    if refused := _REFUSED.search(log):
        return Result("perhaps" if refused[1] in _BETWEEN else "failed", f"refused with {refused[1]}")
    if _NOT_REACHED.search(log):
        return Result("failed", "it could not be reached")
    return Result("perhaps", "no answer in time" if "timed out" in log else "it failed, Apprise does not say why")
