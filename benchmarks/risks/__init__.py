"""Risks and attribution, measured: `make bench-risks`."""
