"""Taking a snapshot: count what came, draw, seal, keep, and put it into the chain. Once for one card and one reason."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from syscard.errors import RecordsError, SyscardError, UsageError
from syscard.snapshots import Snapshot, SnapshotCard, Wish, taken
from syscard.words import plural

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.edits import Author
    from syscard.records.store import Records
    from syscard.render.page import Occasion, PeriodSums
    from syscard.signatures import Signing
    from syscard.views import View
    from syscard_tui.wiring import House

LOOKS_BACK: Final = timedelta(days=7)
"""What a snapshot is about where neither a period is named nor system.yaml says how often one is taken."""
_TRIES: Final = 5
"""While one is drawn the monitors may write another version of the card."""


class Taken(NamedTuple):
    """One that was taken, now or before."""

    snapshot: SnapshotCard
    signed_by: str
    """Fingerprint."""
    paths: tuple[Path, ...]
    """Markdown, JSON, HTML, PDF, the envelope, the public key."""
    new: bool


class _Made(NamedTuple):
    """Drawn and sealed, and not yet in the chain."""

    body: Snapshot
    files: dict[str, bytes]
    """By their names."""


def take(
    house: House,
    records: Records,
    ref: str,
    wish: Wish,
    who: Author,
    *,
    back: timedelta | None = None,
    keep: int | None = None,
) -> Taken:
    """Take a snapshot, or find the one that says the same.

    Args:
        house: the home.
        records: of it.
        ref: the system.
        wish: why, and of what time.
        who: takes it.
        back: without a period in the wish: how long before now.
        keep: how many of those that came by themselves keep their files; None lets none go.

    Raises:
        SyscardError: it cannot be drawn, signed or written.
    """
    from syscard.views import read_view

    for _ in range(_TRIES):
        found = _try(house, records, read_view(house.home.records, ref), wish, who, back)
        if found is not None:
            _let_go(house, records, ref, keep)
            return found
    raise RecordsError(f"{ref}: the card changed {_TRIES} times while its snapshot was drawn: try again")


def _try(house: House, records: Records, view: View, wish: Wish, who: Author, back: timedelta | None) -> Taken | None:
    """None where the card changed meanwhile."""
    from syscard.render.report import verdict_at
    from syscard.signatures import signer_of

    ref, now, key = view["card"]["system"], house.clock(), key_of(house)
    known = tuple(SnapshotCard.model_validate(s) for s in view["card"].get("snapshots", ()))
    occasion = _occasion(house, records, view, wish, back, now)
    verdict = verdict_at(view, now, occasion)
    version = view["card"]["version"]
    there = taken(known, version, wish, verdict)
    if there is not None and (paths := _paths(house.home.snapshots / ref, there)):
        return Taken(there, signer_of(paths[4].read_bytes(), paths[4].name), paths, new=False)
    made = _make(view, occasion, wish, verdict, now, key, _before(house, records, ref, version, known))
    card = _keep(house, records, ref, version, made, who, now)
    if card is None:
        return None
    paths = _paths(house.home.snapshots / ref, card.snapshots[-1])
    return Taken(card.snapshots[-1], key.public.fingerprint, paths, new=True)


def key_of(house: House) -> Signing:
    """The key that signs: of the file that the environment names, else the home's."""
    from syscard.signatures import VARIABLE, signing_key

    outside = os.environ.get(VARIABLE)
    return signing_key(house.home.keys, Path(outside) if outside else None)


def _occasion(
    house: House, records: Records, view: View, wish: Wish, back: timedelta | None, now: datetime
) -> Occasion:
    from syscard.render.page import Occasion

    card = view["card"]
    earlier = tuple(card.get("snapshots", ()))
    end = wish.end or now
    start = wish.start or end - (back or _usual(card))
    seen, why = _sums(house, records, card["system"], start, end)
    number = earlier[-1]["number"] + 1 if earlier else 1
    return Occasion(number, wish.reason, start, end, seen, why, earlier, key_of(house).public.fingerprint)


