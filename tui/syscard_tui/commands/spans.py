"""`ingest`, `serve` and `doctor`: spans in, and whether the home is sound."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from syscard_tui.options import LEAST_PAUSE_S, LONGEST_PAUSE_S, AsJson, Options, note, options_of, say, say_json

if TYPE_CHECKING:
    from syscard.records.store import Records
    from syscard_tracing.ingest import IngestResult
    from syscard_tracing.receiver import Beside
    from syscard_tracing.rules import TraceRules
    from syscard_tui.wiring import House

TLS_CERT, TLS_KEY = "SYSCARD_TLS_CERT", "SYSCARD_TLS_KEY"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("ingest")(ingest)
    app.command("serve")(serve)
    doctor = typer.Typer(invoke_without_command=True, help="Check the home; read a trace file as syscard reads it.")
    doctor.callback()(check_home)
    doctor.command("trace")(trace)
    app.add_typer(doctor, name="doctor")


def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of OTLP: .json, .jsonl, .pb; also .gz, .xz.")],
    retime: Annotated[str | None, typer.Option("--retime", help="end=now, or end=2026-11-22T12:00:00Z.")] = None,
) -> None:
    """Store recorded spans. A span seen twice counts once. Exit 2 if there is no trace."""
    from syscard_tracing.ingest import IngestProgress, ingest
    from syscard_tui.progress import progress
    from syscard_tui.wiring import House

    house = House(options_of(context).new_home())
    end = _end(retime, house.clock())
    with progress("ingest") as tell:

        def told(now: IngestProgress) -> None:
            tell(now.files_done, now.files, f"{now.phase} {Path(now.file).name}, {now.spans:,} spans")

        result = ingest(paths, house.home, rules_now(house), house.clock, end, told)
    _report(result)


def _end(retime: str | None, now: datetime) -> datetime | None:
    from syscard.errors import UsageError

    if retime is None:
        return None
    key, _, value = retime.partition("=")
    try:
        moment = now if value == "now" else datetime.fromisoformat(value)
    except ValueError:
        key = ""
    if key != "end":
        raise UsageError(f"--retime {retime}: write end=now, or end=2026-11-22T12:00:00Z")
    if moment.tzinfo is None:
        raise UsageError(f"--retime {retime}: which time zone? write it with Z or +01:00")
    return moment


def _report(result: IngestResult) -> None:
    say(f"{result.files} files, {result.requests:,} batches, {result.spans:,} spans: {result.stored:,} new, "
        f"{result.duplicates:,} seen before, {sum(result.rejected.values()):,} refused")  # fmt: skip
    for reason, count in result.rejected.most_common(5):
        note(f"refused {count:,}: {reason}")
    if result.without_trace:
        note(f"no trace in {len(result.without_trace)} of them: {result.without_trace[0]}"
             + (" and others" if result.without_trace[1:] else ""))  # fmt: skip
    if result.first and result.last:
        say(f"event time {result.first:%Y-%m-%d %H:%M:%S} to {result.last:%Y-%m-%d %H:%M:%S} UTC")


def rules_now(house: House) -> TraceRules:
    """What the declared systems say of their spans; nothing where none is declared."""
    from syscard_tracing.rules import TraceRules

    if not house.home.records.is_file():
        return TraceRules.of(())
    with house.records() as records:
        return house.rules(records)


_LOOK_S: Final = 0.2
"""Seconds between two looks whether the rules have changed: a look costs as much as reading several spans."""


class FreshRules:
    """The rules, read again only when the records have changed."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._stamp = -1
        self._looked = 0.0
        self._rules = rules_now(house)

    def __call__(self) -> TraceRules:
        """The rules of the newest card."""
        from syscard.errors import NothingDeclared
        from syscard.views import version_stamp

        if (now := time.monotonic()) - self._looked < _LOOK_S:
            return self._rules
        self._looked = now
        try:
            stamp = version_stamp(self._house.home.records)
        except NothingDeclared:
            return self._rules
        if stamp != self._stamp:
            self._rules, self._stamp = rules_now(self._house), stamp
        return self._rules


