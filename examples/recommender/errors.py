"""What can go wrong before the example runs."""

from __future__ import annotations

from syscard.errors import SyscardError


class Unavailable(SyscardError):
    """Something that the example needs cannot be had: a package, a program, a server."""
