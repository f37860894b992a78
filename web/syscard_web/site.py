"""The site of one home: every request in, its page or document out. No web framework; it only reads."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from syscard.clock import Clock
from syscard.errors import NothingDeclared, RecordsError, SyscardError, UsageError, place_of
from syscard.render.html import drawn, style_policy
from syscard.render.report import Report
from syscard.views import View
from syscard.words import stamp
from syscard_web import documents as d
from syscard_web import pages as p
from syscard_web.asking import NOTHING, REALM, STRICT, Answer, Asked, NotHere, check, status_of
from syscard_web.incident_page import incident_page
from syscard_web.openapi import LARGEST, MOST, ROOT, openapi
from syscard_web.reading import PAGE, Reader

ROOM: Final = "syscard_web"
SYSTEMS_SHOWN: Final = 50
EDITS_SHOWN: Final = 200
_KEPT: Final = 4
"""Answers: a large card is megabytes."""
_GOOD_FOR: Final = timedelta(seconds=10)
_log = logging.getLogger("syscard.web")
_Page = Callable[["Site", Asked], tuple[Report, View | None, str]]
"""What it says, what charts are drawn of, and the document of the same."""
_Document = Callable[["Site", Asked], Any]
_Key = tuple[str, frozenset[tuple[str, str]], frozenset[tuple[str, str]]]


class _Kept(NamedTuple):
    """An answer, when it was made, and of which records."""

    answer: Answer
    at: datetime
    stamp: int


class Site:
    """Answers whoever may read the home."""

    def __init__(self, records: Path, token: str | None, clock: Clock) -> None:
        self.reader = Reader(records)
        self.clock = clock
        self._token = token
        self._kept: dict[_Key, _Kept] = {}
        self._lock = threading.Lock()

    def page(self, name: str, asked: Asked) -> Answer:
        """A page, or a page that says what to do."""
        try:
            check(asked, self._token)
            return self._once(name, asked, lambda: self._drawn(200, *PAGES[name](self, asked), asked))
        except SyscardError as error:
            return self._error_page(error)
        except Exception as error:  # noqa: BLE001 - whoever reads gets a page, whatever broke
            return self._error_page(_broke(name, error))

    def document(self, name: str, asked: Asked) -> Answer:
        """A document, or one that says what is wrong."""
        try:
            check(asked, self._token)
            return self._once(f"{ROOT}{name}", asked, lambda: _json(200, DOCUMENTS[name](self, asked)))
        except SyscardError as error:
            return _refused(error)
        except Exception as error:  # noqa: BLE001 - the same for a program
            return _refused(_broke(name, error))

    def missing(self, asked: Asked) -> Answer:
        """What is not here."""
        error: SyscardError
        try:
            check(asked, self._token)
            error = NotHere("there is no such page: the card is at /, documents for programs at /api/v1/openapi.json")
        except SyscardError as refusal:
            error = refusal
        return _refused(error) if asked.path.startswith("/api/") else self._error_page(error)

    def busy(self, asked: Asked) -> Answer:
        """Too many are reading; nothing is drawn, as there is no time for it."""
        return _in_short(503, "too many are reading: try again", asked, {"retry-after": "2"})

    def only_read(self, asked: Asked, headers: Mapping[str, str]) -> Answer:
        """A method that would change something, with the headers of the framework's own answer."""
        return _in_short(405, "read only: GET is what is taken here", asked, headers)

    def health(self) -> Answer:
        """Whether the records can be read; for everybody, as it says nothing else."""
        try:
            self.reader.systems()
        except NothingDeclared:
            pass
        except SyscardError as error:
            _log.error("the records cannot be read: %s", error)
            return _json(503, {"ok": False})
        return _json(200, {"ok": True})

    def system(self, asked: Asked) -> str:
        """The system that is meant."""
        return self.reader.choose(asked.said("system"))

    def view(self, asked: Asked) -> View:
        """Its view."""
        return self.reader.view(self.system(asked))

    def place(self, asked: Asked) -> p.Place:
        """Where links lead: the system is named in them where it was named."""
        return p.Place(asked.said("system") or "")

    def _once(self, name: str, asked: Asked, make: Callable[[], Answer]) -> Answer:
        """What was answered a moment ago, while the records are the same: many may read at one time."""
        key = (name, frozenset(asked.named.items()), frozenset(asked.query.items()))
        now, stamp = self.clock(), self.reader.stamp()
        kept = self._kept.get(key)
        if kept and kept.stamp == stamp and timedelta() <= now - kept.at < _GOOD_FOR:
            return kept.answer
        answer = make()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = _Kept(answer, now, stamp)
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return answer

    def _error_page(self, error: SyscardError) -> Answer:
        status = status_of(error)
        page = p.error_page(status, str(error))
        navigation = p.navigation(p.Place(), "", None, several=status in (400, 404) and self._several())
        return self._html(status, page, None, navigation, f"{ROOT}/systems", _challenge(error))

    def _drawn(self, status: int, page: Report, view: View | None, data: str, asked: Asked) -> Answer:
        place, here = self.place(asked), data if data == "/systems" else asked.path
        waiting = None if data == "/systems" else p.open_incidents(view or self.view(asked))
        navigation = p.navigation(place, here, waiting, several=self._several())
        return self._html(status, page, view, navigation, place.to(f"{ROOT}{data}"), {})

    def _several(self) -> bool:
        with suppress(SyscardError):
            return len(self.reader.systems()) > 1
        return False

    def _html(
        self,
        status: int,
        page: Report,
        view: View | None,
        navigation: list[tuple[str, str, bool]],
        data: str,
        headers: Mapping[str, str],
    ) -> Answer:
        more = {"navigation": navigation, "drawn": stamp(self.clock()), "data": data}
        body = drawn("page.html.j2", page, view, room=ROOM, **more).encode(errors="replace")
        policy = {"content-security-policy": f"{self._policy}; frame-ancestors 'none'"}
        return Answer(status, body, "text/html; charset=utf-8", {**STRICT, **policy, **headers})

    @cached_property
    def _policy(self) -> str:
        return style_policy(ROOM)


