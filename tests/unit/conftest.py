"""What every unit test shares."""

from __future__ import annotations

from hypothesis import settings

# Shared machines stall: how long an example takes says nothing.
settings.register_profile("syscard-unit", deadline=None, database=None)
settings.load_profile("syscard-unit")
