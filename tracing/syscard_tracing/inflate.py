"""Content encodings, inflated within a bound: a gzip bomb costs no more than the bound."""

from __future__ import annotations

import zlib
from typing import Final

from syscard.errors import BadSpanData, BodyTooLarge, UnsupportedMedia

LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one request after inflating, as OTLP recommends."""
MOST_MEMBERS: Final = 1_000
"""Of one body: each takes time, also where nothing is in it."""
_STEP: Final = 1 << 20
_PIECE: Final = 1 << 16
_WINDOW: Final = {"gzip": 31, "deflate": 15}


def inflate(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    """The body without its content encoding (`gzip`, `deflate`, `identity` or empty).

    Raises:
        BodyTooLarge: more than `limit` bytes after inflating.
        BadSpanData: the compressed data is cut off or broken.
        UnsupportedMedia: another encoding.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _bounded(body, limit)
    if name not in _WINDOW:
        raise UnsupportedMedia(f"content encoding '{name[:40]}' is not read; send gzip or identity")
    return _inflate(body, name, limit)


def too_large(limit: int) -> BodyTooLarge:
    """The error for a body over the limit."""
    return BodyTooLarge(f"body is over {limit} bytes after inflating; send smaller batches")


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise too_large(limit)
    return body


def _inflate(body: bytes, name: str, limit: int) -> bytes:
    parts: list[bytes] = []
    size, members = 0, 1
    inflater = zlib.decompressobj(_WINDOW[name])
    # In small pieces: zlib copies what it has not used yet, once a step and once a member.
    for at in range(0, len(body), _PIECE):
        data, part = body[at : at + _PIECE], b""
        while data or (len(part) == _STEP and not inflater.eof):
            if inflater.eof:  # a gzip file may hold several members one after another
                members += 1
                if members > MOST_MEMBERS:
                    raise BadSpanData(f"more than {MOST_MEMBERS} {name} members in one body")
                inflater = zlib.decompressobj(_WINDOW[name])
            part = _some(inflater, data, name)
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise BadSpanData(f"{name} data is cut off")
    return b"".join(parts)


def _some(inflater: zlib._Decompress, data: bytes, name: str) -> bytes:
    try:
        return inflater.decompress(data, _STEP)
    except zlib.error as error:
        raise BadSpanData(f"not {name} data: {error}") from error
