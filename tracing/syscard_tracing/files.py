"""Trace files as requests: OTLP/JSON, JSON lines, protobuf, each also packed (gzip, xz). Content decides what it is."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from syscard.errors import BadSpanData, BodyTooLarge, UsageError
from syscard_tracing.inflate import LIMIT
from syscard_tracing.otlp import decode_json
from syscard_tracing.spans import Decoded

SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".pb", ".binpb", ".otlp")
"""What is taken from a folder; a file named on its own is taken whatever its name."""
_JSON_NAMES: Final = (".json", ".jsonl", ".ndjson")
_GZIP: Final = b"\x1f\x8b"
_XZ: Final = b"\xfd7zXZ\0"
_PACKED: Final = (".gz", ".xz")
_XZ_MEMORY: Final = 128 * 1024 * 1024
"""Bytes that inflating an xz file may take: its own header could ask for gigabytes."""


class Request(NamedTuple):
    """The spans of one request in a file."""

    where: str
    """`file` or `file:line`."""
    decoded: Decoded


def trace_files(paths: Sequence[Path]) -> list[Path]:
    """Files to read: those named, and those below named folders, sorted.

    Raises:
        UsageError: a path is not there, or a folder holds no trace file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} is not there: name a trace file or a folder of them")
        inside = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and _is_trace_name(p))
        if not inside:
            raise UsageError(f"{path} holds no trace file ({', '.join(SUFFIXES)}, each also .gz or .xz)")
        found += inside
    return found


def requests(path: Path, limit: int = LIMIT) -> Iterator[Request]:
    """The requests of one file, one at a time.

    Raises:
        BadSpanData: something cannot be decoded; says file and line. What came before was yielded.
        BodyTooLarge: one request is over `limit` bytes.
    """
    line = 0
    try:
        as_json = _is_json(_head(path), path)
        with _open(path) as file:
            if not as_json:
                yield Request(str(path), _protobuf(_rest(file, limit)))
                return
            for line, decoded in _json_requests(file, limit):
                yield Request(f"{path}:{line}", decoded)
    except (EOFError, zlib.error, gzip.BadGzipFile, _Broken) as error:
        raise BadSpanData(f"{path}: {_packing(path)} data is cut off or broken after line {line}: {error}") from error
    except _AtLine as error:
        raise type(error.error)(f"{path}:{error.line}: {error.error}") from error
    except BodyTooLarge:
        raise BodyTooLarge(f"{path}: one request is over {limit} bytes") from None
    except BadSpanData as error:
        raise BadSpanData(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def refusals(refused: Counter[str]) -> str:
    """How many spans were refused, and why; nothing where none was."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items()))
    return f"{refused.total()} refused ({reasons})" if refused else ""


def no_trace(where: str, refused: Counter[str]) -> BadSpanData:
    """The error for files without a single span that could be taken."""
    said = ", ".join(part for part in ("there is no trace in it", refusals(refused)) if part)
    return BadSpanData(f"{where}: {said}: name a file of OTLP traces; log records and metrics hold none")


class _AtLine(Exception):
    def __init__(self, line: int, error: BadSpanData | BodyTooLarge) -> None:
        super().__init__(line, error)
        self.line = line
        self.error = error


def _is_trace_name(path: Path) -> bool:
    return _unpacked_name(path).endswith(SUFFIXES)


def _unpacked_name(path: Path) -> str:
    name = path.name.lower()
    return name.rpartition(".")[0] if name.endswith(_PACKED) else name


class _Broken(Exception):
    """Packed data that cannot be inflated."""


class _Unxz(io.RawIOBase):
    """An xz file inflated as it is read, in bounded memory. It may hold several streams one after another."""

    def __init__(self, path: Path) -> None:
        try:
            import lzma
        except ImportError as error:
            raise UsageError(f"{path}: this Python was built without lzma: unpack the file first") from error

        self._lzma = lzma
        self._file = path.open("rb")
        self._rest = b""
        self._inflater = self._next_stream()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = b""
        while not part and self._more():
            part = self._some(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _next_stream(self) -> Any:
        return self._lzma.LZMADecompressor(self._lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def _more(self) -> bool:
        """Whether there is more to inflate; begins the next stream where one has ended (zeros may lie in between)."""
        if not self._inflater.eof:
            return True
        behind = self._inflater.unused_data or self._file.read(io.DEFAULT_BUFFER_SIZE)
        while behind and not behind.strip(b"\0"):
            behind = self._file.read(io.DEFAULT_BUFFER_SIZE)
        self._rest = behind.lstrip(b"\0")
        self._inflater = self._next_stream() if self._rest else self._inflater
        return bool(self._rest)

    def _some(self, most: int) -> bytes:
        packed, self._rest = self._rest, b""
        if not packed and self._inflater.needs_input:
            packed = self._file.read(io.DEFAULT_BUFFER_SIZE)
            if not packed:
                raise EOFError("the data ends before its end marker")
        try:
            part: bytes = self._inflater.decompress(packed, most)
        except self._lzma.LZMAError as error:
            raise _Broken(str(error)) from error
        return part


def _packing(path: Path) -> str:
    """`xz`, `gzip`, or nothing: as the content says."""
    with path.open("rb") as file:
        head = file.read(len(_XZ))
    return "xz" if head == _XZ else "gzip" if head.startswith(_GZIP) else ""


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    packing = _packing(path)
    if packing == "xz":
        return io.BufferedReader(_Unxz(path))
    return gzip.open(path, "rb") if packing == "gzip" else path.open("rb")


def _head(path: Path) -> bytes:
    with _open(path) as file:
        return file.read(512)


def _is_json(head: bytes, path: Path) -> bool:
    """Whether the content is text that starts like JSON.

    A protobuf request starts with the byte of a newline and holds control bytes soon after.
    """
    if any(byte < 32 and byte not in b"\t\r\n" for byte in head):
        return False
    return head.lstrip()[:1] in (b"{", b"[", b"") or _unpacked_name(path).endswith(_JSON_NAMES)


def _json_requests(file: IO[bytes] | gzip.GzipFile, limit: int) -> Iterator[tuple[int, Decoded]]:
    line, text = 1, file.readline(limit + 1)
    while text and not text.strip():
        line, text = line + 1, file.readline(limit + 1)
    if text and not _is_one_document(text):
        yield line, _whole(b"\n" * (line - 1) + text + _rest(file, limit - len(text)))
        return
    while text:
        if len(text) > limit:
            raise _AtLine(line, BodyTooLarge(f"line is over {limit} bytes"))
        if text.strip():
            yield line, _at_line(line, text)
        line, text = line + 1, file.readline(limit + 1)


def _is_one_document(line: bytes) -> bool:
    """Whether a first line stands for itself (JSON lines), or begins a document over several lines."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _whole(body: bytes) -> Decoded:
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        raise _AtLine(error.lineno, BadSpanData(f"not JSON: {error.msg}")) from error
    except (ValueError, RecursionError):
        pass  # told by the decoder
    return _at_line(1, body)


def _at_line(line: int, body: bytes) -> Decoded:
    try:
        return decode_json(body)
    except BadSpanData as error:
        raise _AtLine(line, error) from error


def _rest(file: IO[bytes] | gzip.GzipFile, limit: int) -> bytes:
    rest = file.read(limit + 1)
    if len(rest) > limit:
        raise BodyTooLarge("")
    return rest


def _protobuf(body: bytes) -> Decoded:
    from syscard_tracing.otlp_proto import decode_protobuf

    return decode_protobuf(body)
