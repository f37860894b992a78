"""The rules by which personal data and secrets are found: a pattern for each, and check digits where there are some.

Data, as far as code can be: `syscard_tracing.pii` uses them. Every repetition is bounded, or of characters that end it.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable
from typing import Final

# An address may be percent-encoded or written as JSON escapes it.
_AT: Final = r"(?:@|%40|\\u0040)"
_START: Final = r"(?<![\w.+-])"
_END: Final = r"(?![\w-])"
_SAYS: Final = r"\\?[\"']?\s{0,3}(?:[:=]|%3[ADad])\s{0,3}\\?[\"']?(?!\[(?:secret|user)\])"
_UP_TO_IT: Final = r"(?<![a-z0-9])(?:[\w-]{0,30}[_-])?"
_NUMBER_NAMES: Final = (
    r"ssn|social security|bsn|nhs|nino|sin|dni|nie|nif|cpf|aadhaar|pesel|personnummer|steuer-?id|codice fiscale"
    r"|passport|paspoort|driving licen[cs]e|tax id|national id"
)
_WHO: Final = r"user|customer|shopper|patient|member|account|visitor|subscriber|session|thread|conversation"

_PASSWORD: Final = r"(?:pass(?:word|wd|phrase|code|(?==))|pwd|wachtwoord|passwort|contraseña)"  # noqa: S105


def _alone(pattern: str) -> str:
    return f"{_START}(?:{pattern}){_END}"


RULES: Final[dict[str, tuple[str, ...]]] = {
    "image": (r"data:[\w/+.-]{0,80}(?:;[\w=.-]{1,60}){0,4};base64,[A-Za-z0-9+/=_-]*",),
    "secret": (
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s\\:,]|-(?!----))*(?:-----END [A-Z ]{0,30}KEY-----)?",
        r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, Stripe, Langfuse
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",  # AWS
        r"\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}",  # Google
        r"\b[\w~.-]{3}8Q~[\w~.-]{31,40}",  # Azure
        r"\bgh[opusr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}",
        r"\bxox[abeoprs]-[\w-]{10,}|\bxapp-[\w-]{10,}|\bhooks\.slack\.com/services/[\w/]{8,}",
        r"\b(?:hf|npm|gsk|whsec|lsv2_[ps]t)_[A-Za-z0-9_]{20,}|\bpypi-[\w-]{30,}|\bdapi[0-9a-f]{32}\b",
        r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\b\d{8,10}:AA[\w-]{30,}",  # SendGrid, Telegram
        r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",  # JWT
        r"(?i:\bbearer\s{1,4}[\w.~+/=-]{8,})",
        rf"(?i:{_UP_TO_IT}{_PASSWORD})\s{{0,3}}[:=]\s{{0,3}}(?:\"(?!\[)[^\"\\]{{4,200}}\"|'(?!\[)[^'\\]{{4,200}}')",
        rf"(?i:{_UP_TO_IT}{_PASSWORD}){_SAYS}[^\s\"',&\\]{{4,}}",
        r"(?i:--(?:password|passwd|pass|token|api-key|secret))[ =][^\s-][^\s]{0,200}",
        r"(?<![\w-])-u\s{1,3}[^\s:]{1,64}:[^\s]{1,200}",  # of curl
        r"(?i:<(?:password|passwd|pwd|secret|token)>)[^<]{1,200}",
        r"(?i:\b(?:proxy-)?authorization\s{0,2}[:=]\s{0,2})"
        r"(?:(?i:token|digest|negotiate|oauth|api-?key)\s{1,2}[\w.~+/=:-]{6,}|(?=\S{0,200}\d)[\w.~+/=:-]{8,})",
        r"(?i:\b(?:set-)?cookie\s{0,2}:\s{0,2})[\w.-]{1,60}=[^\s;,]{1,500}(?:;\s?[\w.-]{1,60}(?:=[^\s;,]{0,500})?){0,40}",
        r"(?i:\bsecret_access_key)\s{1,3}[A-Za-z0-9/+=]{30,}",
        rf"(?i:{_UP_TO_IT}(?:secret|credentials?|(?:api|access|account|private|secret|signing)[ _-]?key|token|sig"
        rf"|signature|sessionid)){_SAYS}[^\s\"',;&\\]{{8,}}",
    ),
    "login": (rf"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]{{1,20}}://[^\s/:@\"']{{0,100}}:[^\s/@\"']{{1,200}}{_AT}",),
    "basic": (r"(?i:\bbasic\s{1,4})[A-Za-z0-9+/]{6,}={0,2}",),
    "email": (rf"[\w.+'%-]{{1,64}}{_AT}[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}",),
    "mac": (r"(?<![\w:-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?![\w:-])",),
    "iban": (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",),
    "card": (_alone(r"[2-6]\d{3}(?:[ ./-]?\d){9,15}"),),
    "id": (
        rf"(?i:\b(?:{_NUMBER_NAMES})\b(?:\s?(?:no|nr|number|nummer|#)\b)?)[.:=#\s]{{0,3}}"
        r"[A-Z0-9](?:[ .-]?[A-Z0-9]){5,17}\b",
        _alone(r"(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}"),  # United States
        _alone(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"),  # United Kingdom
        _alone(r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]"),  # Italy
    ),
    "cpf": (_alone(r"\d{3}\.\d{3}\.\d{3}-\d\d"),),  # Brazil
    "dni": (_alone(r"(?:\d|[XYZ])\d{7}-?[A-Z]"),),  # Spain
    "nir": (_alone(r"[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d"),),  # France
    "personnummer": (_alone(r"(?:19|20)?\d{6}[-+]\d{4}"),),  # Sweden
    "ip6": (
        r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,6}(?:\d{1,3}\.){3}\d{1,3}(?![\w:])",
        r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])",
    ),
    "ip": (r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)",),
    "location": (
        r"(?i:\b(?:lat|latitude|lon|lng|long|longitude)\b)[\"'\\]{0,2}\s?[:=]?\s?-?\d{1,3}\.\d{2,}",
        r"(?i:\bgeo:|(?<=/)@)-?\d{1,2}\.\d{2,},-?\d{1,3}\.\d{2,}",
        r"\b\d{1,3}° ?\d{1,2}[′'] ?\d{1,2}(?:\.\d{1,4})?[″\"] ?[NSEWO]\b",
    ),
    "phone": (
        r"(?i:\b(?:tel|phone|telephone|telefoon|telefon|tél|teléfono|mobile|mob|whatsapp|fax)\b)[.:=]{0,2}\s{0,3}"
        rf"\(?\+?\d(?:[ ().\/-]{{0,2}}\d){{6,14}}{_END}",
        _alone(r"(?:\+|%2B|00(?=[1-9]))\d(?:[ .()/-]{0,2}\d){7,14}"),
        _alone(r"(?:1[ .-])?(?:\(\d{3}\)|\d{3})[ .-]\d{3}[ .-]\d{4}"),
        # 01.02.2026 12:30 is a day and a time.
        _alone(r"(?!\d\d[./-]\d\d[./-]\d{2,4}(?!\d))(?:\(0[1-9]\d{0,3}\)|0[1-9]\d{0,3})(?:[ ./-]{1,2}\d{2,8}){1,4}"),
        _alone(r"0[1-9]\d{8,9}"),
    ),
    "user": (
        rf"(?i:\b(?:{_WHO})[ _-]?(?:id|key|number))(?:\\?[\"'])?\s{{0,2}}[:=]\s{{0,2}}(?:\\?[\"'])?[\w-]{{2,64}}{_END}",
        rf"(?i:\b(?:{_WHO})(?:[ _-]?(?:id|key|number|no))?)(?:\\?[\"'])?(?:\s{{0,2}}[:=#]\s{{0,2}}|\s)(?:\\?[\"'])?"
        rf"(?=[\w-]{{0,40}}\d)(?:[A-Za-z]{{1,12}}[-_:][\w-]{{1,60}}|\d{{3,20}}|[0-9a-f-]{{8,40}}){_END}",
    ),
    "base64": (r"[A-Za-z0-9+/]{128,}={0,2}",),
}
OPAQUE_CHARS: Final = 64
OPAQUE: Final = (
    # a word that a secret begins with, or a network card's address
    r"(?!.*(?:[spr]k[-_]|AIza|GOCSPX-|gh[opusr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|(?:hf|npm|gsk|whsec|[ps]t)_|pypi-"
    r"|dapi))(?![0-9a-f]{2}(?:-[0-9a-f]{2}){5}\Z)"
    # with a small letter in it, in each part that is long
    r"(?=.*[a-z])(?:[A-Za-z0-9_]*[a-z][A-Za-z0-9_]*|[A-Z0-9_]{1,11})(?:-(?:[A-Za-z0-9_]*[a-z][A-Za-z0-9_]*|[A-Z0-9_]{1,11}))*"
)
"""What most ids look like, where no rule can find anything: a shortcut, as half of all new words are ids. The rules for
numbers ask for a whole word of digits, those for codes for one of capitals."""
SHOWN: Final = {
    "login": "secret", "basic": "secret", "ip6": "ip", "cpf": "id", "dni": "id", "nir": "id", "personnummer": "id",
}  # fmt: skip
"""Rules whose hits are called by another one's name."""


