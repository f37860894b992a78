"""Reports of Evidently's that are kept, in words. Standard library only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from syscard.words import moment, one_line, stamp, wrap


def files_text(report: dict[str, Any], gone: Collection[str]) -> str:
    """The two files of a report; the page goes first, and what was there is still known by its digest."""
    went = [" (gone)" if report[key] in gone else "" for key in ("document_sha256", "page_sha256")]
    return f"{report['document_sha256']}.json{went[0]}, its page {report['page_sha256']}.html{went[1]}"


def reports_lines(card: dict[str, Any], width: int, gone: Collection[str]) -> Iterator[str]:
    """Those that are made every so often, the newest first."""
    for report in reversed(card["reports"]):
        when = f"{stamp(moment(report['start']))} to {stamp(moment(report['end']))}"
        if report["why"]:
            yield from wrap(f"{when}: none, {one_line(report['why'])}", width, first="  ", rest="    ")
            continue
        said = f"{report['requests']:,} requests, {report['drifted']} of {report['compared']} signals drifted"
        yield from wrap(f"{when}: {said}; {files_text(report, gone)}", width, first="  ", rest="    ")
