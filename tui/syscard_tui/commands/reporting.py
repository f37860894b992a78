"""`report`: what Evidently says of a stretch of requests, kept as evidence."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from syscard.evidence_files import Kept
    from syscard.home import Home
    from syscard_monitors.reports import Asked, By, Report

LAST: Final = 1_000
"""Requests of a report where nobody says which."""
_COLUMNS: Final = "  {:<28} {:>9} {:>9}  {:<15} {:>9} {:>9}  {}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    context: typer.Context,
    since: Annotated[datetime | None, typer.Option("--from", help="Event time, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Event time, UTC.")] = None,
    last: Annotated[
        int | None, typer.Option(min=1, help=f"So many of the newest requests instead; {LAST:,} where nothing is said.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="How: test (one for each kind of signal), psi or js (one distance).")
    ] = "test",
    trained_on: Annotated[
        Path | None, typer.Option(help="CSV with columns user and item, and numbers that describe the item.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write the HTML here, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare requests with the baseline by Evidently: an HTML page and a JSON document, kept under their digests."""
    from syscard_monitors.drift import DriftWorker
    from syscard_tui.pages import let_go_of
    from syscard_tui.pages import told as let_go_told

    asked = _asked(since, until, last, by, trained_on)
    house, ref = options_of(context).house(), options_of(context).ref()
    worker = DriftWorker()
    try:
        with house.records() as records:
            worker.warm()  # importing Evidently takes seconds: it does so while spans are read
            made = house.watcher(records, worker).report(ref, asked)
            page, document = made.keep(house.home.reports / ref)
            gone = let_go_of(house, records.current(ref))
    finally:
        worker.close()
    if out is not None:
        _write(house.home, out, made.html)
    if as_json:
        say_json(told(made, page, document) | {"let_go": [page.digest for page in gone]})
        return
    _say(made.document, page, document)
    if gone:
        say(let_go_told(gone))


def told(made: Report, page: Kept, document: Kept) -> dict[str, Any]:
    """What `--json` prints: the document but for Evidently's own figures, and where both files are."""
    import json

    shown = {key: value for key, value in json.loads(made.json).items() if key != "evidently"}
    files = {"html": page, "json": document}
    return {**shown, "files": {kind: {"path": str(k.path), "sha256": k.digest} for kind, k in files.items()}}


def _asked(since: datetime | None, until: datetime | None, last: int | None, by: str, trained_on: Path | None) -> Asked:
    from syscard.errors import UsageError
    from syscard_monitors.rankings import Training, read_training
    from syscard_monitors.reports import Asked

    if last is not None and (since is not None or until is not None):
        raise UsageError("--last counts from the newest request: leave out --from and --to")
    if by not in ("test", "psi", "js"):
        raise UsageError(f"--by {by}: write test, psi or js")
    start, end = (m.replace(tzinfo=UTC) if m and m.tzinfo is None else m for m in (since, until))
    training = read_training(trained_on) if trained_on else Training()
    how: By = by  # type: ignore[assignment]
    return Asked(start, end, last if start or end else last or LAST, by=how, training=training)


def _write(home: Home, path: Path, html: bytes) -> None:
    from contextlib import nullcontext

    from syscard.modes import for_others

    outside = not path.resolve().is_relative_to(home.root.resolve())
    with for_others() if outside else nullcontext():
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(html)
        partial.replace(path)


def _drifted(row: dict[str, Any]) -> str:
    """Whether a signal drifted; `yes!` where it stands out among all that were tested."""
    if row["stands_out"]:
        return "yes!"
    return "yes" if row["drifted"] else "-"


def _say(document: dict[str, Any], page: Kept, kept: Kept) -> None:
    from syscard.words import one_line

    window, baseline = document["window"], document["baseline"]
    rows = document["signals"]
    say(
        f"{document['system']}: {window['requests']:,} requests, {window['start']:%Y-%m-%d %H:%M} to"
        f" {window['end']:%Y-%m-%d %H:%M} UTC, against baseline {one_line(baseline['name'])}"
    )
    if baseline["shared_requests"]:
        say(f"{baseline['shared_requests']:,} of them are in the baseline itself")
    say(_COLUMNS.format("signal", "now", "before", "method", "value", "limit", "drifted"))
    for row in rows:
        figures = (f"{row[name]:.4g}" for name in ("now", "before"))
        scores = (f"{row[name]:.2g}" for name in ("value", "threshold"))
        say(_COLUMNS.format(one_line(row["signal"]), *figures, row["method"], *scores, _drifted(row)))
    for ranking in document["rankings"]:
        _say_ranking(ranking)
    for signal, why in document["missing"].items():
        say(f"  {one_line(signal)}: {one_line(why)}")
    say(
        f"{sum(row['drifted'] for row in rows)} of {len(rows)} signals drifted, by {document['engine']}"
        f"{'; ! stands out among so many' if any(row['stands_out'] for row in rows) else ''}"
    )
    for kind, file in (("HTML", page), ("JSON", kept)):
        say(f"{kind} {file.path}")
        say(f"     sha256 {file.digest}")


def _say_ranking(ranking: dict[str, Any]) -> None:
    """A component's lists in two lines or three."""
    from syscard.words import one_line, wrap

    said = (
        f"lists of {ranking['component']}: {ranking['lists']:,}, of {ranking['answered']:,} it is known what was taken"
    )
    say(f"{said}; top {ranking['k']}" if ranking["k"] else said)
    for name, value in ranking["metrics"].items():
        before = ranking["before"].get(name)
        was = f"{before:.3f}" if before is not None else f"unknown: {one_line(ranking['missing_before'].get(name, ''))}"
        say(f"  {name:<20} {value:>9.3f}  before {was}")
    reasons: dict[str, list[str]] = {}
    for name, why in ranking["missing"].items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        for line in wrap(f"{', '.join(names)}: {why}", 100, first="  no "):
            say(line)
