"""`status`, `card`, `fairness` and `tui`: the card, for whoever reads it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syscard_tui.commands import versions
from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from syscard.records.verify import Verified
    from syscard.views import View


_WIDTH = 80
_CHECK = (
    "Exit 1 if the verdict is BROKEN or INCIDENT, the watcher is not alive, or no span came for 15 minutes; "
    "else 0, for UNKNOWN too."
)
_VERIFY_FILE = "A snapshot's file, its envelope, or a folder of them: verified alone, without a home or a network."
_VERIFY_KEY = "Who must have signed it: a file with the public key, or its fingerprint (at least 16 digits)."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("tui")(full_screen)
    app.command("fairness")(fairness)
    app.command("graph")(graph)
    card = typer.Typer(no_args_is_help=True, help="The card: show, why, history, diff, verify, head.")
    card.command("show")(show)
    card.command("why")(why)
    card.command("verify")(verify)
    versions.register(card)
    app.add_typer(card, name="card")


def status(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help=_CHECK)] = False,
    as_json: AsJson = False,
) -> None:
    """One screen: what is broken, since when, where, what to do."""
    from syscard_tui.quick import Asked, print_status

    options = options_of(context)
    raise typer.Exit(print_status(Asked(options.named_home, options.system, check, as_json)))


def full_screen(context: typer.Context) -> None:
    """The full-screen terminal: overview and card, refreshing while data arrive."""
    from syscard.clock import system_clock
    from syscard.errors import MissingExtra
    from syscard_tui.deeds import writer

    options = options_of(context)
    records, ref = options.home().records, options.ref()
    try:
        from syscard_tui.app import run
    except ImportError as error:
        raise MissingExtra("tui", "the full-screen terminal") from error
    run(records, ref, system_clock, writer(records, ref, system_clock))


def show(
    context: typer.Context,
    part: Annotated[str | None, typer.Argument(help="One component or interaction, e.g. llm or 'vlm->llm'.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="An older card: v2, a day, a tag, -1.")] = None,
    as_json: AsJson = False,
) -> None:
    """The whole card, or that of one part: contract, traffic, risks with likelihood and impact, incidents."""
    from syscard.blindspots import blind_spots
    from syscard.clock import system_clock
    from syscard.render.cardtext import card_text
    from syscard.render.crosswalks import crosswalk_lines, summaries
    from syscard_tui.pages import gone_from

    view = options_of(context).view() if version is None else _older(context, version)
    now = system_clock() if version is None else None
    if part is not None:
        _show_part(view, part, as_json=as_json)
    elif as_json:
        figures = [one.model_dump(mode="json") for one in summaries(view, now)]
        say_json({**view, "blind_spots": [asdict(cell) for cell in blind_spots(view)], "crosswalks": figures})
    else:
        maps = tuple(crosswalk_lines(view, _WIDTH, now))
        say(card_text(view, gone=gone_from(options_of(context).home(), view), maps=maps))


def _show_part(view: View, ref: str, *, as_json: bool) -> None:
    from syscard.render.cardtext import part_text
    from syscard.render.interaction import part_document

    text = part_text(view, ref)  # says so where the card has no such part
    if as_json:
        say_json(part_document(view, ref))
    else:
        say(text)


def _older(context: typer.Context, named: str) -> View:
    """The view of an older card. Live values are not kept, so it has none."""
    from syscard.fold import fold
    from syscard.sources import sources
    from syscard.view import build_view
    from syscard_tui.wiring import promote_policy

    options = options_of(context)
    house, ref = options.house(), options.ref()
    with house.records() as records:
        known = list(records.edits(ref))
    version = versions.named(known, ref, named)
    edits = [edit for edit in known if edit.version <= version]
    card = fold(edits, start=ref)
    return build_view(
        card, None, gate=promote_policy(), head=edits[-1].link, edits=len(edits), texts={}, written=edits[-1].recorded,
        sources=sources(edits, card),
    )  # fmt: skip


def why(context: typer.Context, claim: Annotated[str, typer.Argument()], as_json: AsJson = False) -> None:
    """How the status of a claim came about, what speaks against it, and what would change it."""
    from syscard.claim_history import claim_steps
    from syscard.clock import system_clock
    from syscard.render.why import there, why_document, why_text
    from syscard.stored import Stored, read
    from syscard.views import edit_rows

    options = options_of(context)
    view = options.view()
    there(view, claim)
    rows = edit_rows(options.home().records, options.ref(), holding=claim)
    steps = claim_steps((read(Stored(**row)) for row in rows), claim)
    if as_json:
        say_json(why_document(view, claim, steps, system_clock()))
    else:
        say(why_text(view, claim, steps=steps, now=system_clock()))


def verify(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help=_VERIFY_FILE)] = None,
    key: Annotated[str | None, typer.Option("--key", help=_VERIFY_KEY)] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="An older head: a file of `card head --out`, or its link.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute chain, card, the baseline's digest and the gate. Exit 1 names the first thing that does not follow."""
    from syscard.head import read_head
    from syscard.words import plural
    from syscard_tui.commands.snapshots import verify_file
    from syscard_tui.snapshots import finding, gone_text
    from syscard_tui.wiring import promote_policy

    if file is not None:
        verify_file(file, key, as_json=as_json)
        return
    options = options_of(context)
    house, ref, view = options.house(), options.ref(), options.view()
    kept = read_head(head, ref) if head is not None else None
    with house.records() as records:
        from syscard.errors import ChainBroken
        from syscard.records.verify import verify_system
        from syscard_tui.pages import named

        found = verify_system(records, ref, view, promote_policy(), kept)
        reports = named(house, records, ref)
        gone, changed = finding(house, records, ref)
    for kind, names in (("reports", reports.changed), ("snapshots", changed)):
        if names:
            raise ChainBroken(f"{ref}: {names[0]} in {kind}/ is not the one whose digest the chain names")
    if as_json:
        say_json({"ok": True, "edits": found.edits, "head": view["head"], "digest": found.card.digest,
                  "erased_texts": found.erased, "erased_evidence": found.erased_evidence, "erasures": found.erasures,
                  "lifted_holds": found.lifted_holds, "gone_reports": sorted(reports.gone),
                  "gone_snapshots": sorted(gone),
                  "anchor": {"seq": found.anchor.seq, "version": found.anchor.version} if found.anchor else None,
                  "calibrations": [one.model_dump(mode="json") for one in found.calibrations]})  # fmt: skip
        return
    _say_verified(found)
    if reports.gone:
        say(f"{plural(len(reports.gone), 'file')} of reports gone; the digests are still in the chain")
    if gone:
        say(gone_text(gone))


