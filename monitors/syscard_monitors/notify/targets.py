"""Whom to tell: addresses from the environment or a file, never from system.yaml, and never shown as they are.

An address holds a password or a token. What is shown, stored and logged is its label, of which no part is secret.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from syscard.errors import UsageError
from syscard.words import one_line

URL: Final = "SYSCARD_NOTIFY_URL"
FILE: Final = "SYSCARD_NOTIFY_FILE"
HEARTBEAT: Final = "SYSCARD_HEARTBEAT_URL"
ALERTMANAGER: Final = "SYSCARD_ALERTMANAGER_URL"
VARIABLES: Final = (URL, FILE, HEARTBEAT, ALERTMANAGER)
IN_HOME: Final = "notify.urls"
"""A file of the home with addresses, one a line."""
MOST: Final = 20
"""Addresses of one home."""
_MOST_BYTES: Final = 64 * 1024
_NAMES_A_HOST: Final = frozenset(
    {"json", "jsons", "xml", "xmls", "form", "forms", "http", "https", "mailto", "mailtos"}
)
"""Schemes in which the host is a host. In others it may be a token: `slack://TOKEN/...`."""


class Target(NamedTuple):
    """Whom to tell."""

    label: str
    """What is shown of it: `jsons://hooks.example.com/...`, `slack://...`."""
    url: str

    def __repr__(self) -> str:
        """Without the address: it would stand in a traceback."""
        return f"Target({self.label})"


class Addresses(NamedTuple):
    """Every address of a home."""

    targets: tuple[Target, ...] = ()
    """Of messages, by Apprise."""
    heartbeat: Target | None = None
    """What is asked for every minute while the monitors live."""
    alertmanager: Target | None = None
    """Root of an Alertmanager."""

    def __bool__(self) -> bool:
        """Whether anybody is told anything."""
        return bool(self.targets or self.heartbeat or self.alertmanager)


def read_addresses(environ: Mapping[str, str], home: Path) -> Addresses:
    """The addresses of the environment, of the file it names, and of the home's own file.

    Raises:
        UsageError: a file can be read by others or not at all, or an address is none. No message has an address in it.
    """
    lines = [*environ.get(URL, "").split(), *_lines_of(environ, home)]
    if len(lines) > MOST:
        raise UsageError(f"{len(lines)} addresses to tell: at most {MOST}")
    targets = tuple(_labelled(dict.fromkeys(lines)))
    return Addresses(targets, _http(environ, HEARTBEAT), _http(environ, ALERTMANAGER))


def _lines_of(environ: Mapping[str, str], home: Path) -> Iterator[str]:
    if named := environ.get(FILE):
        yield from _file(Path(named), FILE)
    if (own := home / IN_HOME).exists():
        yield from _file(own, "")


def _file(path: Path, named_by: str) -> Iterator[str]:
    """The addresses in a file; blank lines and those that begin with # are none."""
    shown = f"{named_by}: {path}" if named_by else str(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UsageError(f"{shown} can be read by others, and holds passwords: chmod 600 it")
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{shown}: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{shown} is larger than {_MOST_BYTES // 1024} KiB: one address a line")
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        if (text := line.strip()) and not text.startswith("#"):
            if len(text.split()) != 1:
                raise UsageError(f"{shown}:{number}: one address a line, without blanks")
            yield text


def _labelled(urls: Iterable[str]) -> Iterator[Target]:
    """Each address with a label of its own: two that look alike are numbered."""
    seen = Counter[str]()
    for url in urls:
        label = masked(url)
        seen[label] += 1
        yield Target(label if seen[label] == 1 else f"{label} #{seen[label]}", url)


def masked(url: str) -> str:
    """What may be shown of an address: its scheme, and its host where that is none of its secrets.

    Raises:
        UsageError: it is no address.
    """
    scheme, found, _ = url.partition("://")
    if not found or not scheme.isascii() or not scheme.replace("-", "").replace("+", "").isalnum():
        raise UsageError("an address to tell has no scheme (jsons://host/path, slack://...): it is not shown here")
    if scheme.lower() not in _NAMES_A_HOST:
        return f"{scheme.lower()}://..."
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise UsageError(f"an address to tell ({scheme.lower()}://...) has no host or port that can be read") from None
    return one_line(f"{scheme.lower()}://{parts.hostname or ''}{port}/...")


def _http(environ: Mapping[str, str], variable: str) -> Target | None:
    url = environ.get(variable, "").strip()
    if not url:
        return None
    if not url.lower().startswith(("http://", "https://")) or len(url.split()) != 1:
        raise UsageError(f"{variable}: an address of http:// or https:// is needed (what is there is not shown)")
    return Target(masked(url), url)
