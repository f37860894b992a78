"""Whether a snapshot is what was signed: offline, without a home, from the files that lie beside each other.

Checked are the signature, the files that are here by their digests, the card's digest recomputed from the JSON, and the
chain of every envelope of the same system in the folder. Of the snapshot that is asked about all four must be here, or
the one that was named. What a signature proves: whoever holds the key signed these bytes.
It says nothing of who that is where the key's fingerprint did not come by another way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from syscard.digest import digest
from syscard.errors import ChainBroken, UsageError
from syscard.signatures import Public, opened, public_key
from syscard.snapshot_files import ENVELOPE, SUFFIXES, name_of, sha256
from syscard.words import one_line

_MOST_BYTES: Final = 512_000_000
"""Of one file."""
_TEXTS: Final = ("system", "card", "head", "reason", "verdict", "at")
_MOST_FILES: Final = 10_000
"""Envelopes, or keys, of one folder."""


@dataclass(frozen=True)
class VerifiedSnapshot:
    """What was found to hold of the newest, or the named, snapshot of one system."""

    system: str
    number: int
    version: int
    card: str
    head: str
    reason: str
    verdict: str
    at: str
    signed_by: str
    """Fingerprint."""
    pinned: bool
    """Whether the caller said which key it must be."""
    numbers: tuple[int, ...]
    """Snapshots whose envelopes were verified, newest first."""
    gone: tuple[str, ...]
    """Files that are not here, beside the one that was asked about; their digests are signed all the same."""
    before: bool
    """Whether there are older ones whose envelopes are not here."""
    other_keys: tuple[str, ...]
    """Fingerprints of keys that signed others of the chain."""


@dataclass(frozen=True)
class _Envelope:
    """One that was read, and not yet believed."""

    path: Path
    sha256: str
    says: dict[str, Any]
    subjects: dict[str, str]
    signed_by: str


def verify_snapshots(path: Path, pin: str | None = None) -> tuple[VerifiedSnapshot, ...]:
    """Verify a file of a snapshot, a whole snapshot by its envelope, or the newest of each system in a folder.

    Args:
        path: the envelope, one of the files beside it, or a folder.
        pin: fingerprint (at least 16 digits of it) or file of the public key that must have signed; None takes the keys
            that lie beside.

    Raises:
        ChainBroken: names the first thing that is wrong.
        UsageError: there is no snapshot here, or no such key.
        MissingExtra: the libraries are not installed.
    """
    folder, named = (path, None) if path.is_dir() else (path.parent, _envelope_of(path))
    envelopes = _envelopes(folder)
    if named is not None and named not in envelopes:
        raise ChainBroken(f"{path.name}: no file of a snapshot has such a name, so nobody has signed it under it")
    keys = _keys(folder, pin)
    found = [_opened(one, keys) for one in envelopes]
    if not found:
        raise UsageError(f"{path}: no signed snapshot here: name a folder with a v*.{ENVELOPE}, or one of its files")
    only = path.name if named not in (None, path) else None
    return tuple(_verified(chain, pin is not None, only) for chain in _chains(found, named))


def _envelope_of(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    stem = path.name.partition(".")[0]
    envelope = path.with_name(f"{stem}.{ENVELOPE}")
    if not envelope.is_file():
        raise ChainBroken(f"{path.name}: {envelope.name} is not beside it, so nobody has signed it")
    return envelope


def _envelopes(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"v*.{ENVELOPE}"))
    if len(found) > _MOST_FILES:
        raise UsageError(f"{folder}: more than {_MOST_FILES:,} envelopes: name a smaller folder")
    return found


def _keys(folder: Path, pin: str | None) -> dict[str, Public]:
    """Who may have signed, by fingerprint."""
    if pin is not None and Path(pin).is_file():
        found = public_key(_bytes(Path(pin)), pin)
        return {found.fingerprint: found}
    beside = {key.fingerprint: key for key in _keys_beside(folder)}
    if pin is None:
        return beside
    wanted = pin.lower().removeprefix("sha256:").replace(":", "")
    if len(wanted) < 16 or set(wanted) - set("0123456789abcdef"):
        raise UsageError(f"--key {one_line(pin)[:80]}: neither a file nor a fingerprint (16 to 64 hex digits)")
    pinned = {name: key for name, key in beside.items() if name.startswith(wanted)}
    if not pinned:
        raise ChainBroken(f"no public key with the fingerprint {wanted[:16]} lies in {folder}: another one signed")
    return pinned


def _keys_beside(folder: Path) -> Iterator[Public]:
    for path in sorted(folder.glob("signed-by-*.pub.pem"))[:_MOST_FILES]:
        key = public_key(_bytes(path), path.name)
        if path.name != key.name:
            raise ChainBroken(f"{path.name}: holds the key {key.fingerprint[:16]}, which is not the one in its name")
        yield key


def _opened(path: Path, keys: Mapping[str, Public]) -> _Envelope:
    content = _bytes(path)
    statement, public = opened(content, keys, path.name)
    says = statement.predicate
    try:
        says["number"], says["version"] = int(says["number"]), int(says["version"])
        named = {name_of(says["version"], suffix) for suffix in SUFFIXES}
        right = named == set(statement.subjects) and path.name == name_of(says["version"], ENVELOPE)
        if "previous" not in says or not all(isinstance(says[field], str) for field in _TEXTS):
            raise ValueError("not as a snapshot says it")
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ChainBroken(f"{path.name}: what was signed does not say all that a snapshot says") from error
    if not right:
        raise ChainBroken(f"{path.name}: what was signed is of v{says['version']}: the file was renamed")
    return _Envelope(path, sha256(content), says, statement.subjects, public.fingerprint)


def _chains(found: list[_Envelope], named: Path | None) -> Iterator[tuple[list[_Envelope], _Envelope]]:
    """For each system the envelopes from the newest back, and the one that is asked about."""
    asked = next((one for one in found if one.path == named), None)
    for system in sorted({one.says["system"] for one in found}):
        if asked is None or asked.says["system"] == system:
            chain = _chain([one for one in found if one.says["system"] == system])
            yield chain, asked or chain[0]


def _chain(envelopes: list[_Envelope]) -> list[_Envelope]:
    """Envelopes of one system, newest first; each names the one before it by its digest."""
    ordered = sorted(envelopes, key=lambda one: -one.says["number"])
    for newer, older in pairwise(ordered):
        if newer.says["number"] == older.says["number"]:
            raise ChainBroken(f"{older.path.name} and {newer.path.name}: both say that they are snapshot "
                              f"{older.says['number']}")  # fmt: skip
        if newer.says["number"] != older.says["number"] + 1:
            raise ChainBroken(f"{newer.path.name}: snapshot {newer.says['number'] - 1}, which came before it, is "
                              f"missing, and {older.path.name} is older")  # fmt: skip
        if newer.says["previous"] != older.sha256:
            raise ChainBroken(f"{newer.path.name}: does not follow from {older.path.name}, which lies beside it")
    return ordered


def _verified(found: tuple[list[_Envelope], _Envelope], pinned: bool, only: str | None) -> VerifiedSnapshot:
    """With `only`, that file must be here and be signed; else every file of the snapshot that is asked about."""
    chain, asked = found
    if only is not None and only not in asked.subjects:
        raise ChainBroken(f"{only}: is not among the files that {asked.path.name} signs")
    needed = frozenset(asked.subjects if only is None else (only,))
    gone = [name for one in chain for name in _files(one, needed if one is asked else frozenset())]
    says = asked.says
    return VerifiedSnapshot(
        system=says["system"],
        number=says["number"],
        version=says["version"],
        card=says["card"],
        head=says["head"],
        reason=says["reason"],
        verdict=says["verdict"],
        at=says["at"],
        signed_by=asked.signed_by,
        pinned=pinned,
        numbers=tuple(one.says["number"] for one in chain),
        gone=tuple(gone),
        before=chain[-1].says["previous"] is not None,
        other_keys=tuple(sorted({one.signed_by for one in chain} - {asked.signed_by})),
    )


def _files(envelope: _Envelope, needed: frozenset[str]) -> Iterator[str]:
    """Names of those that are not here; whatever is here is what was signed."""
    folder = envelope.path.parent
    for name, expected in envelope.subjects.items():
        path = folder / name
        if not path.is_file():
            if name in needed:
                raise ChainBroken(f"{name}: is not beside {envelope.path.name}, which says that it was signed")
            yield name
            continue
        content = _bytes(path)
        if sha256(content) != expected:
            raise ChainBroken(f"{name}: is not the file that was signed: one of its bytes was changed")
        if name.endswith(".json"):
            _same_card(name, content, envelope.says)


def _same_card(name: str, content: bytes, says: Mapping[str, Any]) -> None:
    """The card in the JSON has the digest that is signed, recomputed."""
    try:
        document = json.loads(content)
        made = {"card": digest(document["card"]), "head": document["head"], "system": document["system"],
                "version": document["version"], "number": document["snapshot"]["number"],
                "verdict": document["verdict"], "reason": document["snapshot"]["reason"]}  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ChainBroken(f"{name}: is no snapshot of a card") from error
    for field, value in made.items():
        if value != says[field]:
            raise ChainBroken(f"{name}: its {field} is {one_line(value)[:64]}, and signed is "
                              f"{one_line(says[field])[:64]}")  # fmt: skip


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path}: larger than {_MOST_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
