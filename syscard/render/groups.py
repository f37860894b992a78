"""What groups of requests get, stage by stage, in words and cells. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from syscard.samples import beside
from syscard.views import View
from syscard.words import figure, moment, one_line, plural, share, stamp, wrap

HEADS: Final = (
    "Stage", "Metric", "Group", "Value and interval", "n", "Ratio (largest to smallest)", "Difference", "State",
    "Evidence",
)  # fmt: skip
_MARKS: Final = {"even": " ", "uneven": "!", "unknown": "?", "amplified": "!", "not amplified": " "}
_AMPLIFICATION: Final = (
    "Along the pipeline, how much worse off than all others (above 1: worse), and the change from first to last stage:"
)
_STATISTICS: Final = {"share": "", "rate": ", share of requests", "mean": ", mean"}
NOT_MEASURED: Final = "not compared yet: syscard fairness"
NO_SEGMENT: Final = "no segment is declared, so there are no groups to compare"


def groups_text(view: View, width: int, *, every: bool = True) -> Iterator[str]:
    """Every metric by segment: how far apart its groups are, and each group; else only those of uneven metrics."""
    found = groups_of(view)
    if found is None:
        yield from wrap(why_none(view), width, first="  ")
        return
    yield from wrap(caption(found), width, first="  ")
    for told in found["disparities"]:
        yield from wrap(
            f"{title(told)}: {verdict(told)}; {evidence_text(told)}",
            width,
            first=f"{_MARKS[told['state']]} ",
            rest="    ",
        )
        if not every and told["state"] != "uneven":
            continue
        for group in told["groups"]:
            n = f"  n {group['n']:,}" if group["value"] is not None else ""
            text = f"{one_line(group['group'])}  {group_text(told, group)}{n}"
            yield from wrap(text, width, first="      ", rest="        ")
        if told["without"]:
            yield f"      {without_text(told)}"
    yield from amplified_text(found, width, every=every)
    if not every:
        yield "  each group: syscard fairness"


def amplified_text(found: dict[str, Any], width: int, *, every: bool) -> Iterator[str]:
    """How much worse off than all others each group is, stage by stage; else only those that the pipeline makes so."""
    told = found.get("amplifications", ())
    shown = [(one, g) for one in told for g in one["groups"] if every or g["state"] == "amplified"]
    if not shown:
        return
    yield from wrap(_AMPLIFICATION, width, first="  ")
    for one, group in shown:
        title = f"{one_line(one['family'])} by {one_line(one['segment'])}, {one_line(group['group'])}"
        says = f"{title}: {change_text(group)}; {evidence_text(one)}"
        yield from wrap(says, width, first=f"{_MARKS[group['state']]} ", rest="    ")
        yield from wrap("  ".join(map(stage_text, group["stages"])), width, first="      ", rest="      ")


def change_text(group: dict[str, Any]) -> str:
    """`AMPLIFIED, 1.62 [1.31, 2.01] times from first to last`, or why it is unknown."""
    state = "not amplified" if group["state"] == "not amplified" else group["state"].upper()
    needs = f", needs about n {group['needs']:,}" if group["needs"] and group["log_change"] is not None else ""
    why = f": {one_line(group['why'])}{needs}" if group["why"] else ""
    if group["log_change"] is None:
        return f"{state}{why}"
    value, low, high = (figure(math.exp(group[key])) for key in ("log_change", "low", "high"))
    return f"{state}{why}, {value} [{low}, {high}] times from first to last"


def stage_text(stage: dict[str, Any]) -> str:
    """`vlm agrees 1.08`, or a dash where there are too few requests."""
    ratio = "-" if stage["ratio"] is None else figure(stage["ratio"])
    return f"{one_line(stage['about'])} {one_line(stage['label'])} {ratio}"


def groups_of(view: View) -> dict[str, Any] | None:
    """As last measured; None before."""
    found: dict[str, Any] | None = (view["live"] or {}).get("groups")
    return found


def why_none(view: View) -> str:
    """Why there is nothing to show."""
    return NOT_MEASURED if view["card"]["traces"].get("segments") else NO_SEGMENT


def caption(found: dict[str, Any]) -> str:
    """Of which time the figures are, and what their words mean."""
    days = f"{moment(found['since']):%Y-%m-%d} to {stamp(moment(found['as_of']))}"
    limit = f"{found['tolerated']:g}"
    return (f"Requests of {days}, in the order of the pipeline; a figure stands as its evidence has it until it says "
            f"something new. Even: the whole interval of the ratio is at most {limit}; uneven: above it; small groups "
            "are unknown.")  # fmt: skip


def title(told: dict[str, Any]) -> str:
    """`vlm agrees by age_band`."""
    return f"{one_line(told['about'])} {_metric(told)}"


def _metric(told: dict[str, Any]) -> str:
    label, statistic = one_line(told["label"]), one_line(told["statistic"])
    more = _STATISTICS.get(statistic, f" {statistic}")
    return f"{label}{'' if statistic == label else more} by {one_line(told['segment'])}"


def verdict(told: dict[str, Any]) -> str:
    """`UNEVEN, ratio 1.41 [1.30, 1.53], difference 0.21 [0.15, 0.27] (34-44 over 45-54)`, or why it is unknown."""
    ratio, difference = ratio_text(told), difference_text(told)
    if not difference:
        return state_text(told)
    figures = (f"ratio {ratio}, " if ratio else "") + f"difference {difference}"
    return f"{state_text(told)}, {figures} ({one_line(told['highest'])} over {one_line(told['lowest'])})"


def state_text(told: dict[str, Any]) -> str:
    """`even`, or louder what is not: `UNKNOWN: needs two groups of 30, has 12 and 8`."""
    if told["state"] == "even":
        return "even"
    needs = f", needs about n {told['needs']:,} in the smaller" if told["needs"] and told["ratio"] is not None else ""
    why = f": {one_line(told['why'])}{needs}" if told["why"] else ""
    return f"{told['state'].upper()}{why}"


def ratio_text(told: dict[str, Any]) -> str:
    """`1.41 [1.30, 1.53]`; empty where there is none."""
    if told["ratio"] is None:
        return ""
    high = "no bound" if told["ratio_high"] is None else figure(told["ratio_high"])
    return f"{figure(told['ratio'])} [{figure(told['ratio_low'])}, {high}]"


def difference_text(told: dict[str, Any]) -> str:
    """`0.21 [0.15, 0.27]`; empty where there is none."""
    if told["difference"] is None:
        return ""
    value, low, high = told["difference"], told["difference_low"], told["difference_high"]
    if told["statistic"] == "rate":
        return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}] percentage points"
    return _with_interval(told, value, low, high)


def group_text(told: dict[str, Any], group: dict[str, Any]) -> str:
    """A group's figure with its interval, or how many requests it would take."""
    if group["value"] is None:
        return beside(f"UNKNOWN: needs n {group['needs']:,}, has {group['n']:,}", group.get("sampled"))
    return beside(_with_interval(told, group["value"], group["low"], group["high"]), group.get("sampled"))