def luhn(found: str) -> bool:
    """Whether the digits of a number end in the right check digit."""
    digits = [int(c) for c in found if c.isdecimal()]
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


def _is_basic(found: str) -> bool:
    """`Basic` and what says user:password when it is decoded; not `basic bread`."""
    code = found.split(maxsplit=1)[1]
    try:
        said = base64.b64decode(code + "=" * (-len(code) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False
    return b":" in said and said.isascii()


def _is_phone(found: str) -> bool:
    return 7 <= sum(c.isdecimal() for c in found) <= 15 and (
        found[0] not in "0(" or sum(c.isdecimal() for c in found) >= 9
    )


def _is_cpf(found: str) -> bool:
    digits = [int(c) for c in found if c.isdecimal()]
    ends = [sum(d * w for d, w in zip(digits, range(n, 1, -1), strict=False)) * 10 % 11 % 10 for n in (10, 11)]
    return ends == digits[9:]


def _is_dni(found: str) -> bool:
    number = found[0].translate(str.maketrans("XYZ", "012")) + found[1:8]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == found[-1]


def _is_nir(found: str) -> bool:
    plain = found.replace(" ", "").replace("2A", "19").replace("2B", "18")
    return plain.isdecimal() and 97 - int(plain[:13]) % 97 == int(plain[13:])


def _is_personnummer(found: str) -> bool:
    digits = [c for c in found if c.isdecimal()][-10:]
    return 1 <= int("".join(digits[2:4])) <= 12 and luhn("".join(digits))


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "card": luhn,
    "iban": _mod97,
    "ip": _is_address,
    "ip6": _is_address,
    "basic": _is_basic,
    "phone": _is_phone,
    "cpf": _is_cpf,
    "dni": _is_dni,
    "nir": _is_nir,
    "personnummer": _is_personnummer,
}
"""What a hit has to be beyond its shape."""