def _usual(card: dict[str, Any]) -> timedelta:
    from syscard.units import parse_duration

    asked = (card["monitors"] or {}).get("snapshots")
    return parse_duration(asked["every"]) if asked else LOOKS_BACK


def _sums(house: House, records: Records, ref: str, start: datetime, end: datetime) -> tuple[PeriodSums | None, str]:
    """What came, or why nobody can tell: a card is worth writing down without it."""
    from syscard.declare import system_of

    try:
        from syscard_monitors.period import period_sums

        return period_sums(house.lake(), system_of(records.current(ref)), start, end), ""
    except (SyscardError, ImportError) as error:
        return None, str(error)


def _before(
    house: House, records: Records, ref: str, version: int, known: Sequence[SnapshotCard]
) -> tuple[dict[str, Any] | None, SnapshotCard | None]:
    """The card of the snapshot before, or of the first version: what has changed since."""
    from syscard.snapshot_files import name_of, sha256

    if not known:
        first = records.card(ref, 1)
        return (first.model_dump(mode="json") if version > 1 else None), None
    last = known[-1]
    path = house.home.snapshots / ref / name_of(last.version, "json")
    if path.is_file() and sha256(content := path.read_bytes()) == last.files["json"]:
        card: dict[str, Any] = json.loads(content)["card"]
        return card, last
    return records.card(ref, last.version).model_dump(mode="json"), last


def _make(
    view: View,
    occasion: Occasion,
    wish: Wish,
    verdict: str,
    now: datetime,
    key: Signing,
    before: tuple[dict[str, Any] | None, SnapshotCard | None],
) -> _Made:
    from syscard.digest import iso
    from syscard.render.snapshot import drawings
    from syscard.snapshot_files import ENVELOPE, name_of, seal, sha256

    previous, last = before
    contents, version = drawings(view, previous, now, occasion), view["card"]["version"]
    said = {
        "number": occasion.number,
        "version": version,
        "card": view["digest"],
        "reason": wish.reason,
        "verdict": verdict,
        "previous": last.envelope if last else None,
    }
    period = {
        "start": iso(occasion.start) if occasion.start else None,
        "end": iso(occasion.end) if occasion.end else None,
    }
    predicate = {"system": view["card"]["system"], "head": view["head"], "at": iso(now), **said, **period}
    envelope = seal(version, contents, predicate, key)
    body = Snapshot.model_validate(
        {
            **said,
            "files": {suffix: sha256(content) for suffix, content in contents.items()},
            "envelope": sha256(envelope),
            "start": occasion.start,
            "end": occasion.end,
            "incidents": wish.incidents,
        }
    )
    named = {name_of(version, suffix): content for suffix, content in contents.items()}
    return _Made(body, {**named, key.public.name: key.public.pem, name_of(version, ENVELOPE): envelope})


def _keep(
    house: House, records: Records, ref: str, version: int, made: _Made, who: Author, now: datetime
) -> Card | None:
    """Files first and then the edit, while nobody else can write: an edit never names what is not there."""
    from syscard.edits import Draft
    from syscard.snapshot_files import put

    folder = house.home.snapshots / ref
    with records.transaction() as transaction:
        card, _ = transaction.newest(ref)
        if card.version != version:
            return None
        try:
            _set_aside(folder, max((s.version for s in card.snapshots), default=0))
            put(folder, made.files)
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror}: the snapshot was not written") from error
        draft = Draft(body=made.body, author=who, observed=now)
        return transaction.append(ref, [draft], cause=f"snapshot: {made.body.reason}", recorded=now)


def _set_aside(folder: Path, newest: int) -> None:
    """What a process left that was stopped: half a file, or an envelope that no edit names (or of a newer backup)."""
    for half in folder.glob(".*.partial"):
        half.unlink(missing_ok=True)
    for version, path in _envelopes(folder):
        if version > newest:
            path.replace(path.with_name(f"unchained-{path.name}"))


