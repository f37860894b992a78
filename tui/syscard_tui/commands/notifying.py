"""`notify`: whether the people who are to be told can be, and what they were told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from syscard.words import clip, one_line, plural
from syscard_tui.options import AsJson, options_of, say, say_json

if TYPE_CHECKING:
    from syscard.notification import Notification
    from syscard.records.store import Records
    from syscard_monitors.notify.jobs import Result
    from syscard_monitors.notify.targets import Addresses
    from syscard_tui.wiring import House

_ROW: Final = "{:<17} {:<8} {:<9} {:<28} {}"
_MOST: Final = 1000
_STATES: Final = {"perhaps": "perhaps", "waiting": "waiting", "sending": "sending", "sent": "sent", "failed": "FAILED"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="People who are told of incidents: try it, list what they were told."
    )
    group.command("test")(test)
    group.command("list")(list_notifications)
    app.add_typer(group, name="notify")


def test(context: typer.Context) -> None:
    """Send a test message to every address, and say which failed. Exit 1 if one did."""
    from syscard.errors import UsageError
    from syscard_tui.notices import addresses_of

    addresses = addresses_of(options_of(context).house())
    if not addresses:
        raise UsageError("nobody is told: put an address into SYSCARD_NOTIFY_URL, or into notify.urls of the home")
    failed = False
    for label, result in _tried(addresses):
        failed |= result.state != "sent"
        says = {"sent": "ok     ", "failed": "FAILED ", "perhaps": "PERHAPS"}[result.state]
        say(f"{says} {label}{f': {result.why}' if result.why else ''}")
    raise typer.Exit(1 if failed else 0)


def _tried(addresses: Addresses) -> Iterator[tuple[str, Result]]:
    from syscard_monitors.notify.jobs import Job
    from syscard_monitors.notify.sending import send

    text = "This is a test. If you can read it, messages of incidents arrive here."
    for target in addresses.targets:
        yield target.label, send(Job("tell", target.url, "syscard: a test", text, "note"))
    if addresses.heartbeat:
        yield f"{addresses.heartbeat.label} (heartbeat)", send(Job("get", addresses.heartbeat.url))
    if addresses.alertmanager:
        url = f"{addresses.alertmanager.url.rstrip('/')}/api/v2/status"
        yield f"{addresses.alertmanager.label} (Alertmanager)", send(Job("get", url))


def list_notifications(
    context: typer.Context,
    last: Annotated[int, typer.Option(min=1, max=_MOST, help="So many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what people were told, whom, when, and whether it arrived."""
    house, ref = options_of(context).house(), options_of(context).ref()
    with house.records() as records:
        from syscard.records.notifications import notifications

        found = notifications(records, ref, last)
    if as_json:
        say_json([document(one) for one in found])
    elif not found:
        say("nobody has been told anything")
    else:
        say("\n".join(lines(found)))


def document(one: Notification) -> dict[str, Any]:
    """One as `--json` prints it."""
    body = one.model_dump(mode="json")
    message = body.pop("message")
    return {**{k: body[k] for k in ("target", "state", "why", "tries", "made", "changed", "due", "key")}, **message}


def lines(found: list[Notification]) -> Iterator[str]:
    """A table, newest first; below each what went wrong."""
    yield _ROW.format("MADE (UTC)", "KIND", "STATE", "TO", "MESSAGE")
    for one in found:
        title = one_line(one.message.title)
        row = (f"{one.made:%Y-%m-%d %H:%M}", one.message.kind, _STATES[one.state], clip(one_line(one.target), 28))
        yield _ROW.format(*row, title)
        if one.state == "perhaps":
            yield f"  perhaps not delivered, and not sent again: {one_line(one.why)}"
        elif one.why and one.state != "sent":
            again = f"; tried again at {one.due:%H:%M} UTC" if one.state == "waiting" else ""
            yield f"  tried {one.tries} times: {one_line(one.why)}{again}"


def health(house: House) -> Iterator[dict[str, Any]]:
    """What `doctor` says of the addresses; none of them is shown."""
    from syscard.errors import UsageError
    from syscard_monitors.notify.jobs import Job
    from syscard_monitors.notify.sending import send
    from syscard_tui.notices import addresses_of

    try:
        addresses = addresses_of(house)
    except UsageError as error:
        yield {"ok": False, "what": str(error), "do": "then try it with: syscard notify test"}
        return
    if not addresses.targets:
        return
    wrong = [target.label for target in addresses.targets if send(Job("know", target.url)).state != "sent"]
    if wrong:
        what = f"no address that Apprise can send to: {', '.join(wrong)}"
        yield {"ok": False, "what": what, "do": "see its list of services, then: syscard notify test"}
        return
    labels = ", ".join(target.label for target in addresses.targets)
    yield {"ok": True, "what": f"people are told at {labels}", "do": ""}


def undelivered(records: Records, ref: str, now: datetime) -> Iterator[dict[str, Any]]:
    """What `doctor` says of messages of the last day that did not arrive, or perhaps not."""
    from syscard.records.notifications import undelivered as found_in

    with records.reading() as transaction:
        found = found_in(transaction, ref, now - timedelta(days=1))
    if found:
        newest = f"{found[0].target}: {found[0].why or found[0].state}"
        what = f"{ref}: {plural(len(found), 'message')} of the last day not delivered, the newest to {newest}"
        yield {"ok": False, "what": one_line(what), "do": "syscard notify list"}
