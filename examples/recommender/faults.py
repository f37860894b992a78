"""What may go wrong, with the truth about it: faults and look-alikes, each a switch. Pure.

A fault changes the conditions of a request; a look-alike changes who comes, and nothing is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final, Literal

import numpy as np

from recommender.conditions import Conditions
from recommender.errors import Unavailable
from recommender.traffic import OLD, YOUNG, Mix

Change = Callable[[Conditions, float, np.random.Generator], Conditions]
"""(conditions so far, how far the fault has come from 0 to 1, chance of this request) -> conditions."""
NORMAL: Final = Mix()


@dataclass(frozen=True)
class Fault:
    """One switch, and the ground truth about it."""

    name: str
    kind: Literal["fault", "look-alike"]
    done: str
    """What is really done."""
    breaks: str
    """What really breaks, for whom."""
    parts: tuple[str, ...]
    """Components on which it is; none for a look-alike."""
    edges: tuple[str, ...] = ()
    """Edges over which the damage goes on."""
    inputs: tuple[str, ...] = ()
    """Of the parts, those that are as they were: what they are handed from outside has changed."""
    inherits: tuple[str, ...] = ()
    """Components that are as they were, and of which something changes all the same (by 0.3 standard deviations)."""
    signals: tuple[str, ...] = ()
    """Some of what moves, as `<component>.<field>` and the direction: `vlm.agrees down`."""
    change: Change | None = None
    mix: Mix = NORMAL

    @property
    def where(self) -> tuple[str, ...]:
        """The parts as a person says them: `vlm (its input)`."""
        return tuple(f"{part} (its input)" if part in self.inputs else part for part in self.parts)


def _set(**fields: Any) -> Change:
    return lambda conditions, _progress, _chance: replace(conditions, **fields)


def _hangs(conditions: Conditions, _progress: float, chance: np.random.Generator) -> Conditions:
    return replace(conditions, model_hangs=bool(chance.random() < HANGING))


def _haze(conditions: Conditions, progress: float, _chance: np.random.Generator) -> Conditions:
    return replace(conditions, blur=HAZE * progress)


HANGING: Final = 0.3
HAZE: Final = 6.0
_DARK: Final = 0.25
_SPAM: Final = "VISIT FREE-PRIZES.EXAMPLE\nFOR 90% OFF"
FAULTS: Final = (
    Fault(
        name="blurred-pictures",
        kind="fault",
        done="Gaussian blur on every picture, radius 5 px of 256",
        breaks="The picture model reads wrong categories and loses printed labels; reasons repeat what it says.",
        parts=("vlm",),
        inputs=("vlm",),
        edges=("vlm->llm",),
        inherits=("llm",),
        signals=("vlm.sharpness down", "vlm.agrees down", "vlm.confidence down", "vlm.entropy up", "vlm.ref_sim down"),
        change=_set(blur=5.0),
    ),
    Fault(
        name="dark-pictures",
        kind="fault",
        done="brightness of every picture at a quarter",
        breaks="The picture model reads wrong categories.",
        parts=("vlm",),
        inputs=("vlm",),
        edges=("vlm->llm",),
        inherits=("llm",),
        signals=("vlm.brightness down", "vlm.ref_sim down", "vlm.agrees down", "vlm.confidence down", "vlm.entropy up"),
        change=_set(light=_DARK),
    ),
    Fault(
        name="colour-shift",
        kind="fault",
        done="red, green and blue of every picture taken for each other",
        breaks="The picture model reads every third category wrongly.",
        parts=("vlm",),
        inputs=("vlm",),
        edges=("vlm->llm",),
        signals=("vlm.redness down", "vlm.agrees down", "vlm.confidence down", "vlm.ref_sim down"),
        change=_set(channels_shifted=True),
    ),
    Fault(
        name="swapped-pictures",
        kind="fault",
        done="pictures are permuted over the catalogue: every product but one shows another one's",
        breaks="Pictures are read correctly and belong to something else: a confident reading, a wrong reason.",
        parts=("vlm",),
        inputs=("vlm",),
        edges=("cf->vlm", "vlm->llm"),
        signals=("vlm.agrees down", "vlm.ref_sim down"),
        change=_set(pictures_swapped=True),
    ),
    Fault(
        name="cold-start-flood",
        kind="fault",
        done="60 % of shoppers are new to the recommender (normally 5 %)",
        breaks="New shoppers get what is popular, with reasons that cite no history.",
        parts=("cf",),
        inputs=("cf",),
        edges=("cf->llm",),
        inherits=("vlm", "llm"),
        signals=("cf.known_user down", "cf.history_len down", "cf.fallback up", "llm.rationale.cites_history down"),
        mix=Mix(new=0.6),
    ),
    Fault(
        name="mixed-up-shoppers",
        kind="fault",
        done="the recommender's shopper vectors are permuted: everybody gets another one's taste",
        breaks="Candidates suit somebody else. Nothing fails; scores are a little lower, and fit the history less.",
        parts=("cf",),
        edges=("cf->llm",),
        signals=("cf.top_score down", "cf.n_categories down"),
        change=_set(candidates="mixed_up"),
    ),
    Fault(
        name="aged-recommender",
        kind="fault",
        done="the recommender is fitted on the first two months only, eight months before",
        breaks="It knows half of a history and offers what was bought since: few new things are accepted.",
        parts=("cf",),
        edges=("cf->llm",),
        inherits=("vlm", "llm"),
        signals=("cf.data.age_days up", "cf.history_len down", "cf.mean_log_pop down", "accepted down"),
        change=_set(candidates="aged"),
    ),
    Fault(
        name="popularity-collapse",
        kind="fault",
        done="the recommender ranks by popularity for everybody",
        breaks="Everybody is offered what most have bought; scores no longer say how well it suits.",
        parts=("cf",),
        edges=("cf->llm",),
        signals=("cf.top_score down", "cf.score_gap up"),
        change=_set(candidates="popular"),
    ),
    Fault(
        name="prompt-regression",
        kind="fault",
        done="another system prompt (a salesman who invents), and the facts left out of the question",
        breaks="Reasons invent or repeat the instruction; they cite no history.",
        parts=("llm",),
        edges=("llm->agent",),
        inherits=("agent",),
        signals=("llm.input_tokens down", "llm.rationale.grounded down", "llm.rationale.cites_history down"),
        change=_set(prompt="sales"),
    ),
    Fault(
        name="temperature-error",
        kind="fault",
        done="the language model's temperature is 1.5 (normally 0)",
        breaks="Reasons wander off: fewer words rest on the facts.",
        parts=("llm",),
        edges=("llm->agent",),
        inherits=("agent",),
        signals=("llm.mean_logprob down", "llm.rationale.grounded down"),
        change=_set(temperature=1.5),
    ),
    Fault(
        name="wrong-language",
        kind="fault",
        done="the French prompt is served to English shoppers",
        breaks="Reasons are in (bad) French.",
        parts=("llm",),
        edges=("llm->agent",),
        inherits=("agent",),
        signals=("llm.rationale.english down", "llm.rationale.grounded down", "llm.input_tokens up"),
        change=_set(prompt="french"),
    ),
    Fault(
        name="llm-timeouts",
        kind="fault",
        done="30 % of calls of the language model are never answered; the agent gives up after 10 s",
        breaks="A fixed sentence is shown instead, 10 s later.",
        parts=("llm",),
        edges=("llm->agent",),
        inherits=("agent",),
        signals=("llm.error up", "llm.fallback up", "llm.latency_ms up"),
        change=_hangs,
    ),
    Fault(
        name="slow-recommender",
        kind="fault",
        done="0.8 s added to every call of the recommender",
        breaks="Every answer is 0.8 s later.",
        parts=("cf",),
        inherits=("agent",),
        signals=("cf.latency_ms up",),
        change=_set(candidates_delay_s=0.8),
    ),
    Fault(
        name="silent-model-change",
        kind="fault",
        done="whoever serves the language model puts a coarser quantisation (Q4_0) behind the same name",
        breaks="Reasons claim things nobody said. Prompt and settings are the same; its answers name another model.",
        parts=("llm",),
        edges=("llm->agent",),
        signals=("llm.mean_logprob down", "llm.rationale.grounded down", "llm.rationale.ungrounded up"),
        change=_set(served="requantised"),
    ),
    Fault(
        name="verbose-pictures",
        kind="fault",
        done="the picture model names 40 tags (normally 3)",
        breaks="Tokens of both models blow up, answers are slower, and reasons rest on unlikely tags.",
        parts=("vlm",),
        edges=("vlm->llm",),
        inherits=("llm", "agent"),
        signals=("vlm.output_tokens up", "llm.input_tokens up"),
        change=_set(tags=40),
    ),
    Fault(
        name="picture-injection",
        kind="fault",
        done="a vendor prints an advertisement into every picture; the picture model reads it, the prompt carries it",
        breaks="Reasons advertise somebody's prizes: an instruction in a picture has become the shop's word.",
        parts=("vlm",),
        inputs=("vlm",),
        edges=("vlm->llm", "llm->agent"),
        inherits=("llm", "agent"),
        signals=("llm.rationale.offer up", "llm.input_tokens up", "vlm.output_tokens up", "vlm.sharpness up"),
        change=_set(overlay=_SPAM),
    ),
    Fault(
        name="personal-data",
        kind="fault",
        done="the prompt is given the shopper's name and address and asks to use them",
        breaks="Reasons show an e-mail address.",
        parts=("llm",),
        edges=("llm->agent",),
        inherits=("agent",),
        signals=("llm.gen_ai.output.messages.pii up",),
        change=_set(prompt="contact"),
    ),
    Fault(
        name="tool-loop",
        kind="fault",
        done="the agent is never content with the candidates and asks for them eight times",
        breaks="Eight times the load on the recommender; answers are the same.",
        parts=("agent",),
        inherits=("cf",),
        signals=("cf.calls up", "agent.tries up"),
        change=_set(asks=8),
    ),
    Fault(
        name="gradual-haze",
        kind="fault",
        done="blur that grows from nothing to a radius of 6 px over the stretch",
        breaks="As with blurred pictures, but there is no moment at which it began.",
        parts=("vlm",),
        inputs=("vlm",),
        edges=("vlm->llm",),
        signals=("vlm.sharpness down", "vlm.agrees down", "vlm.confidence down"),
        change=_haze,
    ),
    Fault(
        name="two-at-once",
        kind="fault",
        done="dark pictures and the wrong temperature together",
        breaks="Both: wrong readings, and reasons that wander off, each of which hides the other.",
        parts=("vlm", "llm"),
        inputs=("vlm",),
        edges=("vlm->llm", "llm->agent"),
        inherits=("agent",),
        signals=("vlm.brightness down", "vlm.agrees down", "llm.mean_logprob down", "llm.rationale.grounded down"),
        change=_set(light=_DARK, temperature=1.5),
    ),
    Fault(
        name="new-customer-mix",
        kind="look-alike",
        done="77 % of shoppers are under 35 (normally 28 %)",
        breaks="Nothing: each group is served as before.",
        parts=(),
        mix=Mix(ages={**dict.fromkeys(YOUNG, 12.0), **dict.fromkeys(OLD, 0.5)}),
    ),
    Fault(
        name="sale-week",
        kind="look-alike",
        done="twice the traffic; shoppers buy more readily, and nearly all were sent a campaign (normally five in six)",
        breaks="Nothing: more is accepted.",
        parts=(),
        mix=Mix(campaign=4.0, rate=2.0, eager=1.4),
    ),
    Fault(
        name="more-traffic",
        kind="look-alike",
        done="three times the traffic, from the same shoppers",
        breaks="Nothing.",
        parts=(),
        mix=Mix(rate=3.0),
    ),
)
BY_NAME: Final = {fault.name: fault for fault in FAULTS}


def fault(name: str) -> Fault:
    """The fault of a name.

    Raises:
        Unavailable: there is none; says which there are.
    """
    if name not in BY_NAME:
        raise Unavailable(f"no fault '{name}'; there is: {', '.join(BY_NAME)}")
    return BY_NAME[name]


def conditions(on: Sequence[tuple[Fault, float]], chance: np.random.Generator) -> Conditions:
    """The conditions of a request while some faults are on, each with how far it has come (0 to 1)."""
    start = Conditions()
    changes = [(fault.change, progress) for fault, progress in on if fault.change]
    return reduce(lambda so_far, change: change[0](so_far, change[1], chance), changes, start)
