"""`gate`: whether this may go on, by which engine, in which reports, and written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from datetime import datetime

    from syscard.card import Card
    from syscard.edits import Body
    from syscard.gate_runs import RunGate
    from syscard.gates import Verdict
    from syscard.gates.answers import Engine as Asked
    from syscard.gates.facts import Facts
    from syscard.gates.places import Places
    from syscard.views import View
    from syscard_tui.options import Options


class Engine(StrEnum):
    """What decides."""

    PYTHON = "python"
    REGO = "rego"
    OPA = "opa"


class Reports(NamedTuple):
    """Files that are written of a run."""

    junit: Path | None
    sarif: Path | None
    markdown: Path | None
    file: Path
    """The system's."""
    asked: Path | None


PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="The rules: YAML, or Rego for --engine rego; else ours.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("gate")(gate)


def gate(
    context: typer.Context,
    stage: Annotated[str, typer.Option(help="The stage that the policy must be for.")] = "promote",
    policy: PolicyFile = None,
    engine: Annotated[
        Engine, typer.Option(help="What decides: our rules, Rego in process, or a remote OPA server.")
    ] = Engine.PYTHON,
    opa_url: Annotated[
        str, typer.Option("--opa-url", help="Root of the OPA server.", envvar="SYSCARD_OPA_URL", show_default=False)
    ] = "",
    record: Annotated[bool, typer.Option(help="Write the run on the card; without, nothing is written.")] = True,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit's XML here.")] = None,
    sarif: Annotated[Path | None, typer.Option("--sarif", help="Write SARIF 2.1.0 here.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write Markdown for a pull request here.")] = None,
    file: Annotated[Path, typer.Option("--file", help="The system's file, for the lines that SARIF points at.")] = Path(
        "system.yaml"
    ),
    asked: Annotated[
        Path | None, typer.Option("--input", help="Write the input document that was asked of here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether this may be promoted: exit 0 yes, 1 no, 2 could not tell."""
    from syscard.clock import system_clock
    from syscard.gates.facts import gate_input, input_digest
    from syscard.gates.verdict import record_of
    from syscard.render.gates import verdict_lines

    options = options_of(context)
    ask = _engine(engine, stage, policy, opa_url)
    view = options.view()
    facts = gate_input(view["card"], view["live"], system_clock())
    verdict, by = ask(facts)
    run = record_of(verdict, policy=by, facts_digest=input_digest(facts), engine=engine.value)
    recorded = _record(options, run) if record else None
    _write_reports(verdict, view, facts, Reports(junit, sarif, markdown, file, asked))
    if as_json:
        say_json(_document(verdict, run, view, recorded))
    else:
        for line in verdict_lines(verdict, view["card"]["version"]):
            say(line)
    raise typer.Exit(1 if verdict.blocked else 0)


def _engine(engine: Engine, stage: str, policy: Path | None, opa_url: str) -> Callable[[Facts], tuple[Verdict, str]]:
    """What gives the verdict, and the digest of the policy that it is by; its own faults are found first.

    Raises:
        SyscardError: it is not there, does not conform, or has no policy for the stage.
    """
    from syscard.gates.answers import ask_for_verdict, conforms
    from syscard.gates.verdict import decide_on
    from syscard_tui.wiring import stage_policy

    if engine is Engine.PYTHON:
        rules = stage_policy(stage, policy)
        return lambda facts: (decide_on(rules, facts), rules.digest)
    asked = _rego(stage, policy) if engine is Engine.REGO else _opa(stage, policy, opa_url)
    conforms(asked)
    return lambda facts: (ask_for_verdict(asked, stage, facts), asked.policy)


def _rego(stage: str, policy: Path | None) -> Asked:
    from syscard.errors import UsageError
    from syscard.gates.rego import rego_engine
    from syscard.gates.rules import MAX_BYTES
    from syscard.words import one_line
    from syscard_configs import names, read_text
    from syscard_tui.wiring import policy_bytes

    if policy is not None:
        text = policy_bytes(policy)
        if len(text) > MAX_BYTES:
            raise UsageError(f"{policy}: is larger than 1 MiB: name a policy file with --policy")
        return rego_engine(text.decode(errors="replace"), str(policy))
    if f"{stage}.rego" not in names("gates"):
        raise UsageError(f"no Rego ships for stage '{one_line(stage)[:60]}': name a file with --policy")
    return rego_engine(read_text("gates", f"{stage}.rego"), f"gates/{stage}.rego")


def _opa(stage: str, policy: Path | None, url: str) -> Asked:
    import os

    from syscard.errors import UsageError
    from syscard.gates.opa import opa_engine, read_token

    if policy is not None:
        raise UsageError("--engine opa: the server has the policy: leave --policy out")
    if not url:
        raise UsageError("--engine opa: which server? name it with --opa-url or SYSCARD_OPA_URL")
    return opa_engine(url, stage, read_token(os.environ))


def _record(options: Options, run: RunGate) -> int | None:
    """Write a run on the card, if it says anything that the newest one of its stage does not; gives its number."""
    from syscard.errors import MissingExtra
    from syscard.gates.verdict import is_news
    from syscard_tui.incident_writing import write

    def make(card: Card, _at: datetime) -> list[Body]:
        return [run] if is_news(run, card.model_dump(mode="json", include={"gate_runs"})) else []

    try:
        card = write(options, f"gate {run.stage}", make)
    except MissingExtra as error:
        raise MissingExtra("server", "writing the run on the card (else say --no-record)") from error
    return card.gate_runs[-1].number


def _write_reports(verdict: Verdict, view: View, facts: Facts, reports: Reports) -> None:
    from syscard.modes import for_others

    with for_others():
        for path, text in _reports(verdict, view, facts, reports):
            path.write_text(text, encoding="utf-8")


def _reports(verdict: Verdict, view: View, facts: Facts, reports: Reports) -> Iterator[tuple[Path, str]]:
    from syscard import __version__
    from syscard.gates.facts import as_json
    from syscard.render.gates import verdict_junit, verdict_markdown
    from syscard.render.sarif import verdict_sarif

    card = view["card"]
    if reports.junit:
        yield reports.junit, verdict_junit(verdict, card["system"])
    if reports.markdown:
        yield reports.markdown, verdict_markdown(verdict, card["system"], card["version"], view["digest"])
    if reports.sarif:
        log = verdict_sarif(verdict, card, _places(reports.file, card["system"]), __version__)
        yield reports.sarif, json.dumps(log, indent=2, ensure_ascii=False) + "\n"
    if reports.asked:
        yield reports.asked, json.dumps(as_json(facts), indent=2, ensure_ascii=False) + "\n"


def _places(file: Path, system: str) -> Places:
    """Lines of the system's file, where it is at hand and is that system's."""
    from syscard.gates.places import Places, places_of
    from syscard.gates.rules import MAX_BYTES

    name = file.as_posix()
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError:
        return Places(name, {})
    return places_of(data.decode(errors="replace"), name, system) if len(data) <= MAX_BYTES else Places(name, {})


def _document(verdict: Verdict, run: RunGate, view: View, recorded: int | None) -> dict[str, Any]:
    digests = {"card": view["digest"], "policy": run.policy, "input": run.input, "engine": run.engine}
    checks = [{**asdict(check), "outcome": check.outcome} for check in verdict.checks]
    return {"stage": verdict.stage, "blocked": verdict.blocked, **digests, "run": recorded, "checks": checks}
