"""Charts as inline SVG: claims against their limits, signals against their reference. Standard library only.

Built as an element tree, so that no text can become markup. Shape and pattern say everything; colour only repeats it,
so that a page printed in grey still reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

from syscard.faces import by_interest
from syscard.render.facts import is_share_of_group
from syscard.slices import claim_status, claim_unit, figures_text, missing_text
from syscard.views import View
from syscard.words import clip, figure, one_line, plural

_EXPECT: Final = re.compile(r"^\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w|%)?\s*$")
_SCALE: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "%": 0.01}
_LEFT, _TRACK, _ROW, _WIDTH = 232, 260, 30, 880
_SAID: Final = 52
"""Characters that have room behind a track."""
_SPARK_WIDTH, _SPARK_HEIGHT = 260, 56


@dataclass(frozen=True)
class Limit:
    """What a claim promises, as a number to draw."""

    op: str
    at: float


def limit_of(expect: str) -> Limit | None:
    """`>= 0.90` as operator and number, durations in seconds; None where it is not of that form."""
    match = _EXPECT.match(expect)
    return Limit(match[1], float(match[2]) * _SCALE.get(match[3] or "", 1.0)) if match else None


def claims_chart(view: View, most: int | None = None) -> str:
    """Every claim and slice with its interval against the promised limit; empty without claims.

    Where only so many are drawn, they are broken ones before all others, and claims over all traffic before slices.
    """
    rows = [(ref, claim, s) for ref, claim in view["card"]["claims"].items() for s in claim["slices"]]
    rows = [row for row in rows if not is_share_of_group(row[2], row[1]["declared"])]
    if most is not None:
        chosen = sorted(rows, key=lambda row: (row[2]["status"] != "broken", row[2]["slice"] != "all"))[:most]
        first = {ref: place for place, (ref, _, _) in reversed([*enumerate(chosen)])}
        rows = sorted(chosen, key=lambda row: first[row[0]])  # a slice stands with its claim
    if not rows:
        return ""
    broken = sum(claim_status(c) == "broken" for c in view["card"]["claims"].values())
    svg = _svg(_WIDTH, len(rows) * _ROW + 8, "Claims against what they promise",
               f"{plural(len(view['card']['claims']), 'claim')}, {broken} broken. Each row shows the measured value "
               "with its interval, the promised limit as a vertical line, and the promised side hatched.")  # fmt: skip
    above = ""
    for index, (ref, claim, slice_) in enumerate(rows):
        _claim_row(svg, 4 + index * _ROW, one_line(ref), claim["declared"], slice_, under=ref == above)
        above = ref
    return _text_of(svg)


def _claim_row(
    svg: ET.Element, top: int, ref: str, declared: dict[str, Any], slice_: dict[str, Any], *, under: bool
) -> None:
    """With `under` its claim is in the row above; a slice that has lost its claim says whose it is."""
    middle, right = top + _ROW / 2, _LEFT + _TRACK
    overall, part = slice_["slice"] == "all", one_line(slice_["slice"])
    name = ref if overall else part if under else f"{ref}: {part}"
    _label(svg, 20 if under else 4, middle + 4, clip(name, 32), bold=overall)
    _line(svg, _LEFT, middle, right, middle, "track")
    limit, value = limit_of(str(declared.get("expect", ""))), slice_["value"]
    said = f"{slice_['status'].upper()}  "
    if value is None or limit is None:
        _label(svg, right + 12, middle + 4, clip(said + (missing_text(slice_) if value is None else ""), _SAID))
        return
    axis = _axis(limit, slice_)
    _promised(svg, limit, axis, top)
    _interval(svg, slice_, axis, middle)
    unit = claim_unit(declared)
    told = f"{said}{figures_text(slice_, declared)}, needs {limit.op} {figure(limit.at, unit)}"
    _label(svg, right + 12, middle + 4, clip(told, _SAID))


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    def x(self, value: float) -> float:
        inside: float = min(max(value, self.low), self.high)
        return float(round(_LEFT + _TRACK * (inside - self.low) / (self.high - self.low), 1))


def _axis(limit: Limit, slice_: dict[str, Any]) -> _Axis:
    """From zero to one for shares; else from zero past everything that is drawn."""
    value, low, high = float(slice_["value"]), float(slice_["low"] or 0.0), float(slice_["high"] or 0.0)
    most, least = max(abs(limit.at), abs(value), abs(high)), min(0.0, limit.at, value, low)
    return _Axis(least, 1.0 if most <= 1 and limit.op != "==" else (most * 1.25 or 1.0))


def _promised(svg: ET.Element, limit: Limit, axis: _Axis, top: int) -> None:
    at = axis.x(limit.at)
    start, stop = (at, axis.x(axis.high)) if limit.op.startswith(">") else (axis.x(axis.low), at)
    if stop > start:
        _add(svg, "rect", x=start, y=top + 6, width=round(stop - start, 1), height=_ROW - 12, fill="url(#promised)")
    _line(svg, at, top + 3, at, top + _ROW - 3, "limit")


def _interval(svg: ET.Element, slice_: dict[str, Any], axis: _Axis, middle: float) -> None:
    if slice_["low"] is not None and slice_["high"] is not None:
        low, high = axis.x(slice_["low"]), axis.x(slice_["high"])
        _add(svg, "rect", x=low, y=middle - 4, width=max(2.0, round(high - low, 1)), height=8, **{"class": "interval"})
    x = axis.x(slice_["value"])
    if slice_["status"] == "broken":
        _add(svg, "path", d=f"M{x - 6} {middle - 6}l12 12m0 -12l-12 12", **{"class": "cross"})
    else:
        _add(svg, "circle", cx=x, cy=middle, r=5, **{"class": "dot" if slice_["status"] == "holds" else "ring"})


def signal_charts(view: View) -> list[tuple[str, str, str]]:
    """For each part, and for the system, its most telling signal: (part, caption, SVG)."""
    signals = (view["live"] or {}).get("signals", {}).values()
    found = []
    for ref in (*view["card"]["components"], *view["card"]["interactions"], "system"):
        own = [s for s in by_interest(signals) if s["about"] == ref and _known(s["history"])]
        if own:
            found.append((one_line(ref), signal_caption(own[0]), sparkline(own[0])))
    return found


def signal_caption(signal: dict[str, Any]) -> str:
    """`agrees with the catalogue 0.30, reference 0.91, tolerance 0.05, n 20: breach`."""
    unit = signal["unit"]
    words = [f"{one_line(signal['label'])} {figure(signal['value'], unit)}"]
    words += [f"reference {figure(signal['reference'], unit)}"] if signal["reference"] is not None else []
    words += [f"tolerance {signal['tolerance']:g}"] if signal["tolerance"] is not None else []
    return f"{', '.join(words)}, n {signal['n']:,}: {signal['state']}"


def sparkline(signal: dict[str, Any]) -> str:
    """History of one signal, its reference dashed, what is tolerated hatched where that is in the signal's unit."""
    values, band = signal["history"], tolerated(signal)
    drawn = [*_known(values), *_known([signal["reference"]]), *(band or ())]
    low, high = min(drawn), max(drawn)
    room = (high - low) or abs(high) or 1.0

    def y(value: float) -> float:
        return float(round(_SPARK_HEIGHT - 6 - (_SPARK_HEIGHT - 12) * (value - low) / room, 1))

    svg = _svg(_SPARK_WIDTH, _SPARK_HEIGHT, f"{one_line(signal['about'])}: {one_line(signal['label'])}",
               f"{plural(len(_known(values)), 'window')}, oldest first. {signal_caption(signal)}")  # fmt: skip
    if band:
        top, bottom = y(band[1]), y(band[0])
        _add(
            svg, "rect", x=0, y=top, width=_SPARK_WIDTH, height=max(1.0, round(bottom - top, 1)), fill="url(#promised)"
        )
    if signal["reference"] is not None:
        _line(svg, 0, y(signal["reference"]), _SPARK_WIDTH, y(signal["reference"]), "reference")
    step = (_SPARK_WIDTH - 16) / max(1, len(values) - 1)
    points = [None if v is None else (round(8 + i * step, 1), y(v)) for i, v in enumerate(values)]
    _add(svg, "path", d=_path(points), **{"class": "curve"})
    last = [p for p in points if p][-1]
    _add(svg, "circle", cx=last[0], cy=last[1], r=4, **{"class": "dot"})
    return _text_of(svg)


