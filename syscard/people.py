"""Whether two names are of one person: four eyes are two people, however a name is written. Standard library only."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_PAIRS: Final = (
    # Small letters of Cyrillic, Greek and others that look like Latin ones, and what is written for letters.
    "аa вb еe зe кk мm нh оo рp сc тt уy хx һh ѕs іi јj ԁd ԛq ԝw ѵv ӏi "
    "αa βb εe ιi κk νv οo ρp τt υu χx ϲc ϳj ωw ıi ɡg ɑa ʋv ƅb օo հh ո"
    "n ցg ѡw 0o 1i |i !i li 3e 5s "
    # Letters of Cherokee and Lisu, of which whole names can be written.
    "Ꭺa Ᏼb Ꮯc Ꭰd Ꭼe Ꮐg Ꮋh Ꭵi Ꭻj Ꮶk Ꮮl Ꮇm Ꮲp Ꭱr Ꮪs Ꭲt Ꮩv Ꮃw Ꮍy Ꮓz "
    "ꓮa ꓐb ꓚc ꓓd ꓰe ꓝf ꓖg ꓧh ꓲi ꓙj ꓗk ꓡl ꓟm ꓠn ꓳo ꓑp ꓣr ꓢs ꓔt ꓴu ꓦv ꓪw ꓫx ꓬy ꓜz"
)
_LATIN: Final = re.compile(r"LATIN (?:SMALL|CAPITAL|LETTER SMALL CAPITAL) (?:LETTER )?([A-Z])(?: WITH .+)?")
"""What Unicode calls the letters that are Latin ones with a stroke or in another size."""
_ALIKE: Final = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}


def same_person(one: str, other: str) -> bool:
    """Whether two names cannot be told apart for sure: then they are taken for one person.

    `mara` is the one of `Mara@shop.example`; two whole addresses at two places are two people.
    """
    first, second = _address(one), _address(other)
    if not first[0] or not second[0]:
        return True  # nothing that can be read is nobody else
    return first[0] == second[0] and (not first[1] or not second[1] or first[1] == second[1])


def _address(name: str) -> tuple[str, str]:
    """What is before the @ of an address and before a +, and what is behind the @, as skeletons.

    `Mara Stein <mara@shop.example>` is the address in it.
    """
    text = unicodedata.normalize("NFKC", name)
    inside = text.partition("<")[2].partition(">")[0]
    local, _, domain = (inside if "@" in inside else text).partition("@")
    return _skeleton(local.partition("+")[0]), _skeleton(domain)


def _skeleton(text: str) -> str:
    """A text without case, blanks, marks and accents; a look-alike of another script becomes the Latin letter."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    told = "".join(c for c in decomposed if unicodedata.category(c)[0] in "LN" or c in "|!")
    return "".join(map(_plain, told)).translate(_ALIKE)


def _plain(letter: str) -> str:
    found = None if letter.isascii() else _LATIN.fullmatch(unicodedata.name(letter, ""))
    return found.group(1).lower() if found else letter