def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but loopback needs a token and TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of OTLP over HTTP; 0 takes any free one.")] = 4318,
    grpc_port: Annotated[
        int | None, typer.Option(help="Port of OTLP over gRPC; if not given, one below --port (0 if that is 0).")
    ] = None,
    grpc: Annotated[bool, typer.Option("--grpc/--no-grpc", help="Take spans over gRPC as well.")] = True,
    tls_cert: Annotated[
        Path | None, typer.Option(envvar=TLS_CERT, help="Certificate of both ports, with its chain, in PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(envvar=TLS_KEY, help="Key of the certificate, in PEM.")] = None,
    insecure_behind_proxy: Annotated[
        bool, typer.Option("--insecure-behind-proxy", help="No TLS here: a proxy in front of these ports has it.")
    ] = False,
    only: Annotated[str | None, typer.Option(help="receiver, monitor or web: run just that part.")] = None,
    every: Annotated[
        float, typer.Option(min=LEAST_PAUSE_S, max=LONGEST_PAUSE_S, help="Seconds between two looks of the monitors.")
    ] = 5.0,
    hang_after: Annotated[
        float,
        typer.Option(
            min=1, max=LONGEST_PAUSE_S, help="Monitors that make no progress for so many seconds are started again."
        ),
    ] = 120.0,
    monitor_memory: Annotated[
        float, typer.Option(min=0.25, help="So are those that hold more memory: GiB, without Evidently's process.")
    ] = 4.0,
) -> None:
    """Take spans over OTLP (HTTP and gRPC), keep them, watch them, show the card at /. Stop with ctrl-c."""
    from syscard.errors import UsageError
    from syscard_tui.notices import take_addresses, telling
    from syscard_tui.patience import GIB, Limits
    from syscard_tui.supervise import monitor_child
    from syscard_tui.wiring import House

    if only not in (None, "receiver", "monitor", "web"):
        raise UsageError(f"--only {only}: write receiver, monitor or web")
    house = House(options_of(context).new_home())
    if only == "monitor":
        from syscard_tui.commands.watching import watch_forever

        watch_forever(house, every)
        return
    if only == "web":
        from syscard_tui.commands.webbing import serve_web

        serve_web(house, host, port, tls_cert, tls_key, behind_proxy=insecure_behind_proxy)
        return
    beside = (max(port - 1, 0) if grpc_port is None else grpc_port) if grpc else None
    receive = _receiver(
        house, host, port, beside, tls_cert, tls_key, behind_proxy=insecure_behind_proxy, web=only is None
    )
    with telling(house, take_addresses(house), every):
        if only == "receiver":
            receive()
            return
        with monitor_child(house, every, Limits(hang_after, round(monitor_memory * GIB))):
            receive()


def _receiver(
    house: House,
    host: str,
    port: int,
    grpc_port: int | None,
    cert: Path | None,
    key: Path | None,
    *,
    behind_proxy: bool,
    web: bool = False,
) -> Callable[[], None]:
    """What takes spans, checked and ready to be called: no monitor is started beside what would not start."""
    from syscard_tracing.own_tables import home_dialects
    from syscard_tracing.receiver import Ports
    from syscard_tracing.receiver import serve as receive
    from syscard_tracing.serving import TOKEN, TOKEN_FILE, address, check_host, check_tls, read_token
    from syscard_tui.holding import keeping_now

    token, tls = read_token(os.environ), check_tls(cert, key)
    check_host(host, token, tls, behind_proxy=behind_proxy)
    home_dialects(house.home.dialects)
    for name in (TOKEN, TOKEN_FILE):  # the monitors' process has no use for it
        os.environ.pop(name, None)

    def ready(taken: Ports) -> None:
        scheme = "https" if tls else "http"
        beside = f", gRPC on {address(host, taken.grpc)}" if taken.grpc else ""
        root = f"{scheme}://{address(host, taken.http)}"
        note(f"syscard takes spans on {root}/v1/traces{beside}, home {house.home.root}; ctrl-c stops")
        if web:
            note(f"the card: {root}/")
        if taken.without_grpc:
            note(f"no gRPC: {taken.without_grpc} (--no-grpc: none wanted)")

    return partial(
        receive,
        house.home,
        host=host,
        port=port,
        grpc_port=grpc_port,
        token=token,
        tls=tls,
        behind_proxy=behind_proxy,
        rules=FreshRules(house),
        clock=house.clock,
        on_ready=ready,
        keeping=lambda: keeping_now(house),
        beside=_site(house, token) if web else None,
    )


def _site(house: House, token: str | None) -> Callable[[], Beside]:
    """What makes the site, in the loop that will serve it."""
    from syscard_web.app import Web

    return lambda: Web(house.home.records, token, house.clock)


def check_home(
    context: typer.Context,
    as_json: AsJson = False,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be; nothing may be served.")] = False,
    forget_missing: Annotated[
        bool, typer.Option("--forget-missing", help="With --repair: give up data files that are gone.")
    ] = False,
) -> None:
    """Check inbox, lake and records; say what happened and what to do. Exit 1 if something is wrong (still)."""
    if context.invoked_subcommand is not None:
        return
    if repair or forget_missing:
        from syscard_tui.commands.keeping import mend

        mend(options_of(context).house(), asked=repair, forget_missing=forget_missing)
    findings = _findings(options_of(context))
    if as_json:
        say_json(findings)
    else:
        for finding in findings:
            hint = f": {finding['do']}" if finding["do"] else ""
            say(f"{'ok   ' if finding['ok'] else 'WRONG'} {finding['what']}{hint}")
    raise typer.Exit(0 if all(f["ok"] for f in findings) else 1)


def _findings(options: Options) -> list[dict[str, Any]]:
    from syscard_tracing.doctor import check
    from syscard_tui.commands import notifying

    house = options.house()
    lake = [{"ok": f.ok, "what": f.what, "do": f.do} for f in check(house.home)]
    return [*lake, *_records_findings(house), *notifying.health(house)]


def _records_findings(house: House) -> list[dict[str, Any]]:
    from syscard.errors import RecordsError

    if not house.home.records.is_file():
        return [{"ok": True, "what": "no system is declared yet", "do": "syscard apply system.yaml"}]
    try:
        with house.records() as records:
            return [found for ref in records.systems() for found in _system_findings(house, records, ref)]
    except RecordsError as error:
        return [_not_sound(error)]


def _system_findings(house: House, records: Records, ref: str) -> Iterator[dict[str, Any]]:
    """One system, by the same checks as `card verify`, and its monitors; a broken one does not hide the others."""
    from syscard.errors import RecordsError
    from syscard.records.runs import runs
    from syscard.records.verify import verify_system
    from syscard.views import read_view
    from syscard_tui.commands.notifying import undelivered
    from syscard_tui.pages import finding
    from syscard_tui.ran import health
    from syscard_tui.wiring import promote_policy

    try:
        found = verify_system(records, ref, read_view(house.home.records, ref), promote_policy())
    except RecordsError as error:
        yield _not_sound(error)
        return
    yield {"ok": True, "what": f"{ref}: chain of {found.edits} edits verified", "do": ""}
    yield finding(house, records, ref)
    yield health(ref, runs(records, ref, 100), house.clock())
    yield from undelivered(records, ref, house.clock())


def _not_sound(error: Exception) -> dict[str, Any]:
    """An error that says what to do keeps its own advice."""
    advice = "" if ": syscard " in str(error) else "restore the records from a backup"
    return {"ok": False, "what": str(error), "do": advice}


def trace(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="FILE|TRACE", help="A file of spans, or a trace in the lake.")],
    as_json: AsJson = False,
) -> None:
    """Print how each span of a file, or of a stored trace (id, or id@start), is read. Exit 2 if there is no trace."""
    from syscard_tracing.doctor import TRACE_REFERENCE

    summary = ""
    if TRACE_REFERENCE.match(what) and not Path(what).exists():
        spans = _stored_spans(context, what)
    else:
        spans, summary = _spans_of(context, Path(what))
    if as_json:
        say_json(spans)
        return
    for span in spans:
        say(_span_line(span))
    if summary:
        note(summary)


