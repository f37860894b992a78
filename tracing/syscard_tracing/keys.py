"""The home's secret keys for fingerprints and user keys: the one in use, and those of rows that are still kept."""

from __future__ import annotations

import fcntl
import hmac
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from syscard.errors import TraceError, UsageError
from syscard.rotations import FILE as FILE
from syscard.rotations import ended, is_in_use, key_number, rotations
from syscard_tracing.durable import sync

SIZE: Final = 32
STEPS: Final = ("made", "kept", "in use")
"""Names of the steps of a rotation, in order."""


class Key(NamedTuple):
    """One key of a home."""

    secret: bytes | None
    """None where it was destroyed."""
    since_us: int
    """It hashed what was received from this moment on; 0 for the first."""
    until_us: int | None
    """... and before this one; None for the key in use."""

    @property
    def name(self) -> str:
        """Eight hex digits that tell keys apart and give nothing of them away."""
        return hmac.digest(self.secret, b"name", "sha256").hex()[:8] if self.secret else "destroyed"


def load_or_make(path: Path) -> bytes:
    """The 32 bytes in the file; made at random, mode 0600, where there is none.

    Two processes that start at once end up with the same key: the file appears whole, under its name, or not at all.

    Raises:
        TraceError: the file cannot be made or read, or is no key.
    """
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise TraceError(f"key {path}: {error.strerror}: check who owns the home") from error
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise TraceError(f"key {path}: {error.strerror}: check who owns the home") from error
    if len(key) != SIZE:
        raise TraceError(
            f"key {path} is damaged ({len(key)} bytes, not {SIZE}): put the copy back; a new one breaks joins"
        )
    return key


def ring(keys: Path) -> tuple[Key, ...]:
    """Every key that the home has had, oldest first; the last is the one in use. None where it has had none.

    Raises:
        TraceError: a key cannot be read, or is none.
    """
    if not (keys / FILE).exists():
        return ()
    rotated = rotations(keys)
    old = [ended(keys, until) for until in rotated]
    secrets = [_read(path) if path.exists() else None for path in old]
    return tuple(map(Key, (*secrets, _read(keys / FILE)), (0, *rotated), (*rotated, None)))


def key_at(found: tuple[Key, ...], received_us: int) -> Key:
    """The key under which something was hashed that was received at a moment."""
    return found[key_number([key.since_us for key in found[1:]], received_us)]


def secrets_of(keys: Path) -> tuple[bytes, ...]:
    """Every key that is still there: under each of them a person may be in the lake."""
    return tuple(key.secret for key in ring(keys) if key.secret is not None)


# -- use and change ------------------------------------------------------------------------------------


def hold(keys: Path) -> int:
    """A handle that says that the key is in use; until it is closed, or the process ends, the key is not changed.

    Raises:
        TraceError: the folder cannot be written.
    """
    handle = _lock_file(keys)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def _lock_file(keys: Path) -> int:
    try:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(keys.with_name(f"{keys.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise TraceError(f"keys {keys}: {error.strerror}: check who owns the home") from error


def exchange(keys: Path, at_us: int, on_step: Callable[[str], None]) -> None:
    """Put a new key in the place of the one in use, which is kept under the moment of its end.

    The old key bears both names until the new one takes its place: whoever is killed in between has changed nothing.
    To be called while the keys are `unused`.
    """
    draft = _draft(keys / FILE)
    try:
        on_step("made")
        for path in keys.glob("fingerprint.until-*"):
            if is_in_use(path):  # an exchange that was cut off
                path.unlink()
        os.link(keys / FILE, ended(keys, at_us))
        sync(keys)
        on_step("kept")
        draft.replace(keys / FILE)
        sync(keys)
        on_step("in use")
    finally:
        draft.unlink(missing_ok=True)


def destroy(keys: Path, key: Key) -> None:
    """Delete an old key; that there was one, and until when, stays known.

    Raises:
        ValueError: it is the one in use.
    """
    if key.until_us is None:
        raise ValueError("the key in use is not destroyed")
    note_gone(keys, key.until_us)
    ended(keys, key.until_us).unlink(missing_ok=True)
    sync(keys)


def note_gone(keys: Path, until_us: int) -> None:
    """Let it stay known that there was a key, and until when."""
    ended(keys, until_us).with_suffix(".gone").touch(mode=0o600)
    sync(keys)


@contextmanager
def unused(keys: Path) -> Iterator[None]:
    """While the block runs nobody takes spans into this home.

    Raises:
        UsageError: somebody does.
    """
    handle = _lock_file(keys)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise UsageError(
            f"home {keys.parent} is being served, or spans are ingested into it: stop that, rotate, and start it again"
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its key is the key
    finally:
        draft.unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    """A new key on the disk, under a name that nobody else has."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, os.urandom(SIZE))
        os.fsync(handle)
    finally:
        os.close(handle)
    return draft
