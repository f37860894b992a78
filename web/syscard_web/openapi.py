"""The OpenAPI document, made of the models of `syscard_web.documents` and of the table of routes."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from syscard.crosswalk_packs import packs
from syscard_web.documents import SHAPES

ROOT: Final = "/api/v1"
MOST: Final = 100
"""Versions of one answer."""
LARGEST: Final = 10**9
"""Number of a version or an incident."""
_WHOLE: Final = "[1-9][0-9]{0,8}"
_MEDIA: Final = "application/json"
_ERRORS: Final = {
    "400": "A word of the query is not understood.",
    "401": "A token is needed.",
    "404": "It is not here, or there is no card yet.",
    "421": "A host name that is not this machine's, where no token is asked for.",
    "503": "The records cannot be read now, or too many are reading.",
}


class Described(NamedTuple):
    """One route of the API."""

    path: str
    """Below `/api/v1`, with `{name}` for what is named."""
    shape: str
    """Of its answer."""
    says: str
    query: tuple[str, ...] = ("system",)


ROUTES: Final = (
    Described("/systems", "Systems", "Systems of this home, with their verdicts.", ()),
    Described("/status", "Status", "The first screen: verdict, watcher, open incidents, parts, claims."),
    Described("/card", "Card", "The whole card with live values."),
    Described("/claims", "Claims", "Every claim with its slices."),
    Described("/claims/{claim}", "Claim", "One claim."),
    Described("/incidents", "Incidents", "Every incident, in order of number."),
    Described("/incidents/{number}", "Incident", "One incident with timeline and evidence."),
    Described(
        "/history", "History", "Versions with what materially changed, newest first.", ("system", "before", "most")
    ),
    Described("/history/{version}", "Version", "One version."),
    Described("/gate", "Gate", "The gate's verdict as it stands."),
    Described("/crosswalk", "Crosswalk", "What frameworks ask for beside the card.", ("system", "framework")),
)
_SAYS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "system": ("Which system; needed where the home has several.", {"type": "string"}),
    "before": ("Only versions before this one.", {"type": "integer", "minimum": 1, "maximum": LARGEST}),
    "most": ("At most so many.", {"type": "integer", "minimum": 1, "maximum": MOST}),
    "framework": ("Only this framework.", {"type": "string"}),
    "claim": ("Id of a claim.", {"type": "string"}),
    "number": ("Number of an incident, with or without INC-.", {"type": "string", "pattern": f"^(INC-)?{_WHOLE}$"}),
    "version": ("Number of a version, with or without v.", {"type": "string", "pattern": f"^v?{_WHOLE}$"}),
}


@cache
def openapi() -> dict[str, Any]:
    """The document (OpenAPI 3.1: its schemas are JSON Schema 2020-12)."""
    names, schemas = _schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "syscard",
            "version": version("syscard"),
            "description": "The system card, read-only. Times are ISO 8601; keys are added, not renamed or taken away.",
        },
        "security": [{}, {"bearer": []}, {"password": []}],
        "paths": {
            **{f"{ROOT}{route.path}": {"get": _operation(route, names)} for route in ROUTES},
            f"{ROOT}/openapi.json": {"get": _plain("This document.", {"type": "object"})},
            "/healthz": {"get": _plain("Whether all goes well.", names["Health"])},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic", "description": "Any user; the token is the password."},
            },
        },
    }


def _schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """References by the name of an answer, and all definitions."""
    asked = [(name, "serialization", adapter) for name, adapter in SHAPES.items()]
    found, defined = TypeAdapter.json_schemas(asked, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    references = {name: schema for (name, _), schema in found.items()}
    return references, defined["$defs"]


def _operation(route: Described, names: dict[str, Any]) -> dict[str, Any]:
    named = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    error = {"content": {_MEDIA: {"schema": names["Error"]}}}
    return {
        "operationId": route.shape.lower(),
        "summary": route.says,
        "parameters": [*(_parameter(n, "path") for n in named), *(_parameter(n, "query") for n in route.query)],
        "responses": {
            "200": {"description": route.says, "content": {_MEDIA: {"schema": names[route.shape]}}},
            **{status: {"description": says, **error} for status, says in _ERRORS.items()},
        },
    }


def _parameter(name: str, where: str) -> dict[str, Any]:
    says, schema = _SAYS[name]
    if name == "framework":
        schema = {**schema, "enum": sorted(packs())}
    return {"name": name, "in": where, "required": where == "path", "description": says, "schema": schema}


def _plain(says: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"summary": says, "responses": {"200": {"description": says, "content": {_MEDIA: {"schema": schema}}}}}
