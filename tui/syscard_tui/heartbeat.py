"""A page of memory that two processes share: the monitors write what they are at, and who watches over them reads it.

It costs a microsecond, so every signal can be told, and what was written last outlives whoever wrote it.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from typing import Final

from syscard.steps import Step

VARIABLE: Final = "SYSCARD_HEARTBEAT"
"""Environment variable of a supervised child: the file descriptor of the page."""
_SIZE: Final = 1024
_OF_NO_FILE: Final = -1
_HEAD: Final = struct.Struct("<QH")
"""How many steps there were, and how many bytes the last of them takes."""


class Heartbeat:
    """The side of the monitors."""

    def __init__(self, descriptor: int) -> None:
        self._page = mmap.mmap(descriptor, _SIZE)
        self._count = _HEAD.unpack_from(self._page)[0]
        self._length = 0

    def at(self, step: Step) -> None:
        """A step begins."""
        text = "\0".join(step).encode()[: _SIZE - _HEAD.size]
        self._page[_HEAD.size : _HEAD.size + len(text)] = text
        self._length = len(text)
        self.beat()

    def beat(self) -> None:
        """The same step goes on as it should."""
        self._count += 1
        _HEAD.pack_into(self._page, 0, self._count, self._length)


class Pulse:
    """The side of who watches; outlives many monitors, one after the other."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`, many children later)
        self._file.truncate(_SIZE)
        self._page = mmap.mmap(self._file.fileno(), _SIZE)

    @property
    def descriptor(self) -> int:
        """To be handed to the child."""
        return self._file.fileno()

    def begin(self) -> None:
        """Another child is started: what the last one did is no more."""
        Heartbeat(self.descriptor).at(Step())

    def read(self) -> tuple[int, Step]:
        """How many beats there were, and the step of the last of them."""
        count, length = _HEAD.unpack_from(self._page)
        parts = self._page[_HEAD.size : _HEAD.size + length].decode(errors="replace").split("\0")
        return count, Step(*parts[: len(Step._fields)])

    def close(self) -> None:
        """Give the page back."""
        self._page.close()
        self._file.close()


def own_heartbeat() -> Heartbeat:
    """Of this process; where nobody watches over it, on a page of its own."""
    return Heartbeat(int(os.environ.get(VARIABLE, _OF_NO_FILE)))
