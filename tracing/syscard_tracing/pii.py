"""Personal data and secrets in text: found by rules that need no library, and masked by the name of what they are."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

SCANNED: Final = 100_000
"""Characters of one text that are looked at."""

_RULES: Final = {
    "image": r"data:[\w/+.-]{0,80}(?:;[\w=.-]{1,60}){0,4};base64,[A-Za-z0-9+/=_-]*",
    "secret": (
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----|\bsk-[A-Za-z0-9_-]{16,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
        r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bxox[abprs]-[\w-]{10,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
        r"|(?i:\bbearer\s{1,4}[\w.~+/=-]{8,})"
    ),
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
    "card": r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-])",
    "ip6": r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])",
    "ip": r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)",
    "phone": (
        r"(?<![\w.+-])(?:\+\d(?:[ .()/-]{0,2}\d){7,14}"
        r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}"
        r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5})(?![\w-])"
    ),
    "base64": r"[A-Za-z0-9+/]{128,}={0,2}",
}
_ANY: Final = re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in _RULES.items()))
_SPACE: Final = re.compile(r"\s")
# Letters and marks without a shape: to Python they are printable.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_WORTH_A_LOOK: Final = re.compile(r"[@\d]|::|data:|(?i:bearer)|\bsk-|BEGIN|xox|eyJ|\S{128}")


def mask(text: str) -> tuple[str, int]:
    """The text with every hit replaced by what it is, such as `[email]` or `[phone]`; and how many there were."""
    text = text[:SCANNED]
    if not _WORTH_A_LOOK.search(text):
        return text, 0
    hits = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal hits
        name, found = match.lastgroup or "", match.group()
        if not _is_real(name, found):
            return found
        hits += name not in ("image", "base64")
        return "[ip]" if name == "ip6" else f"[{name}]"

    return _ANY.sub(replace, text), hits


def clean(text: str) -> str:
    """The text without what cannot be seen: control, zero-width and bidi characters, lone surrogates.

    Line ends and other white space become blanks. What is unseen can hide an address from the rules, turn a line
    round, or write a second one into a terminal.
    """
    text = text if text.isascii() else _UNSEEN.sub("", text)
    if text.isprintable():
        return text
    text = _SPACE.sub(" ", text)
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def _is_real(name: str, found: str) -> bool:
    """Whether a hit is more than its shape: check digits, number ranges."""
    if name == "card":
        return _luhn(found)
    if name == "iban":
        return _mod97(found)
    return _is_address(found) if name in ("ip", "ip6") else True


def _luhn(found: str) -> bool:
    digits = [int(c) for c in found if c.isdigit()]
    doubled = (sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _mod97(found: str) -> bool:
    plain = found.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _is_address(found: str) -> bool:
    try:
        ipaddress.ip_address(found)
    except ValueError:
        return False
    return found.strip(":") != ""