def _say_verified(found: Verified) -> None:
    say(f"chain of {found.edits} edits verified: ok (card v{found.card.version}, digest {found.card.digest[:16]})")
    if found.anchor:
        say(f"nothing up to {found.anchor.name} was rewritten since its head was taken")
    if found.calibrations:
        say(f"{len(found.calibrations)} thresholds of risks are what windows of the baseline give (syscard risk show)")
    for one in (one for one in found.calibrations if one.threshold > one.default):
        where = f"the {one.quantile:.0%} quantile of {one.windows} windows of the baseline"
        say(f"  {one.risk} {one.about}: {one.threshold:.4g}, {where}; the catalogue's is {one.default:.4g}")
    if found.erased:
        say(f"{found.erased} notes have been erased; their digests are still in the chain")
    if found.erasures:
        say(f"{found.erasures} times a person was erased; {found.erased_evidence} records of evidence have lost traces,"
            f" {found.lifted_holds} holds were lifted")  # fmt: skip


def fairness(context: typer.Context, as_json: AsJson = False) -> None:
    """Compare what groups get, at each stage of the pipeline, over the last four weeks."""
    from syscard.render.groups import groups_text

    options = options_of(context)
    measured = options.house().measure_groups(options.ref())
    if as_json:
        say_json(measured.model_dump(mode="json"))
        return
    for line in groups_text(options.view(), _WIDTH):
        say(line)


def graph(context: typer.Context, as_json: AsJson = False) -> None:
    """The declared graph, and what spans showed of it."""
    from syscard.card import Card
    from syscard.render.graph import graph_document, graph_text
    from syscard_monitors.graph import matches

    view = options_of(context).view()
    differs = asdict(matches(Card.model_validate(view["card"])))
    if as_json:
        say_json(graph_document(view, differs))
        return
    for line in graph_text(view, differs, _WIDTH):
        say(line)
