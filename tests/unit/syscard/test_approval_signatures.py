"""Signatures of approvals: of one card, by one person in one role, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard.approval_signatures import named_signer, signed, signer
from syscard.approvals import Approve
from syscard.errors import ChainBroken
from syscard.signatures import Signing, sealed, signing_key

BODY = Approve(role="owner", over="a" * 64, version=7, material="b" * 64)
MARA = "human:mara"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return signing_key(tmp_path_factory.mktemp("keys"))


def test_a_signed_approval_says_whose_key_it_was_and_is_else_what_it_was(key: Signing) -> None:
    body = signed(BODY, MARA, key)
    assert signer(body, MARA, "x") == key.public.fingerprint
    assert body.model_copy(update={"signature": None}) == BODY
    assert named_signer(body.signature) == f"signed by {key.public.fingerprint[:16]}"
    assert len(body.signature or "") < 1_500
    assert signed(BODY, MARA, key) == body


def test_what_nobody_signed_says_so() -> None:
    assert (signer(BODY, MARA, "x"), named_signer(None)) == (None, "unsigned")
    assert named_signer("junk \ud800") == "an unreadable signature"


@pytest.mark.parametrize(
    "changes",
    [{"role": "legal"}, {"decision": "reject"}, {"over": "c" * 64}, {"version": 8}, {"material": "c" * 64},
     {"comment_sha256": "c" * 64}],
)  # fmt: skip
def test_a_signature_is_of_no_other_approval(key: Signing, changes: dict[str, Any]) -> None:
    body = signed(BODY, MARA, key).model_copy(update=changes)
    with pytest.raises(ChainBroken, match=r"^shop: its signature is of another approval$"):
        signer(body, MARA, "shop")


def test_a_signature_is_of_no_other_person_key_or_kind(key: Signing, tmp_path: Path) -> None:
    body = signed(BODY, MARA, key)
    with pytest.raises(ChainBroken, match="of another approval"):
        signer(body, "human:ines", "shop")
    other = signing_key(tmp_path).public.pem.decode()
    line = (body.signature or "").partition("\n")[0]
    with pytest.raises(ChainBroken, match="that key is not among those"):
        signer(body.model_copy(update={"signature": f"{line}\n{other}"}), MARA, "shop")
    snapshot = sealed(key, {"card": "a" * 64}, {"role": "owner"}) + key.public.pem
    with pytest.raises(ChainBroken, match="no statement of the type urn:syscard:approval:1"):
        signer(body.model_copy(update={"signature": snapshot.decode()}), MARA, "shop")


@given(st.data())
def test_a_signature_with_any_letter_changed_is_none(key: Signing, data: st.DataObject) -> None:
    body = signed(BODY, MARA, key)
    text = body.signature or ""
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda c: c != text[at]))
    with pytest.raises(ChainBroken):
        signer(body.model_copy(update={"signature": text[:at] + letter + text[at + 1 :]}), MARA, "shop")
