"""Who may read: the token of the home, as bearer or as a browser sends a password; else only this machine."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from syscard.access import authorised
from syscard_web.asking import Asked, is_this_machine
from syscard_web.site import DOCUMENTS, PAGES, Site
from tests.web.conftest import TOKEN


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "sends", "reads"),
    [
        (f"Bearer {TOKEN}", True, True),
        (f"bearer  {TOKEN} ", True, True),
        (basic(f"anybody:{TOKEN}"), False, True),
        (basic(f":{TOKEN}"), False, True),
        (basic(TOKEN), False, False),
        (basic(f"{TOKEN}:"), False, False),
        (basic("anybody:another"), False, False),
        ("Bearer another", False, False),
        ("Bearer", False, False),
        ("Basic !!!", False, False),
        ("Basic gIGC", False, False),
        (f"Digest {TOKEN}", False, False),
        ("", False, False),
    ],
)
def test_a_token_is_taken_as_bearer_and_by_readers_as_a_password(header: str, sends: bool, reads: bool) -> None:
    assert authorised(header, TOKEN) is sends
    assert authorised(header, TOKEN, password=True) is reads


def test_without_a_token_everybody_may() -> None:
    assert authorised("", None)


@pytest.mark.parametrize("path", [*PAGES, "/api/v1/card"])
def test_without_the_token_nothing_is_told_and_a_browser_is_asked_for_it(
    records: Path, site_of: Callable[..., Site], path: str
) -> None:
    site, named = site_of(records, TOKEN), {"number": "12", "version": "1"}
    ask = site.page if path in PAGES else site.document
    answer = ask(path.removeprefix("/api/v1"), Asked(path, "shop.example", named=named))
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert b"Shop" not in answer.body
    let_in = ask(path.removeprefix("/api/v1"), Asked(path, "shop.example", basic(f"x:{TOKEN}"), named=named))
    assert let_in.status == 200


@pytest.mark.parametrize("path", ["/weather", "/api/v1/weather"])
def test_what_is_not_here_is_said_to_nobody_without_the_token(
    records: Path, site_of: Callable[..., Site], path: str
) -> None:
    site = site_of(records, TOKEN)
    assert site.missing(Asked(path, "shop.example")).status == 401
    assert site.missing(Asked(path, "shop.example", f"Bearer {TOKEN}")).status == 404


def test_every_document_asks_for_the_token(records: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(records, TOKEN)
    assert {site.document(path, Asked(path, "localhost")).status for path in DOCUMENTS} == {401}


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("localhost:4318", True),
        ("LOCALHOST:4318", True),
        ("127.0.0.1:4318", True),
        ("127.9.9.9", True),
        ("[::1]:4318", True),
        ("::1", True),
        ("[::1]", True),
        ("evil.example", False),
        ("evil.example:4318", False),
        ("localhost.evil.example:4318", False),
        ("10.0.0.1:4318", False),
        ("", False),
        (":4318", False),
    ],
)
def test_without_a_token_only_a_name_of_this_machine_is_answered(site: Site, host: str, ours: bool) -> None:
    assert is_this_machine(host) is ours
    answer = site.page("/", Asked("/", host))
    assert answer.status == (200 if ours else 421)
    assert (b"Shop recommender" in answer.body) is ours
