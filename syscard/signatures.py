"""Signatures of snapshots and approvals: in-toto statements in DSSE envelopes, by an ed25519 key.

The only module that imports securesystemslib, in-toto-attestation and cryptography; each is imported when it is used.
A fingerprint is the SHA-256 of the public key's DER form:
`openssl pkey -pubin -in KEY.pub.pem -outform DER | sha256sum` prints the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syscard.digest import canonical
from syscard.errors import ChainBroken, MissingExtra, UsageError
from syscard.words import one_line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from securesystemslib.signer import CryptoSigner, SSlibKey

FILE: Final = "signing.pem"
"""In the folder of keys."""
VARIABLE: Final = "SYSCARD_SIGNING_KEY_FILE"
"""Names a key file from outside the home."""
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "urn:syscard:snapshot:1"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_MOST_BYTES: Final = 65_536
"""Of a key, and of an envelope."""


@dataclass(frozen=True)
class Public:
    """Who can have signed."""

    pem: bytes
    fingerprint: str
    key: Ed25519PublicKey

    @property
    def name(self) -> str:
        """The file under which it lies beside what it signed."""
        return f"signed-by-{self.fingerprint[:16]}.pub.pem"


@dataclass(frozen=True)
class Signing:
    """A key that signs."""

    key: Ed25519PrivateKey
    public: Public


@dataclass(frozen=True)
class Statement:
    """What was signed: files by their digests, and what is said of them."""

    subjects: dict[str, str]
    """SHA-256 by name."""
    predicate: dict[str, Any]


def signing_key(keys: Path, outside: Path | None = None) -> Signing:
    """The key of a home, made at its first use with mode 0600; or the one in a file from outside.

    Raises:
        UsageError: the file cannot be read or made, or is no ed25519 key in PEM without a passphrase.
        MissingExtra: the libraries are not installed.
    """
    path = outside or keys / FILE
    try:
        if outside is None and not path.exists():
            _make(path)
        with path.open("rb") as file:
            return _signing(file.read(_MOST_BYTES), path)
    except OSError as error:
        hint = f"check {VARIABLE}" if outside else "check who owns the home"
        raise UsageError(f"signing key {path}: {error.strerror}: {hint}") from error


def _make(path: Path) -> None:
    """Whole under its name, or not at all; of two processes that start at once, one makes it."""
    serialization = _serialization()
    pem = (
        _crypto()
        .Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{FILE}", suffix=".partial", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        if not path.exists():
            os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink(missing_ok=True)


def _signing(pem: bytes, path: Path) -> Signing:
    what = f"signing key {path}: no ed25519 key in PEM without a passphrase: make one with: openssl genpkey"
    try:
        key = _serialization().load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, _unsupported()) as error:
        raise UsageError(what) from error
    if not isinstance(key, _crypto().Ed25519PrivateKey):
        raise UsageError(what)
    return Signing(key, _public(key.public_key()))


def public_key(pem: bytes, where: str) -> Public:
    """A public key as it lies beside what it signed.

    Raises:
        ChainBroken: the bytes are not those of an ed25519 key, or not exactly what we write of one.
        MissingExtra: the libraries are not installed.
    """
    broken = f"{where}: not a public ed25519 key as syscard writes it"
    try:
        key = _serialization().load_pem_public_key(pem[:_MOST_BYTES])
    except (ValueError, _unsupported()) as error:
        raise ChainBroken(broken) from error
    if not isinstance(key, _crypto().Ed25519PublicKey):
        raise ChainBroken(broken)
    found = _public(key)
    if found.pem != pem:
        raise ChainBroken(broken)
    return found


def _public(key: Ed25519PublicKey) -> Public:
    serialization = _serialization()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_bytes(serialization.Encoding.PEM, form)
    fingerprint = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()
    return Public(pem, fingerprint, key)


def sealed(key: Signing, subjects: Mapping[str, str], predicate: Mapping[str, Any], kind: str = PREDICATE) -> bytes:
    """The signed envelope over a statement, as canonical JSON with a line feed.

    Args:
        key: signs.
        subjects: SHA-256 of each file by its name.
        predicate: what is said of them; text, lists, objects, and None.
        kind: type of what is said.

    Raises:
        MissingExtra: the libraries are not installed.
    """
    payload = canonical(_statement(subjects, predicate, kind))
    dsse, signer = _dsse(), _signer(key)
    envelope = dsse.Envelope(payload, _PAYLOAD, {})
    envelope.sign(signer)
    return canonical(envelope.to_dict()) + b"\n"


def _statement(subjects: Mapping[str, str], predicate: Mapping[str, Any], kind: str) -> dict[str, Any]:
    try:
        from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
        from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
        from in_toto_attestation.v1.statement import Statement as Attested
    except ImportError as error:
        raise MissingExtra("server", "signing a snapshot") from error
    named = [ResourceDescriptor(name=name, digest={"sha256": sha256}).pb for name, sha256 in subjects.items()]
    statement = Attested(named, kind, dict(predicate))
    statement.validate()
    found: dict[str, Any] = MessageToDict(statement.pb)
    return found


def opened(envelope: bytes, keys: Mapping[str, Public], where: str, kind: str = PREDICATE) -> tuple[Statement, Public]:
    """What an envelope says, and who signed it.

    Args:
        envelope: the bytes of the file.
        keys: who may have signed, by fingerprint.
        where: the file, for errors.
        kind: type of what must be said.

    Raises:
        ChainBroken: it is no envelope of ours, nobody of `keys` signed it, or its signature is of something else.
        MissingExtra: the libraries are not installed.
    """
    payload, named = _read(envelope, where)
    if named not in keys:
        raise ChainBroken(
            f"{where}: signed by {one_line(named)[:16]}, and that key is not among those that may have signed"
        )
    _check(envelope, keys[named], where)
    try:
        statement = json.loads(payload)
        if (statement["_type"], statement["predicateType"]) != (STATEMENT, kind):
            raise ValueError("another type")
        subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
        return Statement(subjects, dict(statement["predicate"])), keys[named]
    except (ValueError, KeyError, TypeError) as error:
        raise ChainBroken(f"{where}: what was signed is no statement of the type {kind}") from error


def signer_of(envelope: bytes, where: str) -> str:
    """Fingerprint of the key that an envelope names.

    Raises:
        ChainBroken: it is no envelope of ours.
    """
    return _read(envelope, where)[1]


def _read(envelope: bytes, where: str) -> tuple[bytes, str]:
    """Payload and fingerprint; whatever differs from what we write by one byte is none."""
    import base64

    try:
        if len(envelope) > _MOST_BYTES:
            raise ValueError("too large")
        found = json.loads(envelope)
        (signature,) = found["signatures"]
        if canonical(found) + b"\n" != envelope or found["payloadType"] != _PAYLOAD:
            raise ValueError("not as we write it")
        payload = base64.b64decode(found["payload"], validate=True)
        if base64.b64encode(payload).decode() != found["payload"]:
            raise ValueError("not as we write it")
        return payload, str(signature["keyid"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ChainBroken(f"{where}: not a signed envelope as syscard writes it") from error


def _check(envelope: bytes, public: Public, where: str) -> None:
    dsse = _dsse()
    from securesystemslib.exceptions import FormatError, UnverifiedSignatureError, VerificationError

    broken = f"{where}: its signature is not by {public.fingerprint[:16]}, or not of this"
    try:
        found = dsse.Envelope.from_dict(json.loads(envelope))
        found.verify([_sslib(public)], 1)
        # Base64 has several spellings of some bytes: only ours is the file that was signed.
        if canonical(found.to_dict()) + b"\n" != envelope:
            raise ChainBroken(broken)
    except (FormatError, UnverifiedSignatureError, VerificationError, ValueError, KeyError, TypeError) as error:
        raise ChainBroken(broken) from error


def _sslib(public: Public) -> SSlibKey:
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(public.key, keyid=public.fingerprint)


def _signer(key: Signing) -> CryptoSigner:
    from securesystemslib.signer import CryptoSigner

    return CryptoSigner(key.key, _sslib(key.public))


def _dsse() -> Any:
    try:
        from securesystemslib import dsse
    except ImportError as error:
        raise MissingExtra("server", "signatures of snapshots") from error
    return dsse


def _crypto() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtra("server", "signatures of snapshots") from error
    return ed25519


def _serialization() -> Any:
    _crypto()
    from cryptography.hazmat.primitives import serialization

    return serialization


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm
