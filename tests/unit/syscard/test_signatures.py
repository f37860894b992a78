"""Signatures: what was signed is found again, and nothing else passes for it."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syscard.errors import ChainBroken, MissingExtra, UsageError
from syscard.signatures import FILE, Public, Signing, opened, public_key, sealed, signer_of, signing_key

SUBJECTS = {"v7.md": "a" * 64, "v7.pdf": "b" * 64}
SAID = {"number": 3, "previous": None, "reason": "on request"}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return signing_key(tmp_path_factory.mktemp("keys"))


def known(*keys: Signing) -> dict[str, Public]:
    return {key.public.fingerprint: key.public for key in keys}


def test_what_was_signed_is_read_again_with_who_signed_it(key: Signing) -> None:
    statement, public = opened(sealed(key, SUBJECTS, SAID), known(key), "v7.dsse.json")
    assert (statement.subjects, statement.predicate) == (SUBJECTS, SAID)
    assert public.fingerprint == key.public.fingerprint


@settings(max_examples=300)
@given(st.data())
def test_whatever_byte_of_an_envelope_is_changed_it_is_found(key: Signing, data: st.DataObject) -> None:
    envelope = bytearray(sealed(key, SUBJECTS, SAID))
    envelope[data.draw(st.integers(0, len(envelope) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ChainBroken):
        opened(bytes(envelope), known(key), "v7.dsse.json")


@given(st.integers(0, 400))
def test_an_envelope_that_is_cut_or_longer_is_none(key: Signing, at: int) -> None:
    envelope = sealed(key, SUBJECTS, SAID)
    for changed in (envelope[:at], envelope[at:] if at else b"", envelope + b" ", b"\n" + envelope):
        with pytest.raises(ChainBroken):
            opened(changed, known(key), "v7.dsse.json")


@pytest.mark.parametrize("junk", [b"", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 40_000, b'{"signatures": [1]}'])
def test_junk_is_no_envelope(key: Signing, junk: bytes) -> None:
    with pytest.raises(ChainBroken, match=r"v1\.dsse\.json: not a signed envelope"):
        opened(junk, known(key), "v1.dsse.json")


def test_the_signature_of_another_key_does_not_pass(key: Signing, tmp_path: Path) -> None:
    other = signing_key(tmp_path)
    with pytest.raises(ChainBroken, match="not among those that may have signed"):
        opened(sealed(other, SUBJECTS, SAID), known(key), "v7.dsse.json")
    names, ours = other.public.fingerprint.encode(), key.public.fingerprint.encode()
    with pytest.raises(ChainBroken, match="its signature is not by"):
        opened(sealed(other, SUBJECTS, SAID).replace(names, ours), known(key), "v7.dsse.json")
    assert signer_of(sealed(other, SUBJECTS, SAID), "x") == other.public.fingerprint


def test_the_key_of_a_home_is_made_once_and_is_its_owner_s(tmp_path: Path) -> None:
    first = signing_key(tmp_path)
    assert signing_key(tmp_path).public.fingerprint == first.public.fingerprint
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_fingerprint_is_what_other_tools_say_of_the_public_key(key: Signing) -> None:
    lines = key.public.pem.decode().split("\n")[1:-2]
    assert hashlib.sha256(base64.b64decode("".join(lines))).hexdigest() == key.public.fingerprint
    assert public_key(key.public.pem, "x").fingerprint == key.public.fingerprint


@given(st.data())
def test_a_public_key_of_which_a_byte_was_changed_is_not_the_same(key: Signing, data: st.DataObject) -> None:
    pem = bytearray(key.public.pem)
    pem[data.draw(st.integers(0, len(pem) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = public_key(bytes(pem), "k.pem").fingerprint
    except ChainBroken:
        return
    assert found != key.public.fingerprint


def test_a_key_from_outside_is_used_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    made = signing_key(tmp_path / "elsewhere")
    assert signing_key(tmp_path, tmp_path / "elsewhere" / FILE).public.fingerprint == made.public.fingerprint
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_one_line_that_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UsageError, match="no ed25519 key in PEM without a passphrase"):
        signing_key(tmp_path)
    with pytest.raises(ChainBroken, match=r"k\.pem: not a public ed25519 key"):
        public_key(content, "k.pem")


def test_a_key_file_that_is_not_there_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SYSCARD_SIGNING_KEY_FILE"):
        signing_key(tmp_path, tmp_path / "none.pem")


def test_importing_it_loads_none_of_the_libraries() -> None:
    heavy = "('crypto', 'secure', 'in_toto')"
    code = f"import sys, syscard.signatures; print([m for m in sys.modules if m.startswith({heavy})])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_without_the_libraries_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(MissingExtra, match=r"syscard\[server\]"):
        signing_key(tmp_path)
