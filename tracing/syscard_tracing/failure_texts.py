"""What a span says of its failure: the status message and the exceptions among its events, as text fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from syscard_tracing.spans import RawSpan

STATUS: Final = "status.message"
MESSAGE: Final = "exception.message"
TRACE: Final = "exception.stacktrace"
TRACE_LIMIT: Final = 2_000
"""Characters of one stack trace that are looked at: half from its begin, half from its end."""
_EXCEPTIONS: Final = 4
_LINE_END: Final = "\n"
_HOME: Final = re.compile(r"((?:/home/|/Users/|\\Users\\+))[^/\\\s\"':]{1,64}")


def failure_texts(span: RawSpan) -> Iterator[tuple[str, str]]:
    """(field, text) of everything that a span says of its failure in words, of the first four exceptions.

    Folders of people lose their names at once: whose machine it was is no part of a failure.
    """
    if span.status_message:
        yield STATUS, _HOME.sub(r"\1~", span.status_message)
    raised = [event.attributes for event in span.events if event.name == "exception"]
    for attributes in raised[:_EXCEPTIONS]:
        message, trace = attributes.get(MESSAGE), attributes.get(TRACE)
        if isinstance(message, str) and message:
            yield MESSAGE, _HOME.sub(r"\1~", message)
        if isinstance(trace, str) and trace:
            yield TRACE, _HOME.sub(r"\1~", _shortened(trace))


def _shortened(trace: str) -> str:
    """Java says first what went wrong, Python says it last.

    The end begins with a line: what stood before may say what the rest of a line is, such as `password=`.
    """
    half = TRACE_LIMIT // 2
    return trace if len(trace) <= TRACE_LIMIT else f"{trace[:half]}\n...\n{trace[-half:].partition(_LINE_END)[2]}"