def _stored_spans(context: typer.Context, reference: str) -> list[dict[str, Any]]:
    from syscard_tracing.doctor import read_stored_trace

    return read_stored_trace(options_of(context).home(), reference)


def _spans_of(context: typer.Context, file: Path) -> tuple[list[dict[str, Any]], str]:
    """The spans of a file, and all of it in one line."""
    from syscard.home import find_home
    from syscard_tracing.doctor import trace_file
    from syscard_tracing.own_tables import home_dialects
    from syscard_tracing.rules import TraceRules
    from syscard_tui.wiring import House

    home = find_home(options_of(context).named_home)
    if home is None:
        read = trace_file(file, TraceRules.of(()))
    else:
        read = trace_file(file, rules_now(House(home)), home_dialects(home.dialects))
    return read.spans, read.summary


def _span_line(span: dict[str, Any]) -> str:
    """One span in one line, whatever it carries; of a stored one also its time and, a line each, its features."""
    from syscard.words import one_line

    tokens = f" tokens {span['input_tokens']}/{span['output_tokens']}" if span["counts_tokens"] else ""
    error = f" error {span['error_type']}" if span["error_type"] else ""
    unread = f" not read: {', '.join(span['unread'])}" if span["unread"] else ""
    took = f" {span['duration_ms']:.1f} ms" if "duration_ms" in span else ""
    says = [f"    {one_line(f'{key} = {value}')}" for key, value in span.get("features", {}).items()]
    named = f"{span['span_id']} {span['dialect']} {span['operation']} {span['component']} {span['model'] or '-'}"
    return "\n".join((one_line(f"{named}{took}{tokens}{error}{unread}"), *says))
