"""Who may send or read: one token for a home, compared in constant time. Standard library only."""

from __future__ import annotations

import base64
import binascii
import hmac


def authorised(header: str, token: str | None, *, password: bool = False) -> bool:
    """Whether an Authorization header carries the token; without a token everybody may.

    Args:
        header: `Bearer TOKEN`; with `password` also `Basic`, whose password is the token, whatever the user is called.
        token: the home's.
        password: whether HTTP Basic is taken: a browser can send nothing else by itself.
    """
    if not token:
        return True
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return _same(given.strip(), token)
    return password and scheme.lower() == "basic" and _same(_password(given), token)


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _password(given: str) -> str:
    """Of `user:password` in base64; nothing where it is not that."""
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
