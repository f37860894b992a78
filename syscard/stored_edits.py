"""An edit as it is stored, made a value again: whoever reads the table, by whichever library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syscard.edits import Draft, Edit
from syscard.errors import ChainBroken


def edit_of(row: Mapping[str, Any]) -> Edit:
    """The edit of one row: its columns by name.

    Raises:
        ChainBroken: it is no edit that was ever written.
    """
    try:
        return Edit(
            seq=row["seq"],
            version=row["version"],
            cause=row["cause"],
            draft=Draft.model_validate(json.loads(row["draft"])),
            recorded=datetime.fromisoformat(row["recorded"]),
            previous=row["previous"],
            link=row["link"],
        )
    except ValueError as error:
        raise ChainBroken(f"edit {row['seq']} (v{row['version']}): it is no edit that was ever written") from error
