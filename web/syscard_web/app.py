"""The site behind Starlette: routes, and a bound on how many are drawn at one time. The one module that imports it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from syscard.clock import Clock
from syscard.errors import MissingExtra
from syscard_web.asking import Answer, Asked
from syscard_web.openapi import ROOT
from syscard_web.site import DOCUMENTS, PAGES, Site

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError as error:
    raise MissingExtra("server", "the web page") from error

AT_ONCE: Final = 2
"""Answers that are made at one time: that is Python's work, and beside it spans come in."""
WAITING: Final = 32
_METHODS: Final = ["GET"]


class Web:
    """The site of one home, for a server to put among its routes."""

    def __init__(self, records: Path, token: str | None, clock: Clock) -> None:
        self.site = Site(records, token, clock)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def routes(self) -> list[Route]:
        """Pages at `/`, documents at `/api/v1`."""
        pages = [Route(path, self._answering(partial(self.site.page, path)), methods=_METHODS) for path in PAGES]
        documents = [
            Route(f"{ROOT}{path}", self._answering(partial(self.site.document, path)), methods=_METHODS)
            for path in DOCUMENTS
        ]
        return [*pages, *documents]

    async def missing(self, request: Request) -> Response | None:
        """A page for whoever reads pages; None for what sends spans."""
        if request.method not in ("GET", "HEAD") or request.url.path.startswith("/v1/"):
            return None
        return await self._made(self.site.missing, request)

    def _answering(self, make: Callable[[Asked], Answer]) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            return await self._made(make, request)

        return answer

    async def _made(self, make: Callable[[Asked], Answer], request: Request) -> Response:
        if self._waiting >= WAITING:
            return _response(self.site.busy(_asked(request)))
        self._waiting += 1
        try:
            async with self._turns:
                return _response(await run_in_threadpool(make, _asked(request)))
        finally:
            self._waiting -= 1


def _asked(request: Request) -> Asked:
    return Asked(
        path=request.url.path,
        host=request.headers.get("host", ""),
        authorization=request.headers.get("authorization", ""),
        query=dict(request.query_params),
        named={name: str(value) for name, value in request.path_params.items()},
    )


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, answer.media_type)


def alone(web: Web) -> Starlette:
    """The site as an application of its own, with its own `/healthz`."""

    async def health(_request: Request) -> Response:
        return _response(await run_in_threadpool(web.site.health))

    async def only_read(request: Request, error: Exception) -> Response:
        return _response(web.site.only_read(_asked(request), getattr(error, "headers", None) or {"allow": "GET, HEAD"}))

    async def missing(request: Request, error: Exception) -> Response:
        return await web.missing(request) or await only_read(request, error)

    routes = [*web.routes(), Route("/healthz", health, methods=_METHODS)]
    app = Starlette(routes=routes, exception_handlers={404: missing, 405: only_read})
    app.router.redirect_slashes = False
    return app
