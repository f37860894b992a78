"""The process that sends one job: reads it from standard input, sends it, says what came of it, and ends.

A library that hangs, leaks or writes what it should not is ended with it, and reaches neither log nor terminal.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from syscard_monitors.notify.jobs import READ_S, Job, Result, read_job

_AGENT: Final = "syscard"


def main() -> None:
    """Send what standard input says."""
    job = read_job(sys.stdin.readline())
    try:
        result = _sent(job)
    except Exception as error:  # noqa: BLE001  (whatever broke: the address may stand in its words, so only its kind)
        result = Result("perhaps", type(error).__name__)
    sys.stdout.write(json.dumps(result._asdict()) + "\n")


def _sent(job: Job) -> Result:
    if job.do in ("get", "post"):
        return _http(job)
    from syscard_monitors.notify.apprise_door import know, tell

    return tell(job) if job.do == "tell" else know(job)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take what is posted, and the password in the address, somewhere else."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _http(job: Job) -> Result:
    data = job.body.encode() if job.do == "post" else None
    url, headers = _without_user(job.url)
    headers |= {"User-Agent": _AGENT, **({"Content-Type": "application/json"} if data else {})}
    request = urllib.request.Request(url, data, headers)  # noqa: S310  (http or https: checked where it is read)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=READ_S) as answer:
            answer.read(1024)
    except urllib.error.HTTPError as error:
        return Result("failed", f"HTTP {error.code}")
    except urllib.error.URLError as error:
        return Result("failed", _reason(error.reason))
    except TimeoutError:
        return Result("perhaps", "no answer in time")
    except OSError as error:
        return Result("perhaps", _reason(error))
    return Result("sent")


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """An address without `user:password@`, and the header that says the same."""
    parts = urlsplit(url)
    user, found, host = parts.netloc.rpartition("@")
    if not found:
        return url, {}
    basic = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {basic}"}


def _reason(error: object) -> str:
    """Why it could not be reached, in the system's words: those of the library may hold the address."""
    if isinstance(error, socket.gaierror):
        return "its host has no address"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__


if __name__ == "__main__":
    main()
