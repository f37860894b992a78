"""The watcher's own health in words: a dead monitor, or one without spans, must not look like peace.

Pure functions over the JSON of a view; standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from syscard.samples import beside
from syscard.words import figure, moment, one_line, plural, share, span_of

SILENT_AFTER: Final = timedelta(seconds=90)
"""A watcher that has not run for this long is said to be silent."""
QUIET_AFTER: Final = timedelta(minutes=15)
"""Without a span for this long by the clock, the watcher's line says so, nothing is OK, and `status --check` fails: a
quiet system and a broken exporter look alike."""
RESTARTED_LATELY: Final = timedelta(hours=1)
"""The watcher's line tells of the restarts of so long."""
WatcherState = Literal["never", "silent", "errors", "alive"]


def watcher_state(watcher: dict[str, Any], now: datetime) -> WatcherState:
    """`never` ran, `silent` for too long, ran with `errors`, or `alive`."""
    last_run = moment(watcher.get("last_run"))
    if last_run is None:
        return "never"
    if now - last_run > SILENT_AFTER:
        return "silent"
    return "errors" if watcher.get("errors") else "alive"


def watcher_line(watcher: dict[str, Any], now: datetime) -> tuple[bool, str]:
    """Whether the watcher lives, and its line: a dead monitor must not look like peace."""
    last_run, last_span = moment(watcher.get("last_run")), moment(watcher.get("last_span"))
    again = _restarted(watcher, now) + _notices(watcher) + _snapshots(watcher)
    if last_run is None:
        return False, f"WATCHER HAS NEVER RUN: nothing on this card is measured yet{again}"
    state = watcher_state(watcher, now)
    monitors = f"monitors {watcher['ran']}/{watcher['total']} ran {span_of(now - last_run)} ago{again}"
    if state == "silent":
        return False, f"WATCHER SILENT: {monitors}{_left_out(watcher)}; what follows may be out of date"
    rate = f", {watcher['per_minute']:.0f} req/min{_sample(watcher)}" if watcher.get("per_minute") else ""
    line = f"{_last_span(last_span, now)}, {monitors}{rate}{_left_out(watcher)}"
    if state == "errors":
        errors = watcher["errors"]
        return False, f"WATCHER HAS {plural(len(errors), 'ERROR', 'ERRORS')}: {one_line(errors[0])}; {line}"
    return True, f"watcher alive: {line}"


def _restarted(watcher: dict[str, Any], now: datetime) -> str:
    """`, MONITORS WERE RESTARTED 3 times in the last hour (no progress for 120 s while judging llm.words of shop)`."""
    lately = [one for one in watcher.get("restarts", ()) if now - datetime.fromisoformat(one["at"]) < RESTARTED_LATELY]
    if not lately:
        return ""
    return f", MONITORS WERE RESTARTED {plural(len(lately), 'time')} in the last hour ({one_line(lately[-1]['why'])})"


def _notices(watcher: dict[str, Any]) -> str:
    """`, MESSAGE BUDGET USED UP: 3 incidents wait for the digest, 2 MESSAGES NOT DELIVERED (refused with 500)`."""
    told = watcher.get("notices") or {}
    held, lost = told.get("held", 0), told.get("undelivered", 0)
    wait = "waits" if held == 1 else "wait"
    budget = f", MESSAGE BUDGET USED UP: {plural(held, 'incident')} {wait} for the digest" if held else ""
    why = f" ({one_line(told['why'])})" if told.get("why") else ""
    return budget + (f", {plural(lost, 'MESSAGE', 'MESSAGES')} NOT DELIVERED{why}" if lost else "")


def _snapshots(watcher: dict[str, Any]) -> str:
    """`, NO SNAPSHOT WAS TAKEN (no space left on device)`: one was due."""
    why = watcher.get("snapshots")
    return f", NO SNAPSHOT WAS TAKEN ({one_line(why)})" if why else ""


def _sample(watcher: dict[str, Any]) -> str:
    """` (sampled 1 in 10 at random)`: rates and counts are of what senders kept."""
    return beside("", watcher.get("sampled"))


