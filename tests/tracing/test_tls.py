"""Who may send from elsewhere: a token, and TLS so that nobody on the way reads it. Certificates are made here."""

from __future__ import annotations

import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from syscard.errors import UsageError
from syscard.home import Home
from syscard_tracing.serving import Tls, address, check_host, check_tls, read_token
from tests.tracing.test_grpc import Client, finish, request
from tests.tracing.test_receiver import ended

SYSCARD = """
import sys
from syscard_tui.main import main
sys.argv = ["syscard", *sys.argv[1:]]
main()
"""


def made(folder: Path, name: str = "server", password: bytes | None = None) -> Tls:
    """A self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    files = Tls(folder / f"{name}.crt", folder / f"{name}.key")
    files.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return files


def test_spans_come_over_tls_by_http_and_grpc_and_never_without(
    home: Home, children: Any, tmp_path: Path, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    tls = made(tmp_path)
    child, port, grpc_port = children.serve_both(home, token="s3cret", tls=list(tls))
    trusted = ssl.create_default_context(cafile=str(tls.cert))
    headers = {"content-type": "application/json", "authorization": "Bearer s3cret"}
    sent = urllib.request.Request(f"https://127.0.0.1:{port}/v1/traces", line_of(0), headers, method="POST")
    with urllib.request.urlopen(sent, context=trusted, timeout=30) as answer:
        assert answer.status == 200
    plain = urllib.request.Request(f"http://127.0.0.1:{port}/v1/traces", line_of(1), headers, method="POST")
    with pytest.raises((urllib.error.URLError, OSError)):
        urllib.request.urlopen(plain, timeout=30)
    token = (("authorization", "Bearer s3cret"),)
    trust = grpc.ssl_channel_credentials(tls.cert.read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{grpc_port}", trust) as channel:
        assert Client(channel).send(request(2), metadata=token) == b""
        assert Client(channel).refused(request(3))[0] == "UNAUTHENTICATED"
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        assert Client(channel).refused(request(4), metadata=token)[0] == "UNAVAILABLE"
    child.terminate()
    assert (child.wait(60), child.communicate()[1]) == (0, "")
    assert stored() == [0, 2]


def test_the_command_takes_certificate_and_token_from_files_and_shows_the_token_nowhere(
    home: Home, children: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = made(tmp_path)
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("SYSCARD_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("SYSCARD_TLS_CERT", str(tls.cert))
    arguments = ("--home", home.root, "serve", "--port", 0, "--tls-key", tls.key, "--only", "receiver", "--no-grpc")
    child = children.fresh(SYSCARD, *arguments)
    said = child.stderr.readline()
    assert said.startswith("syscard takes spans on https://127.0.0.1:")
    assert "gRPC" not in said
    port = said.split("127.0.0.1:")[1].split("/")[0]
    trusted = ssl.create_default_context(cafile=str(tls.cert))
    for token, wanted in (("wrong", 401), ("s3cret", 400)):
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        sent = urllib.request.Request(f"https://127.0.0.1:{port}/v1/traces", b"{", headers, method="POST")
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(sent, context=trusted, timeout=30)
        with told.value as error:
            assert (error.code, set(json.loads(error.read()))) == (wanted, {"code", "message"})
    assert b"s3cret" not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
    child.terminate()
    out, errors = child.communicate(timeout=60)
    assert child.returncode == 0
    assert "s3cret" not in said + out + errors


def test_an_address_that_others_reach_needs_both_token_and_tls_or_a_proxy_that_is_named(tmp_path: Path) -> None:
    tls = Tls(tmp_path / "c", tmp_path / "k")
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        check_host(host, None, None)
    for host in ("0.0.0.0", "::", "192.0.2.7", "collector.example"):
        check_host(host, "t", tls)
        check_host(host, "t", None, behind_proxy=True)
        for token, behind_proxy, wanted in (
            (None, False, "give a token in SYSCARD_TOKEN"),
            (None, True, "give a token in SYSCARD_TOKEN"),
            ("t", False, "--insecure-behind-proxy"),
        ):
            with pytest.raises(UsageError, match=wanted):
                check_host(host, token, None, behind_proxy=behind_proxy)


def test_a_certificate_that_cannot_be_used_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    good, other = made(tmp_path), made(tmp_path, "other")
    locked, missing = made(tmp_path, "locked", b"password"), tmp_path / "missing"
    text = tmp_path / "text"
    text.write_text("no certificate")
    assert check_tls(None, None) is None
    assert check_tls(*good) == good
    for cert, key, wanted in (
        (good.cert, None, "both --tls-cert and --tls-key"),
        (None, good.key, "both --tls-cert and --tls-key"),
        (missing, good.key, f"{missing}: No such file"),
        (good.cert, missing, f"{missing}: No such file"),
        (tmp_path, good.key, "Is a directory"),
        (text, good.key, f"{text} and .* are not a certificate and its key"),
        (good.cert, other.key, "are not a certificate and its key"),
        (locked.cert, locked.key, "is locked by a password"),
    ):
        with pytest.raises(UsageError, match=wanted) as told:
            check_tls(cert, key)
        assert "\n" not in str(told.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_that_this_user_may_not_read_is_said(tmp_path: Path) -> None:
    tls = made(tmp_path)
    tls.key.chmod(0)
    with pytest.raises(UsageError, match="Permission denied"):
        check_tls(*tls)


def test_the_token_is_read_from_the_environment_or_a_file_and_never_repeated(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("  s3cret\n")
    assert read_token({}) is None
    assert read_token({"SYSCARD_TOKEN": ""}) is None
    assert read_token({"SYSCARD_TOKEN": "s3cret"}) == read_token({"SYSCARD_TOKEN_FILE": str(file)}) == "s3cret"
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for environ, wanted in (
        ({"SYSCARD_TOKEN": "a", "SYSCARD_TOKEN_FILE": str(file)}, "both set"),
        ({"SYSCARD_TOKEN_FILE": str(tmp_path / "missing")}, "No such file"),
        ({"SYSCARD_TOKEN_FILE": str(empty)}, "is empty"),
        ({"SYSCARD_TOKEN": "s3cret word"}, "no blanks"),
        ({"SYSCARD_TOKEN": "s3cret\x07"}, "no blanks"),
        ({"SYSCARD_TOKEN": "s3crét"}, "no blanks"),
    ):
        with pytest.raises(UsageError, match=wanted) as told:
            read_token(environ)
        assert "s3cr" not in str(told.value)


def test_half_a_handshake_with_grpc_is_hung_up_on(home: Home, children: Any, tmp_path: Path) -> None:
    child, _, port = children.serve_both(home, token="t", tls=list(made(tmp_path)), limits={"header_s": 0.5})
    for sent in (b"", b"\x16\x03\x01\x02\x00"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(sent)
            assert ended(connection)
    assert finish(child)[0] == 0


def test_an_address_of_ipv6_is_written_as_a_browser_takes_it() -> None:
    assert (address("127.0.0.1", 4318), address("localhost", 1), address("::1", 4318)) == (
        "127.0.0.1:4318",
        "localhost:1",
        "[::1]:4318",
    )
