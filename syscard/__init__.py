"""syscard: a system card that stays true.

The core: what a card is and how it may change. Names are loaded when they are used, so importing this costs nothing.
The fold is `syscard.fold.fold`: a module and its function cannot both have the name here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.errors import SyscardError
    from syscard.finding import Finding
    from syscard.system import System
    from syscard.system_file import read_system
    from syscard.views import read_view

_HOMES: Final = {
    "Card": "syscard.card",
    "Finding": "syscard.finding",
    "SyscardError": "syscard.errors",
    "System": "syscard.system",
    "read_system": "syscard.system_file",
    "read_view": "syscard.views",
}
__all__ = ["Card", "Finding", "SyscardError", "System", "read_system", "read_view"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'syscard' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
