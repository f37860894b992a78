"""The floor: a server that reads a request, parses it with the official class, and keeps nothing."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """ASGI: 200 to whatever can be parsed."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    ExportTraceServiceRequest.FromString(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
