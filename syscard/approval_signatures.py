"""Signatures of approvals: whoever held a key signed for one card, in one role. An envelope, and under it the key.

What one proves: who holds the key with that fingerprint said so. Whose key that is, a reader must know by another way;
a key that lies beside the records is everybody's who can write there.
"""

from __future__ import annotations

from typing import Any, Final

from syscard.approvals import Approve
from syscard.errors import ChainBroken
from syscard.signatures import Signing, opened, public_key, sealed, signer_of
from syscard.words import one_line

KIND: Final = "urn:syscard:approval:1"
_UNREAD: Final = "an unreadable signature"
_LINE: Final = b"\n"


def signed(body: Approve, person: str, key: Signing) -> Approve:
    """An approval with its signature.

    Args:
        body: what is signed.
        person: who does, as the card names them: `human:mara`.
        key: whose private half signs.

    Raises:
        MissingExtra: the libraries are not installed.
    """
    envelope = sealed(key, *_said(body, person), KIND)
    return Approve.model_validate({**body.model_dump(), "signature": (envelope + key.public.pem).decode()})


def signer(body: Approve, person: str, where: str) -> str | None:
    """Fingerprint of the key that signed an approval; None where nobody did.

    Raises:
        ChainBroken: the signature is not of this approval, or is none.
        MissingExtra: the libraries are not installed.
    """
    if body.signature is None:
        return None
    envelope, _, pem = body.signature.encode(errors="replace").partition(_LINE)
    public = public_key(pem, where)
    statement, _ = opened(envelope + _LINE, {public.fingerprint: public}, where, KIND)
    if (statement.subjects, statement.predicate) != _said(body, person):
        raise ChainBroken(f"{where}: its signature is of another approval")
    return public.fingerprint


def named_signer(signature: str | None) -> str:
    """Whom a signature names, as far as that can be read; `card verify` checks it."""
    if signature is None:
        return "unsigned"
    envelope = signature.encode(errors="replace").partition(_LINE)[0] + _LINE
    try:
        return f"signed by {one_line(signer_of(envelope, 'approval'))[:16]}"
    except ChainBroken:
        return _UNREAD


def _said(body: Approve, person: str) -> tuple[dict[str, str], dict[str, Any]]:
    said = body.model_dump(include={"role", "decision", "material", "comment_sha256"})
    return {"card": body.over}, {**said, "version": str(body.version), "person": person}