def tolerated(signal: dict[str, Any]) -> tuple[float, float] | None:
    """What is tolerated around the reference, where the effect is a difference or a factor of the signal itself."""
    value, reference, effect, tolerance = (signal[k] for k in ("value", "reference", "effect", "tolerance"))
    if None in (value, reference, effect, tolerance):
        return None
    if abs(abs(value - reference) - abs(effect)) <= 1e-6 + 0.01 * abs(effect):
        return reference - tolerance, reference + tolerance
    if value > 0 and reference > 0 and tolerance > 1:
        factor = max(value / reference, reference / value)
        if abs(factor - effect) <= 0.01 * factor:
            return reference / tolerance, reference * tolerance
    return None


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """A line that is interrupted where a window has no value."""
    parts, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        parts.append(f"{pen}{point[0]} {point[1]}")
        pen = "L"
    return "".join(parts)


def _known(values: Iterable[float | None]) -> list[float]:
    return [v for v in values if v is not None]


def _svg(width: int, height: int, title: str, description: str) -> ET.Element:
    # Sized by its viewBox and the style sheet, so that it shrinks on paper and on small screens.
    svg = ET.Element("svg", viewBox=f"0 0 {width} {height}", width=str(width), height=str(height), role="img")
    ET.SubElement(svg, "title").text = title
    ET.SubElement(svg, "desc").text = description
    return svg


def hatching() -> str:
    """The pattern that every chart of a page refers to: once on the page, before them."""
    svg = ET.Element("svg", {"width": "0", "height": "0", "aria-hidden": "true", "class": "defs"})
    pattern = _add(_add(svg, "defs"), "pattern", id="promised", width=6, height=6, patternUnits="userSpaceOnUse")
    _add(pattern, "path", d="M0 6L6 0", **{"class": "hatch"})
    return _text_of(svg)


def _label(svg: ET.Element, x: float, y: float, text: str, *, bold: bool = False) -> None:
    _add(svg, "text", x=x, y=y, **({"class": "strong"} if bold else {})).text = text


def _line(svg: ET.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    _add(svg, "line", x1=x1, y1=y1, x2=x2, y2=y2, **{"class": kind})


def _add(parent: ET.Element, tag: str, **attributes: object) -> ET.Element:
    return ET.SubElement(parent, tag, {key: str(value) for key, value in attributes.items()})


def _text_of(svg: ET.Element) -> str:
    return ET.tostring(svg, encoding="unicode", short_empty_elements=False)
