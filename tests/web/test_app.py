"""The site behind a real framework: routes, methods, paths that are not there, and a bound on readers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from syscard.clock import ReplayClock
from syscard_web.app import AT_ONCE, WAITING, Web, alone
from syscard_web.asking import STRICT, Answer, Asked
from syscard_web.site import DOCUMENTS, PAGES
from tests.web.conftest import TOKEN

NAMED = {"number": "12", "version": "4", "claim": "grounded"}


@pytest.fixture(scope="module")
def client(records: Path, clock: ReplayClock) -> Iterator[TestClient]:
    with TestClient(alone(Web(records, None, clock)), base_url="http://127.0.0.1:4318") as client:
        yield client


@pytest.mark.parametrize("path", [*PAGES, *(f"/api/v1{path}" for path in DOCUMENTS), "/healthz"])
def test_every_path_answers_get_and_head_and_nothing_else(client: TestClient, path: str) -> None:
    address = path.format(**NAMED)
    got, head = client.get(address), client.head(address)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    assert got.headers["content-type"] == head.headers["content-type"]
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        refused = client.request(method, address)
        assert refused.status_code == 405
        assert "GET" in refused.headers["allow"]
        assert STRICT.items() <= refused.headers.items()
        assert ("error" in refused.json()) if address.startswith("/api/") else refused.text.startswith("read only")


@pytest.mark.parametrize("path", ["/weather", "/incidents/12/more", "/history/", "/index.html", "/favicon.ico"])
def test_what_is_not_there_is_a_page(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_query_and_the_host_reach_the_site(client: TestClient) -> None:
    assert client.get("/api/v1/history?before=3&most=1").json()[0]["version"] == 2
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


def test_a_browser_that_knows_the_token_gets_in(records: Path, clock: ReplayClock) -> None:
    with TestClient(alone(Web(records, TOKEN, clock)), base_url="https://shop.example") as client:
        asked = client.get("/")
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"].startswith("Basic")
        assert client.get("/", auth=("anybody", TOKEN)).status_code == 200
        assert client.get("/api/v1/card", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/healthz").json() == {"ok": True}
        assert "set-cookie" not in asked.headers


async def test_only_so_many_are_answered_at_one_time_and_so_many_wait(records: Path, clock: ReplayClock) -> None:
    import threading

    web, open_, running, most = Web(records, None, clock), threading.Event(), [0], [0]
    lock = threading.Lock()

    def slow(_asked: Asked) -> Answer:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        open_.wait(30)
        with lock:
            running[0] -= 1
        return Answer(200, b"", "text/plain", {})

    answer = web._answering(slow)
    request = Request({"type": "http", "path": "/", "headers": [], "query_string": b"", "path_params": {}})

    async def ask() -> int:
        return (await asked_of(request)).status_code

    async def asked_of(request: Request) -> Response:
        found = await answer(request)  # type: ignore[misc]
        assert isinstance(found, Response)
        return found

    waiting = [asyncio.create_task(ask()) for _ in range(WAITING)]
    while most[0] < AT_ONCE:
        await asyncio.sleep(0.01)
    assert await ask() == 503
    for path, media in (("/", "text/plain"), ("/api/v1/card", "application/json")):
        too_many = await asked_of(Request({**request.scope, "path": path}))
        assert too_many.headers["retry-after"] == "2"
        assert too_many.headers["content-type"].startswith(media)
        assert STRICT.items() <= dict(too_many.headers).items()
    open_.set()
    assert await asyncio.gather(*waiting) == [200] * WAITING
    assert most[0] == AT_ONCE
    assert await ask() == 200


def test_a_reader_of_cards_needs_no_lake_no_database_library_and_no_monitor() -> None:
    code = "import sys, syscard_web.app; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"polars", "pyarrow", "deltalake", "sqlmodel", "sqlalchemy", "pandas", "numpy", "evidently", "textual"}
    assert not {*found} & {*heavy, "typer", "uvicorn", "jinja2", "syscard_tracing", "syscard_monitors", "syscard_tui"}