def _envelopes(folder: Path) -> list[tuple[int, Path]]:
    """With the versions that they are of, oldest first."""
    from syscard.snapshot_files import ENVELOPE

    found = [(path.name.removeprefix("v").partition(".")[0], path) for path in folder.glob(f"v*.{ENVELOPE}")]
    return sorted((int(version), path) for version, path in found if version.isdecimal())


def _let_go(house: House, records: Records, ref: str, keep: int | None) -> None:
    """Remove the files of all but the newest that came by themselves; what they were stays signed in their envelopes.

    What somebody asked for, and what a release was, is theirs to remove.
    """
    from syscard.edits import AuthorKind
    from syscard.snapshot_files import SUFFIXES, name_of

    if keep is None:
        return
    bodies = (edit.body for edit in records.edits(ref) if edit.draft.author.kind is AuthorKind.MONITOR)
    own = [body.version for body in bodies if isinstance(body, Snapshot)]
    for version in own[:-keep]:
        for suffix in SUFFIXES:
            (house.home.snapshots / ref / name_of(version, suffix)).unlink(missing_ok=True)


def _paths(folder: Path, snapshot: SnapshotCard) -> tuple[Path, ...]:
    """Where its files are; none where one of them is gone or is not what was signed."""
    from syscard.signatures import signer_of
    from syscard.snapshot_files import ENVELOPE, SUFFIXES, name_of, sha256

    wanted = {suffix: snapshot.files.get(suffix) for suffix in SUFFIXES} | {ENVELOPE: snapshot.envelope}
    paths = {suffix: folder / name_of(snapshot.version, suffix) for suffix in wanted}
    if any(not path.is_file() or sha256(path.read_bytes()) != wanted[suffix] for suffix, path in paths.items()):
        return ()
    signer = signer_of(paths[ENVELOPE].read_bytes(), paths[ENVELOPE].name)
    return (*paths.values(), *sorted(folder.glob(f"signed-by-{signer[:16]}.pub.pem")))


def copy_out(found: Taken, out: Path) -> tuple[Path, ...]:
    """The same files in a folder that the user names; each appears whole or not at all.

    Raises:
        UsageError: the folder cannot be made or written, or files of another snapshot lie there under these names.
    """
    from syscard.snapshot_files import put

    try:
        contents = {path.name: path.read_bytes() for path in found.paths}
        for name, content in contents.items():
            if (there := out / name).is_file() and there.read_bytes() != content:
                raise UsageError(f"{there}: is of another snapshot, and is left as it is: every system needs a folder"
                                 " of its own: name another one with --out")  # fmt: skip
        return put(out, contents)
    except OSError as error:
        raise UsageError(f"{error.filename or out}: {error.strerror}: name another folder with --out") from error


def finding(house: House, records: Records, ref: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names of the files of snapshots that the chain names and that are gone, and of those that were changed."""
    from syscard.snapshot_files import ENVELOPE, name_of, sha256

    folder, gone, changed = house.home.snapshots / ref, set[str](), list[str]()
    for edit in records.edits(ref):
        if not isinstance(edit.body, Snapshot):
            continue
        for suffix, digest in {**edit.body.files, ENVELOPE: edit.body.envelope}.items():
            path = folder / name_of(edit.body.version, suffix)
            if not path.is_file():
                gone.add(path.name)
            elif sha256(path.read_bytes()) != digest:
                changed.append(path.name)
    return frozenset(gone), tuple(changed)


def told(found: Taken) -> str:
    """`snapshot 3 of v83: BROKEN (on request), signed by 2a6d63b9...`."""
    one = found.snapshot
    again = "" if found.new else "; nothing has changed since it was taken"
    return f"snapshot {one.number} of v{one.version}: {one.verdict} ({one.reason}), signed by {found.signed_by}{again}"


def gone_text(gone: frozenset[str]) -> str:
    """`3 files of snapshots gone; ...`."""
    return f"{plural(len(gone), 'file')} of snapshots gone; the digests are still in the chain"
