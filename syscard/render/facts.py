"""What several faces list from a view in the same way: identity, versions, evidence. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from syscard.samples import beside
from syscard.views import View
from syscard.words import E_DETECTOR, figure, moment, one_in, one_line, plural, stamp

_QUESTIONS: Final = (
    ("intended use", "intended_use"),
    ("users", "users"),
    ("out of scope", "out_of_scope"),
    ("limitations", "limitations"),
    ("oversight", "oversight"),
    ("regimes", "regimes"),
    ("review", "review"),
)

_DOCUMENTED: Final = (
    "status", "provider", "use_cases", "foreseeable_misuse", "affected_groups", "deployment_forms", "hardware",
    "interface", "instructions_for_use", "autonomy_level", "design_rationale", "planned_changes", "licences",
    "standards", "declaration_ref", "post_market_plan", "references", "citations",
)  # fmt: skip
"""What may be declared beyond the questions above: shown where it is."""
_EVIDENCE: Final = {"tool_call": "tool-call id", "value": "value carried"}


def method_text(fig: dict[str, Any]) -> str:
    """`e-detector, evidence 1 in 40,000 (asked for 1 in 6,500), p 1e-09 by Evidently`; empty without a test."""
    words = [one_line(fig["method"])] if fig["method"] else []
    if fig.get("one_in") is not None:
        words.append(f"evidence {one_in(fig['one_in'])} (asked for {one_in(fig.get('one_in_needed')) or 'nothing'})")
    if fig["p_value"] is not None:
        second = fig["method"] == E_DETECTOR
        level = f" < {fig['threshold']:g}" if fig["threshold"] is not None and fig.get("one_in") is None else ""
        words.append(f"p {fig['p_value']:.2g}{' by Evidently' if second else level}")
    return ", ".join(words)


def answered(identity: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The identity as label and text; what nobody wrote down is said to be missing."""
    owner = identity.get("owner") or {}
    yield "owner", spread(owner) or "not declared"
    for label, key in _QUESTIONS:
        said = _regimes(identity.get(key) or {}) if key == "regimes" else value_text(identity.get(key))
        yield label, said or "not declared"


def _regimes(stated: dict[str, Any]) -> str:
    """`eu ai act no (it sells shoes); nist ai rmf voluntary`."""
    return "; ".join(f"{one_line(name).replace('_', ' ')} {_stated(said)}" for name, said in stated.items())


def _stated(said: Any) -> str:
    if not isinstance(said, dict):
        return value_text(said)
    return f"{value_text(said.get('applies'))} ({value_text(said.get('because')) or 'no reason is given'})"


def documented(identity: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What else a team has written down, as label and text."""
    for key in _DOCUMENTED:
        if text := value_text(identity.get(key)):
            yield key.replace("_", " "), text


def value_text(value: Any) -> str:
    """A declared value of any shape in one line."""
    if isinstance(value, dict):
        return spread(value)
    if isinstance(value, list):
        return "; ".join(value_text(item) for item in value)
    return "" if value is None else one_line(value)


def spread(values: dict[str, Any], skip: tuple[str, ...] = ()) -> str:
    """`owner discovery; treatment mitigate`: declared keys and values in one line."""
    pairs = ((key, value_text(value)) for key, value in values.items() if key not in skip)
    return "; ".join(f"{one_line(key).replace('_', ' ')} {text}" for key, text in pairs if text)


def versions_text(part: dict[str, Any]) -> str:
    """The declared version, and what spans carried since, newest last."""
    version = (part["declared"] or {}).get("version") or {}
    said = f"{one_line(version['declared'])} (declared)" if version.get("declared") else "none declared"
    seen = [f"{_kind(o['what'])}{one_line(o['value'])}{_was(o)}" for o in part.get("observed", ())]
    return f"{said}; seen: {', '.join(seen)}" if seen else f"{said}; none seen in spans"


def version_rows(view: View, ref: str) -> list[tuple[str, str, str, str, int]]:
    """Version signals of a component: signal, value (what it took the place of), first and last seen, calls."""
    observed = view["card"]["components"][ref].get("observed", ())
    known = {(o["what"], o["value"]): o for o in observed}
    return [
        (
            one_line(v["what"]),
            one_line(v["value"]) + (_was(known[v["what"], v["value"]]) if (v["what"], v["value"]) in known else ""),
            stamp(moment(v["first_seen"])),
            stamp(moment(v["last_seen"])),
            v["calls"],
        )
        for v in (view["live"] or {}).get("versions", {}).get(ref, ())
    ]


def _was(seen: dict[str, Any]) -> str:
    """` (was lit-0.3, NOT DECLARED)`: what a change came from, and whether the card says so."""
    before = f"was {one_line(seen['previous'])}" if seen.get("previous") else ""
    said = ", ".join(text for text in (before, "" if seen["declared"] else "NOT DECLARED") if text)
    return f" ({said})" if said else ""


def _kind(what: str) -> str:
    return "" if what == "version" else f"{one_line(what)} "


def evidence_word(name: str) -> str:
    """A class of evidence as people read it."""
    return _EVIDENCE.get(name, one_line(name))


def said_by(view: View, place: str) -> str:
    """` (edit 5ee1ab12cd34)`: the edit that says a figure without evidence of its own; empty where none is known."""
    digest = view.get("sources", {}).get(place)
    return f" (edit {one_line(digest[:12])})" if digest else ""


def observed_text(edge: dict[str, Any]) -> str:
    """How strongly spans show an edge, and in how many traces."""
    if edge["evidence_class"] is None:
        return "never seen in spans"
    return f"by {evidence_word(edge['evidence_class'])} in {plural(edge['traces'], 'trace')}"


def is_share_of_group(slice_: dict[str, Any], declared: dict[str, Any]) -> bool:
    """Whether a slice is one group's own share under a disparity: shown beside it, never judged alone."""
    is_disparity = str(declared.get("metric", "")).startswith("disparity(")
    return is_disparity and slice_["slice"] != "all" and slice_["value"] is not None


def evidence_value(fig: dict[str, Any]) -> str:
    """`0.91 -> 0.30 [0.27, 0.33]`."""
    unit = one_line(fig["unit"])
    was = f"{figure(fig['reference'], unit)} -> " if fig["reference"] is not None else ""
    both = fig["low"] is not None and fig["high"] is not None
    interval = f" [{figure(fig['low'], unit)}, {figure(fig['high'], unit)}]" if both else ""
    return beside(f"{was}{figure(fig['value'], unit)}{interval}", fig.get("sampled"))


def referenced(view: View) -> list[dict[str, Any]]:
    """Evidence that a claim or an incident rests on, in order of arrival."""
    evidence = view["card"]["evidence"]
    wanted = set(_digests(view["card"]))
    return [item for digest, item in evidence.items() if digest in wanted]


def _digests(card: dict[str, Any]) -> Iterable[str]:
    for claim in card["claims"].values():
        yield from (s["evidence"] for s in claim["slices"] if s["evidence"])
    for incident in card["incidents"].values():
        yield from (f["evidence"] for f in incident["findings"])
