"""What the name of an attribute, or of a member of a JSON object, says of its value: whose it is, a secret, a person's.

A value alone has often no shape: `hunter2`, `u-4711`, `Alice`. Its name gives it away.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final


class Names(Enum):
    """What a value is by its name."""

    USER = "user"
    SECRET = "secret"  # noqa: S105  (the word for it)
    PERSONAL = "personal"


_WHO: Final = (
    "user|enduser|customer|shopper|patient|client|member|account|visitor|subscriber|employee|person|session|thread"
    "|conversation|device"
)
_RULES: Final = (
    (
        Names.SECRET,
        r"(?:.*_)?(?:passwords?\d{0,2}|password_?(?:hash|salt|confirm|confirmation|repeat|again|old|new|value)"
        r"|passwd|passphrase|passcode|passkey|pwd|wachtwoord|passwort|contrase[n_]a|mot_de_passe"
        r"|secrets?|secret_(?:value|string|id)|credentials?"
        r"|(?<!per_output_)(?<!per_)(?<!first_)token|(?:access|refresh|auth|api|bearer|session|security)_?tokens"
        r"|auth|authorization|jwt|pin|otp|signature|cookies?|set_cookies?"
        r"|(?:api|access|private|signing|secret|account|encryption|functions|subscription|master|shared|storage)_?keys?"
        r"|connection_string|dsn)",
    ),
    (
        Names.USER,
        rf"(?:.*_)?(?:{_WHO})(?:_?(?:ids?|key|no|nr|number|uuid|guid|hash|login))|(?:.*_)?(?:user|username|enduser)",
    ),
    (
        Names.PERSONAL,
        r"(?:.*_)?(?:(?:first|last|full|given|family|sur|middle|nick|display|customer|user|person|contact)_?name|e?mails?"
        r"|email_?address(?:es)?|(?:phone|mobile|tel|fax|whatsapp)s?(?:_?(?:no|nr|number|numbers|phone))?|telephone"
        r"|address(?:es)?|address_?line_?\d{0,2}|street|street_?address|house_?number|zip|zip_?code"
        r"|post_?code|postal_?code|birth_?(?:day|date)|date_?of_?birth|dob|ssn|bsn|nhs|nino|iban|card_?number|credit_?card"
        r"|cvv|cvc|(?:passport|nhs|driving_?licen[cs]e|national_?id|tax_?id)(?:_?(?:no|nr|number))?"
        r"|lat|latitude|lon|lng|longitude|ip|ip_?address|client_?ip|remote_?addr)",
    ),
)
_COMPILED: Final = tuple((names, re.compile(rule)) for names, rule in _RULES)
_SERVER: Final = frozenset({"server_address", "network_local_address", "network_peer_address", "db_address"})
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINT: Final = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=8192)
def named(key: str) -> Names | None:
    """What a value is by the name that it has; None where the name says nothing.

    >>> named("customer.apiKey"), named("user_id"), named("billing.firstName"), named("gen_ai.usage.input_tokens")
    (<Names.SECRET: 'secret'>, <Names.USER: 'user'>, <Names.PERSONAL: 'personal'>, None)
    """
    plain = _JOINT.sub("_", _HUMP.sub("_", key[-128:]).lower()).strip("_")
    if plain in _SERVER:
        return None
    return next((names for names, rule in _COMPILED if rule.fullmatch(plain)), None)
