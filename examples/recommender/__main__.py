"""The command line: run the agent, switch faults, record."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

# Before any model's library is loaded: nothing asks a hub, and each model has one thread of its own.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}

from recommender.errors import Unavailable
from recommender.faults import FAULTS, NORMAL
from recommender.switches import Switchboard, switch, switched_on, window
from recommender.whole import made_whole
from syscard.errors import SyscardError
from syscard_tracing.sdk import USER_SALT

if TYPE_CHECKING:
    from recommender.agent import Shop
    from recommender.live import Tally
    from recommender.telemetry import Instrumentor
    from recommender.watched import Watched

INTERRUPTED = 130
app = typer.Typer(
    help="A real recommender to watch, with faults to inject.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
Folder = Annotated[Path, typer.Option(help="Where weights, fits, recordings and the home are kept.")]
Seed = Annotated[int, typer.Option(help="Of everything that is left to chance.")]
_FOLDER = Path(".example")


def say(text: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@app.command()
def run(
    requests: Annotated[int, typer.Option(min=0, help="How many; 0: until ctrl-c.")] = 50,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Requests at a time.")] = 3,
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME, or NAME@20-40 for some requests. Several may be on.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Requests a minute on a usual day; else as fast as they are served.")
    ] = None,
    seed: Seed = 1,
    instrumentor: Annotated[
        str, typer.Option(help="Who writes the language model's spans: none, openinference.")
    ] = "none",
    endpoint: Annotated[str | None, typer.Option(help="Send there, and start no syscard serve.")] = None,
    syscard: Annotated[str, typer.Option(help="The program that is started to watch.")] = "syscard",
    folder: Folder = _FOLDER,
) -> None:
    """Serve requests, watched by syscard; switch faults meanwhile with `switch`."""
    if instrumentor not in ("none", "openinference"):
        raise Unavailable(f"--instrumentor {instrumentor}: write none or openinference")
    windows = [window(spec) for spec in fault or ()]
    if rate is None and any(w.fault.mix.rate != NORMAL.rate for w in windows):
        raise Unavailable("more traffic than what? say with --rate how many requests a minute there usually are")
    _switches(folder).unlink(missing_ok=True)  # of a run that has ended
    board = Switchboard(windows, _switches(folder))
    os.environ.setdefault(USER_SALT, salt_of(folder))
    from recommender.agent import Agent
    from recommender.live import Pace, Run
    from recommender.shop import opened
    from recommender.telemetry import start

    today = datetime.now(UTC).date()
    with (
        opened(folder / "cache", concurrency, say, today) as shop,
        _watched(endpoint, syscard, folder, shop) as (watched, to),
    ):
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = to
        os.environ.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None)  # it would win
        provider = start(cast("Instrumentor", instrumentor))
        before = watched.status()["requests"] if watched else 0
        served = Run(shop, Agent(shop.models, speaks=instrumentor == "none"), board, Pace(rate, seed), seed, say)
        say(f"requests: {requests or 'until ctrl-c'}, {concurrency} at a time; spans to {to}")
        try:
            with suppress(KeyboardInterrupt):
                served.serve(requests, concurrency)
        finally:
            provider.shutdown()
        _tell(served.tally)
        if watched:
            _show(watched, before + served.tally.served)


@contextmanager
def _watched(endpoint: str | None, program: str, folder: Path, shop: Shop) -> Iterator[tuple[Watched | None, str]]:
    """`syscard serve` of our own, unless spans go elsewhere."""
    from recommender.watched import Watched

    if endpoint is not None:
        yield None, endpoint
        return
    watched = Watched(program, folder / "home")
    watched.prepare({"cf": shop.models.fresh.version, "vlm": shop.models.reader.version}, say)
    with watched.served() as address:
        say(f"syscard: takes spans on {address}; meanwhile, in another terminal: {watched.command} status")
        yield watched, address


def _tell(tally: Tally) -> None:
    faulty = "".join(f", {count} with {name}" for name, count in tally.faulty.items())
    say(f"served {tally.served} requests, {tally.accepted} accepted{faulty}")


def _show(watched: Watched, requests: int) -> None:
    """The status screen, once the requests that fill a window are on the card."""
    from recommender.watched import WINDOW

    watched.wait(requests // WINDOW * WINDOW)
    say("")
    say(watched.run("status").rstrip())
    say("")
    say(f"more: {watched.command} tui")


@app.command("switch")
def switch_fault(
    name: Annotated[str | None, typer.Argument(help="A fault; none: say what is on.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Switch it off.")] = False,
    folder: Folder = _FOLDER,
) -> None:
    """Switch a fault of a running agent on, or off again."""
    file = _switches(folder)
    now = switch(file, name, on=not off) if name else switched_on(file)
    say(f"on: {', '.join(now) or 'nothing'}")


@app.command("faults")
def list_faults() -> None:
    """List faults and look-alikes, with the truth about each."""
    for found in FAULTS:
        where = ", ".join((*found.where, *found.edges)) or "nowhere"
        say(f"{found.name:<20} {found.kind:<11} {where}")
        say(f"    {found.done}")
        say(f"    {found.breaks}")


@app.command()
def record(
    to: Annotated[Path, typer.Argument(help="Folder for the recordings.")],
    share: Annotated[float, typer.Option(min=0.001, max=1.0, help="Part of the requests, for a trial.")] = 1.0,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Requests at a time.")] = 3,
    seed: Seed = 1,
    folder: Folder = _FOLDER,
) -> None:
    """Record normal days, faults and look-alikes as OTLP/JSON lines; goes on where it was stopped."""
    from recommender.agent import Agent
    from recommender.record import Collector, Recorder, kept_name, run, whole_plan
    from recommender.shop import opened
    from recommender.telemetry import VERSION
    from syscard_tracing import instrument

    os.environ.setdefault(USER_SALT, salt_of(folder))
    collector = Collector()
    provider = instrument("shop-recommender", version=VERSION, exporter=collector, instrumentors="none")
    with opened(folder / "cache", concurrency, say) as shop:
        plan = whole_plan(shop, seed, share)
        kept = folder / kept_name(shop, plan)
        recorder = Recorder(shop, Agent(shop.models), provider, collector, kept)
        run(recorder, plan, to, concurrency, seed, say)
    provider.shutdown()


def _switches(folder: Path) -> Path:
    return folder / "switches"


def salt_of(folder: Path) -> str:
    """Random, made once: user keys stay the same from run to run, and nobody else can work them out."""
    file = folder / "salt"
    if not file.is_file():
        with made_whole(file) as draft:
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(16), encoding="utf-8")
    return file.read_text("utf-8")


def main() -> None:
    """Run the command line: 0 ok, 2 it could not run, 130 interrupted."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # as ctrl-c: syscard serve is ended too
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    try:
        app()
    except SyscardError as error:
        sys.stderr.write(f"recommender: {error}\n")
        sys.exit(2)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"recommender: {error.name} is not installed: make example makes an environment that has it\n")
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as ended:
        # Typer makes an exit code of ctrl-c, and says nothing.
        if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:
            raise
        sys.stderr.write("recommender: stopped; what was served and recorded is kept\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
