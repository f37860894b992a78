"""The rules by which personal data and secrets are found: a pattern for each, and check digits where there are some.

Data, as far as code can be: `syscard_tracing.pii` uses them. Every repetition is bounded, or of characters that end it.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from typing import Final, NamedTuple

# An address may be percent-encoded or written as JSON escapes it.
_AT: Final = r"(?:@|%40|\\u0040)"
_START: Final = r"(?<![\w.+-])"
_END: Final = r"(?![\w-])"
_SAYS: Final = (
    r"\\?[\"']?\]?\s{0,16}(?:[:=]>?|%3[ADad])\s{0,16}(?:[bru]{0,2}(?=[\"']))?\\?[\"']{0,3}(?!\[(?:secret|user)\])"
)
_UP_TO_IT: Final = r"(?<![\w-])[\w-]{0,30}?"
_NUMBER_NAMES: Final = (
    "ssn", "social security", "bsn", "nhs", "nino", "sin", "dni", "nie", "nif", "cpf", "aadhaar", "pesel",
    "personnummer", "steuer-?id", "codice fiscale", "passport", "paspoort", "driving licen[cs]e", "tax id",
    "national id",
)  # fmt: skip
_WHO: Final = (
    "user", "customer", "shopper", "patient", "member", "account", "visitor", "subscriber", "session", "thread",
    "conversation",
)  # fmt: skip
_CALLED: Final = (
    "tel", "phone", "telephone", "telefoon", "telefon", "tél", "teléfono", "mobile", "mob", "whatsapp", "fax",
)  # fmt: skip

_PASSWORD: Final = r"(?:pass(?:word|wd|phrase|code|(?==))|pwd|wachtwoord|passwort|contraseña)"  # noqa: S105


def _alone(pattern: str) -> str:
    return f"{_START}(?:{pattern}){_END}"


class Rule(NamedTuple):
    """One pattern, and what a text must have for it to be worth a try: looking for a word costs less than a pattern."""

    pattern: str
    needs: tuple[tuple[str, ...], ...] = ()
    """Of each group one: in small letters, as the text is when they are looked for."""
    digit: bool = False
    """A digit anywhere."""


_SIGN: Final = (":", "=", "%3")
_PASS: Final = ("pass", "pwd", "wachtwoord", "contrase")

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "image": (Rule(r"data:[\w/+.-]{0,80}(?:;[\w=.-]{1,60}){0,4};base64,[A-Za-z0-9+/=_-]*", (("data:",),)),),
    "secret": (
        Rule(  # a block of YAML; its line ends may be blanks by now, or escaped
            rf"(?i:{_UP_TO_IT}(?:{_PASSWORD}|secret|token|credentials?|(?:api|access|private)[_-]?key)"
            r"[\w-]{0,30}[ \t]{0,8}:[ \t]{1,8}(?:!!str[ \t]{1,4})?[|>][+-]?\d?(?:[ \t]{1,8}#[^\n]{0,80})?"
            r"(?:(?:\s|\\{1,2}[nrt]){1,80}(?![\w.-]{1,40}:)[^\s\\]{1,500}){1,12})",
            ((*_PASS, "secret", "token", "credential", "key"), ("|", ">"), _SIGN),
        ),
        Rule(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----))*"
            r"(?:-----END [A-Z ]{0,30}KEY(?: BLOCK)?-----)?",
            (("-----begin",),),
        ),
        # OpenAI, Anthropic, Stripe, Langfuse
        Rule(r"(?<![A-Za-z0-9])(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}", (("sk-", "sk_", "pk-", "pk_", "rk-", "rk_"),)),
        Rule(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", (("akia", "asia", "abia", "acca"),)),  # AWS
        Rule(r"\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}", (("aiza", "ya29.", "gocspx-"),)),  # Google
        Rule(r"\b[\w~.-]{3}8Q~[\w~.-]{31,40}", (("8q~",),)),  # Azure
        Rule(
            r"(?<![A-Za-z0-9])gh[opusr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}",
            (("gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),),
        ),
        Rule(
            r"\bxox[abeoprs]-[\w-]{10,}|\bxapp-[\w-]{10,}|\bhooks\.slack\.com/services/[\w/]{8,}",
            (("xox", "xapp-", "hooks.slack"),),
        ),
        Rule(
            r"\b(?:hf|npm|gsk|whsec|lsv2_[ps]t)_[A-Za-z0-9_]{20,}|\bpypi-[\w-]{30,}|\bdapi[0-9a-f]{32}\b",
            (("hf_", "npm_", "gsk_", "whsec_", "lsv2_", "pypi-", "dapi"),),
        ),
        Rule(r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\b\d{8,10}:AA[\w-]{30,}", (("sg.", ":aa"),)),  # SendGrid, Telegram
        Rule(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", (("eyj",),)),  # JWT
        Rule(r"(?i:\bbearer\s{1,4}[\w.~+/=-]{8,})", (("bearer",),)),
        Rule(
            rf"(?i:{_UP_TO_IT}{_PASSWORD})[\"']?\]?\s{{0,16}}[:=]>?\s{{0,16}}[bru]{{0,2}}"
            r"(?:\"\"\"(?!\[)[^\"\\]{4,200}\"\"\"|\"(?!\[)[^\"\\]{4,200}\"|'(?!\[)[^'\\]{4,200}')",
            (_PASS, _SIGN),
        ),
        Rule(rf"(?i:{_UP_TO_IT}{_PASSWORD}){_SAYS}[^\s\"',&\\]{{4,}}", (_PASS, _SIGN)),
        Rule(
            r"(?i:--(?:[\w-]{1,30}-)?(?:password|passwd|pass|token|api-key|secret))[ =][^\s-][^\s]{0,200}", (("--",),)
        ),
        Rule(r"(?i:-pass(?:in|out)?[ =]pass:)[^\s]{1,200}", (("pass:",),)),  # openssl
        Rule(  # .netrc
            r"(?i:\b(?:machine\s{1,8}[^\s]{1,200}|default)\s{1,8}login\s{1,8}[^\s]{1,200}\s{1,8}password\s{1,8})[^\s]{1,200}",
            (("login",), ("password",)),
        ),
        Rule(
            r"(?<![\w-])(?:-u\s{0,3}|--(?:proxy-)?user[ =]\s{0,3})[^\s:]{1,64}:[^\s]{1,200}", (("-u",), (":",))
        ),  # curl
        Rule(
            r"(?i:\b(?:mysql|mariadb|mysqldump|mysqladmin|sshpass|docker\s{1,4}login)\b)(?:\s{1,4}[^\s|;&]{1,80}){0,12}?"
            r"\s{1,4}-p(?:\s{0,4}(?=[^\s-])[^\s]{3,200})",
            (("mysql", "mariadb", "sshpass", "docker"), ("-p",)),
        ),
        Rule(r"(?i:\bredis-cli\b)(?:\s{1,4}[^\s|;&]{1,80}){0,12}?\s{1,4}-a\s{1,4}[^\s]{3,200}", (("redis-cli",),)),
        Rule(r"(?i:<[\w:-]{0,30}(?:password|passwd|pwd|secret|token)(?:\s[^<>]{0,200})?>)[^<]{1,200}", (("<",),)),
        Rule(
            r"(?i:\b(?:proxy-)?authorization\s{0,2}[:=]\s{0,2})"
            r"(?:(?i:token|digest|negotiate|oauth|api-?key)\s{1,2}[\w.~+/=:-]{6,}|(?=\S{0,200}\d)[\w.~+/=:-]{8,})",
            (("authorization",),),
        ),
        Rule(
            r"(?i:\b(?:set-)?cookie\s{0,2}:\s{0,2})"
            r"[\w.-]{1,60}=[^\s;,]{1,500}(?:;\s?[\w.-]{1,60}(?:=[^\s;,]{0,500})?){0,40}",
            (("cookie",),),
        ),
        Rule(r"(?i:secret_access_key)\s{1,3}[A-Za-z0-9/+=]{30,}", (("secret_access_key",),)),
        Rule(
            rf"(?i:{_UP_TO_IT}(?:secret|credentials?|(?:api|access|account|private|secret|signing)[ _-]?key|token|sig"
            rf"|signature|sessionid)){_SAYS}[^\s\"',;&\\]{{8,}}",
            (("secret", "credential", "key", "token", "sig", "sessionid"), _SIGN),
        ),
    ),
    "login": (
        Rule(
            rf"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]{{1,20}}://[^\s/:@\"']{{0,100}}:[^\s/@\"']{{1,200}}{_AT}", (("://",),)
        ),
    ),
    "basic": (Rule(r"(?i:\bbasic\s{1,4})[A-Za-z0-9+/]{6,}={0,2}", (("basic",),)),),
    "email": (
        Rule(
            rf"[\w.+'%-]{{1,64}}{_AT}(?:[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}|(?i:localhost)\b)",
            (("@", "%40", "\\u0040"),),
        ),
    ),
    "home": (
        Rule(r"(?:/home/|/Users/|(?i:\\users\\{1,4}))[^/\\\s\"':<>|~]{1,64}", (("/home/", "/users/", "\\users"),)),
    ),
    "mac": (
        Rule(r"(?<![\w:-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?![\w:-])", ((":", "-"),)),
    ),
    "iban": (
        Rule(
            r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ ._-]?[A-Za-z0-9]{4}){2,7}(?:[ ._-]?[A-Za-z0-9]{1,3})?"
            r"(?![A-Za-z0-9])",
            digit=True,
        ),
    ),
    "card": (Rule(r"(?<![A-Za-z0-9])[2-6]\d{3}(?:[ ./_-]{0,2}\d){9,15}(?![A-Za-z0-9])", digit=True),),
    "id": (
        Rule(
            rf"(?i:\b(?:{'|'.join(_NUMBER_NAMES)})\b(?:\s?(?:no|nr|number|nummer|#)\b)?)[.:=#\s]{{0,3}}"
            r"[A-Z0-9](?:[ .-]?[A-Z0-9]){5,17}\b",
            (tuple(name.partition("[")[0].partition("-")[0] for name in _NUMBER_NAMES),),
        ),
        Rule(_alone(r"(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}"), (("-",),), digit=True),  # United States
        Rule(_alone(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"), digit=True),  # United Kingdom
        Rule(_alone(r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]"), digit=True),  # Italy
    ),
    "cpf": (Rule(_alone(r"\d{3}\.\d{3}\.\d{3}-\d\d"), (("-",),), digit=True),),  # Brazil
    "dni": (Rule(_alone(r"(?:\d|[XYZ])\d{7}-?[A-Z]"), digit=True),),  # Spain
    "nir": (
        Rule(_alone(r"[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d"), digit=True),  # France
    ),
    "personnummer": (Rule(_alone(r"(?:19|20)?\d{6}[-+]\d{4}"), (("-", "+"),), digit=True),),  # Sweden
    "ip6": (
        Rule(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,6}(?:\d{1,3}\.){3}\d{1,3}(?![\w:])", ((":",), (".",)), digit=True),
        Rule(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])", ((":",),)),
    ),
    "ip": (Rule(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", ((".",),), digit=True),),
    "location": (
        Rule(
            r"(?i:\b(?:lat|latitude|lon|lng|long|longitude)\b)[\"'\\]{0,2}\s?[:=]?\s?-?\d{1,3}\.\d{2,}",
            (("lat", "lon", "lng"), (".",)),
            digit=True,
        ),
        Rule(r"(?i:\bgeo:|(?<=/)@)-?\d{1,2}\.\d{2,},-?\d{1,3}\.\d{2,}", (("geo:", "/@"),), digit=True),
        Rule(r"\b\d{1,3}° ?\d{1,2}[′'] ?\d{1,2}(?:\.\d{1,4})?[″\"] ?[NSEWO]\b", (("°",),), digit=True),
    ),
    "phone": (
        Rule(
            rf"(?i:\b(?:{'|'.join(_CALLED)})\b)[.:=]{{0,2}}\s{{0,3}}\(?\+?\d(?:[ ().\/-]{{0,2}}\d){{6,14}}{_END}",
            (_CALLED,),
            digit=True,
        ),
        Rule(_alone(r"(?:\+|%2B|00(?=[1-9]))\d(?:[ .()/-]{0,2}\d){7,14}"), (("+", "%2b", "00"),), digit=True),
        Rule(_alone(r"(?:1[ .-])?(?:\(\d{3}\)|\d{3})[ .-]\d{3}[ .-]\d{4}"), digit=True),
        # 01.02.2026 12:30 is a day and a time.
        Rule(
            _alone(
                r"(?!\d\d[./-]\d\d[./-]\d{2,4}(?![\d./-]))(?:\(0[1-9]\d{0,3}\)|0[1-9]\d{0,3})"
                r"(?:[ ./-]{1,2}\d{2,8}){1,4}"
            ),
            (("0",),),
            digit=True,
        ),
        Rule(_alone(r"0[1-9]\d{8,9}"), (("0",),), digit=True),
    ),
    "user": (
        Rule(
            rf"(?i:\b(?:{'|'.join(_WHO)})[ _-]?(?:id|key|number))(?:\\?[\"'])?\s{{0,2}}[:=]\s{{0,2}}(?:\\?[\"'])?"
            rf"[\w-]{{2,64}}{_END}",
            (_WHO, (":", "=")),
        ),
        Rule(
            rf"(?i:\b(?:{'|'.join(_WHO)})(?:[ _-]?(?:id|key|number|no))?)(?:\\?[\"'])?(?:\s{{0,2}}[:=#]\s{{0,2}}|\s)"
            r"(?:\\?[\"'])?"
            rf"(?=[\w-]{{0,40}}\d)(?:[A-Za-z]{{1,12}}[-_:][\w-]{{1,60}}|\d{{3,20}}|[0-9a-f-]{{8,40}}){_END}",
            (_WHO,),
            digit=True,
        ),
    ),
    "base64": (Rule(r"[A-Za-z0-9+/]{128,}={0,2}"),),
}
OPAQUE_CHARS: Final = 64
OPAQUE: Final = (
    # a word that a secret begins with, or a network card's address
    r"(?!.*(?:[spr]k[-_]|AIza|GOCSPX-|gh[opusr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|(?:hf|npm|gsk|whsec|[ps]t)_|pypi-"
    r"|dapi|A(?:KI|SI|BI|CC)A[A-Z0-9]{16}))(?![0-9a-f]{2}(?:-[0-9a-f]{2}){5}\Z)"
    # what may be an account's number
    r"(?!.*\d{13})(?!(?:.*[_.-])?[A-Za-z]{2}\d\d[A-Za-z0-9_.-]{11,40}\Z)"
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


_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an account number by country (SWIFT's IBAN registry, release 99, 2024)."""


def _is_iban(found: str) -> bool:
    """Whether it has its country's length and the right check digits; in small letters it may be any hexadecimal id."""
    plain = re.sub("[ ._-]", "", found).upper()
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
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
    "iban": _is_iban,
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
