"""Reports that are kept in the home: which are let go, which have gone, and how much they take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from syscard.evidence_files import LetGo, is_whole, let_go
from syscard.words import plural

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.home import Home
    from syscard.records.store import Records
    from syscard.views import View
    from syscard_monitors.reports import Report
    from syscard_tui.wiring import House

_MB: Final = 1_000_000


class Named(NamedTuple):
    """The files that the chain names, by what has become of them."""

    gone: frozenset[str]
    changed: tuple[str, ...]
    """Names of files that are not what their digests say."""


def let_go_of(house: House, card: Card) -> tuple[LetGo, ...]:
    """Remove pages beyond those that system.yaml says are kept, but for those of open incidents.

    Where it does not say so none is removed. A page is Evidently's drawing of the document beside it, which stays.
    """
    from syscard.declare import system_of

    asked = system_of(card).monitors.report
    if asked is None:
        return ()
    needed = {report.page_sha256 for incident in card.live_incidents for report in incident.reports}
    return let_go(house.home.reports / card.system, ".html", asked.keep, needed)


def kept(house: House, system: str, made: Report) -> dict[str, Any]:
    """Keep a report in the home; what an edit says of it."""
    page, document = made.keep(house.home.reports / system)
    signals = made.document["signals"]
    return {
        "document_sha256": document.digest,
        "page_sha256": page.digest,
        "engine": made.document["engine"],
        "compared": len(signals),
        "drifted": sum(row["drifted"] for row in signals),
    }


def told(gone: tuple[LetGo, ...]) -> str:
    """`3 pages were let go (15.1 MB)`."""
    return f"{plural(len(gone), 'older page')} let go ({sum(page.bytes for page in gone) / _MB:,.1f} MB)"


def named(house: House, records: Records, ref: str) -> Named:
    """What has become of the files that the chain of a system names."""
    from syscard.edits import PeriodicReport, ReportOnIncident

    folder = house.home.reports / ref
    bodies = [edit.body for edit in records.edits(ref) if isinstance(edit.body, ReportOnIncident | PeriodicReport)]
    paths = [
        folder / f"{digest}{suffix}"
        for body in bodies
        for digest, suffix in ((body.document_sha256, ".json"), (body.page_sha256, ".html"))
        if digest is not None
    ]
    gone = {path for path in paths if not path.is_file()}
    changed = sorted(path.name for path in {*paths} - gone if not is_whole(path))
    return Named(frozenset(path.stem for path in gone), tuple(changed))


def gone_from(home: Home, view: View) -> frozenset[str]:
    """Digests of the files of reports that a card names and that are not there."""
    card = view["card"]
    reports = [*card.get("reports", ()), *(r for i in card["incidents"].values() for r in i.get("reports", ()))]
    names = [(r["document_sha256"], ".json") for r in reports] + [(r["page_sha256"], ".html") for r in reports]
    folder = home.reports / card["system"]
    return frozenset(digest for digest, suffix in names if digest and not (folder / f"{digest}{suffix}").is_file())


def finding(house: House, records: Records, ref: str) -> dict[str, Any]:
    """What `doctor` says of the reports of a system."""
    found = named(house, records, ref)
    if found.changed:
        what = f"{ref}: {found.changed[0]} in {house.home.reports / ref} is not what its digest says"
        return {
            "ok": False,
            "what": what,
            "do": "restore it from a backup, or move it away",
        }
    files = _files(house.home.reports / ref)
    pages = sum(path.suffix == ".html" for path in files)
    size = sum(path.stat().st_size for path in files) / _MB
    what = f"{ref}: reports take {size:,.1f} MB, with {plural(pages, 'page')}"
    if found.gone:
        what += f"; {plural(len(found.gone), 'file')} that the chain names went, and their digests stay"
    return {"ok": True, "what": what, "do": ""}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in (".html", ".json")] if folder.is_dir() else []
