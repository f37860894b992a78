"""`serve --only web`: by the same rules as a receiver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.helpers import syscard


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--only", "web", "--host", "0.0.0.0"), "can be reached by others: give a token in SYSCARD_TOKEN"),
        (("--only", "web", "--tls-cert", "x.pem"), "TLS needs both --tls-cert and --tls-key"),
        (("--only", "web", "--port", "70000"), "cannot listen on 127.0.0.1 port 70000"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
) -> None:
    monkeypatch.delenv("SYSCARD_TOKEN", raising=False)
    ran = syscard("--home", tmp_path / "home", "serve", *options)
    assert ran.code == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_an_address_that_others_reach_needs_tls_beside_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_TOKEN", "a-token")
    ran = syscard("--home", tmp_path / "home", "serve", "--only", "web", "--host", "0.0.0.0")
    assert (ran.code, "who could read the token on the way" in ran.err) == (2, True)