def _json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
    # ASCII: text from outside may hold halves of characters, which UTF-8 cannot.
    body = json.dumps(document, allow_nan=False).encode()
    policy = {"content-security-policy": NOTHING}
    return Answer(status, body, "application/json", {**STRICT, **policy, **(headers or {})})


def _in_short(status: int, text: str, asked: Asked, headers: Mapping[str, str]) -> Answer:
    if asked.path.startswith("/api/"):
        return _json(status, {"error": text}, headers)
    policy = {"content-security-policy": NOTHING}
    return Answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8", {**STRICT, **policy, **headers})


def _refused(error: SyscardError) -> Answer:
    return _json(status_of(error), {"error": str(error)}, _challenge(error))


def _broke(name: str, error: Exception) -> SyscardError:
    """What nobody foresaw: the log has its kind and place, and nothing that came from a span."""
    _log.error("%s could not be answered: %s", name, place_of(error))
    return SyscardError("internal error: see the log of syscard serve")


def _challenge(error: SyscardError) -> dict[str, str]:
    return {"www-authenticate": REALM} if status_of(error) == 401 else {}


def _whole(text: str, what: str, most: int = LARGEST) -> int:
    """A number as people write it.

    Raises:
        UsageError: it is none, or too large to be one.
    """
    digits = text.upper().removeprefix("INC-").removeprefix("V")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 10 or not 0 < int(digits) <= most:
        raise UsageError(f"'{text[:40]}' is no {what}: write a whole number, 1 to {most:,}")
    return int(digits)


def _before(asked: Asked) -> int | None:
    said = asked.said("before")
    return _whole(said, "version") if said else None


# ------------------------------------------------------------------------------------------------------------- pages


