"""The smallest system that can be declared: what a test of spans says of it is its own."""

from __future__ import annotations

from typing import Any


def shop(traces: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """system.yaml of the service `shop`, with more of `traces` and these components."""
    return {
        "schema": "syscard/1",
        "system": {
            "ref": "shop", "name": "Shop", "version": "1", "owner": {"team": "t", "accountable": "a"},
            "intended_use": "sell", "users": ["u"], "out_of_scope": ["o"], "limitations": ["l"],
            "review": {"every": "90d", "next": "2027-02-01"},
        },
        "traces": {"select": {"service.name": "shop"}} | traces,
        "components": components,
    }  # fmt: skip