def evidence_text(told: dict[str, Any]) -> str:
    """`evidence 3f0a9c21d4e7, 2026-11-22 14:33`: the edit that holds the figures, and up to when its requests reach."""
    if not told.get("evidence"):
        return "no evidence: compared by an earlier release"
    return f"evidence {one_line(told['evidence'])[:12]}, {stamp(moment(told['measured']))}"


def without_text(told: dict[str, Any]) -> str:
    """Requests that are in no group."""
    return f"in no group: {plural(told['without'], 'request')}"


def rows(view: View) -> tuple[tuple[str, ...], ...]:
    """A row a group under `HEADS`; ratio, difference and state stand on the first row of a metric."""
    found = groups_of(view)
    return tuple(row for told in (found["disparities"] if found else ()) for row in _rows(told))


APART_HEADS: Final = ("Stage", "Metric", "Gets least", "Gets most", "Ratio", "State", "Evidence")
_BY_STATE: Final = {"uneven": 0, "unknown": 1, "even": 2}


def apart(view: View) -> tuple[tuple[str, ...], ...]:
    """A row a metric under `APART_HEADS`: the groups that are furthest apart; uneven ones and large ratios first."""
    found = groups_of(view)
    ordered = sorted(found["disparities"] if found else (), key=_by_interest)
    return tuple(
        (one_line(told["about"]), _metric(told), _end(told, told["lowest"]), _end(told, told["highest"]),
         ratio_text(told) or "none", state_text(told), evidence_text(told))
        for told in ordered
    )  # fmt: skip


def _by_interest(told: dict[str, Any]) -> tuple[int, bool, float]:
    """What could be compared goes before what could not."""
    return _BY_STATE[told["state"]], told["ratio"] is None, -(told["ratio"] or 0.0)


def _end(told: dict[str, Any], name: str | None) -> str:
    """`19-24: 0.14 [0.09, 0.18], n 175`."""
    group = next((g for g in told["groups"] if g["group"] == name), None)
    return "none" if group is None else f"{one_line(name)}: {group_text(told, group)}, n {group['n']:,}"


def _rows(told: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    named = (one_line(told["about"]), _metric(told))
    own = [(one_line(g["group"]), group_text(told, g), f"{g['n']:,}") for g in told["groups"]]
    if told["without"] or not own:
        own.append(("in no group", "no figure", f"{told['without']:,}"))
    for index, cells in enumerate(own):
        across = (ratio_text(told) or "none", difference_text(told) or "none", state_text(told),
                  evidence_text(told))  # fmt: skip
        yield (*named, *cells, *(across if index == 0 else ("",) * len(across)))


def _with_interval(told: dict[str, Any], value: float, low: float, high: float) -> str:
    return f"{_figure(told, value)} [{_figure(told, low)}, {_figure(told, high)}]"


def _figure(told: dict[str, Any], value: float) -> str:
    """Rates are rare, and told in percent."""
    return share(value) if told["statistic"] == "rate" else figure(value, one_line(told["unit"]))