def _card(site: Site, asked: Asked) -> tuple[Report, View | None, str]:
    systems = site.reader.systems()
    if asked.said("system") is None and len(systems) > 1:
        return _systems(site, asked)
    view, why = site.view(asked), ""
    try:
        newest = site.reader.history(site.system(asked), None, p.NEWEST)
    except RecordsError as error:  # an old edit that was changed must not take the card of now with it
        newest, why = [], str(error)
    return p.card_page(view, newest, site.place(asked), site.clock(), why), view, "/card"


def _systems(site: Site, _asked: Asked) -> tuple[Report, View | None, str]:
    known = site.reader.systems()
    views = {ref: site.reader.view(ref) for ref in known[:SYSTEMS_SHOWN]}
    return p.systems_page(views, site.clock(), len(known) - len(views)), None, "/systems"


def _history(site: Site, asked: Asked) -> tuple[Report, View | None, str]:
    view = site.view(asked)
    shown = site.reader.history(site.system(asked), _before(asked), PAGE)
    return p.history_page(view, shown, site.place(asked)), None, "/history"


def _version(site: Site, asked: Asked) -> tuple[Report, View | None, str]:
    view, number = site.view(asked), _whole(asked.named["version"], "version")
    system = site.system(asked)
    one = site.reader.version(system, number)
    edits = site.reader.edits_of(system, number, EDITS_SHOWN)
    return p.version_page(view, one, edits, site.place(asked)), None, f"/history/{number}"


def _incidents(site: Site, asked: Asked) -> tuple[Report, View | None, str]:
    return p.incidents_page(site.view(asked), site.place(asked)), None, "/incidents"


def _incident(site: Site, asked: Asked) -> tuple[Report, View | None, str]:
    number = _whole(asked.named["number"], "incident")
    return incident_page(site.view(asked), number), None, f"/incidents/{number}"


def _crosswalk(site: Site, asked: Asked) -> tuple[Report, View | None, str]:
    return p.crosswalk_page(site.view(asked), site.clock()), None, "/crosswalk"


PAGES: Final[dict[str, _Page]] = {
    "/": _card,
    "/systems": _systems,
    "/history": _history,
    "/history/{version}": _version,
    "/incidents": _incidents,
    "/incidents/{number}": _incident,
    "/crosswalk": _crosswalk,
}
"""By path."""


# --------------------------------------------------------------------------------------------------------- documents


def _systems_document(site: Site, _asked: Asked) -> Any:
    views = (site.reader.view(ref) for ref in site.reader.systems())
    return [d.system_row(view, site.clock()) for view in views]


def _history_document(site: Site, asked: Asked) -> Any:
    most = asked.said("most")
    count = _whole(most, "count of versions", MOST) if most else PAGE
    system = site.system(asked)
    return [d.version_row(one) for one in site.reader.history(system, _before(asked), count)]


def _version_document(site: Site, asked: Asked) -> Any:
    number = _whole(asked.named["version"], "version")
    return d.version_row(site.reader.version(site.system(asked), number))


def _incident_document(site: Site, asked: Asked) -> Any:
    return d.incident_of(site.view(asked), _whole(asked.named["number"], "incident"))


DOCUMENTS: Final[dict[str, _Document]] = {
    "/systems": _systems_document,
    "/status": lambda site, asked: d.status_document(site.view(asked), site.clock()),
    "/card": lambda site, asked: d.card_document(site.view(asked), site.clock()),
    "/claims": lambda site, asked: d.claims_document(site.view(asked)),
    "/claims/{claim}": lambda site, asked: d.claim_document(site.view(asked), asked.named["claim"]),
    "/incidents": lambda site, asked: d.incidents_document(site.view(asked)),
    "/incidents/{number}": _incident_document,
    "/history": _history_document,
    "/history/{version}": _version_document,
    "/gate": lambda site, asked: d.gate_document(site.view(asked)),
    "/crosswalk": lambda site, asked: d.crosswalks_document(site.view(asked), site.clock(), asked.said("framework")),
    "/openapi.json": lambda _site, _asked: openapi(),
}
"""By path below `/api/v1`."""