_PAIRS: Final = 3
"""Pairs of services that a line names."""


def tracing_text(told: dict[str, Any], kept: float | None = None) -> str:
    """`12.0% of 400 traces have no root (thread pools lose the context)`, or why it cannot be told."""
    says, of = one_line(told["says"]), plural(told["n"], one_line(told["of"]))
    if told["state"] == "unknown":
        return f"{says}: unknown, needs n {told['needs']}, has {told['n']:,}{_skews(told)}"
    if told["key"] == "sampled" and kept:
        says = f"{says} of {share(kept)}"
    hint = f" ({one_line(told['hint'])})" if told["state"] == "bad" else ""
    # `traces have no root`, of traces: what they do, and not what they are once more.
    does = f" {says.removeprefix(named)}" if says.startswith(named := f"{one_line(told['of'])}s ") else f": {says}"
    return f"{share(told['share'])} of {of}{does}{hint}{_skews(told)}"


def _skews(told: dict[str, Any]) -> str:
    """`; gateway -> bank: 12 of 80 calls, median 120 ms, largest 340 ms`: the pairs with most skewed calls."""
    skewed = [pair for pair in told.get("pairs", ()) if pair["skewed"]]
    more = f"; and {plural(len(skewed) - _PAIRS, 'more pair')}" if len(skewed) > _PAIRS else ""
    return (
        "".join(
            f"; {one_line(p['caller'])} -> {one_line(p['called'])}: {p['skewed']:,} of {plural(p['calls'], 'call')}, "
            f"median {figure(p['median_ms'], 'ms')}, largest {figure(p['largest_ms'], 'ms')}"
            for p in skewed[:_PAIRS]
        )
        + more
    )


def tracing_trouble(live: dict[str, Any]) -> tuple[str, ...]:
    """What is wrong with the spans themselves, one text a figure."""
    kept = live.get("watcher", {}).get("kept")
    return tuple(tracing_text(f, kept) for f in live.get("tracing", ()) if f["state"] == "bad")


def _left_out(watcher: dict[str, Any]) -> str:
    """What came and stands in no figure: traces that never showed a root, requests after their window had closed."""
    orphans, late = watcher.get("orphans", 0), watcher.get("late", 0)
    rootless = f", {plural(orphans, 'trace')} without a root" if orphans else ""
    return rootless + (f", {late:,} late" if late else "")


def quiet_for(watcher: dict[str, Any], now: datetime) -> timedelta | None:
    """How long ago the newest span was, where that is longer than `QUIET_AFTER`."""
    last_span = moment(watcher.get("last_span"))
    return now - last_span if last_span is not None and now - last_span > QUIET_AFTER else None


def _last_span(last_span: datetime | None, now: datetime) -> str:
    if last_span is None:
        return "NO SPAN yet"
    age = now - last_span
    return f"NO SPAN for {span_of(age)}" if age > QUIET_AFTER else f"last span {span_of(age)} ago"


def traffic_line(watcher: dict[str, Any]) -> str:
    """What the card rests on: `440 requests in 22 windows`, or that there was no traffic."""
    requests, waiting = watcher.get("requests", 0), watcher.get("waiting", 0)
    more = f", {plural(waiting, 'request')} waiting for a full window" if waiting else ""
    if not requests:
        return f"no window of requests has been closed: nothing here is measured{more}"
    return f"{plural(requests, 'request')}{_sample(watcher)} in {plural(watcher.get('windows', 0), 'window')}{more}"


def doubts_of_watching(card: dict[str, Any], watcher: dict[str, Any], now: datetime) -> Iterator[str]:
    """Why the absence of incidents proves nothing, the most telling reason first."""
    state = watcher_state(watcher, now)
    if state in ("never", "silent"):
        yield "nobody is looking"
    elif quiet := quiet_for(watcher, now):
        yield f"no span for {span_of(quiet)}"
    if not watcher.get("requests"):
        yield "no request was seen"
    if not watcher.get("ran"):
        yield "no monitor gave a verdict" if card["baseline"] else "no baseline"
    if state == "errors":
        yield "the watcher has errors"
