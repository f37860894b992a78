"""What every door shares: rules of the moment, and a roller that does not die."""

from __future__ import annotations

import time
from collections.abc import Callable

from syscard.clock import ReplayClock
from syscard.errors import SystemFileError
from syscard.home import Home
from syscard.system import Keep
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.pipeline import Pipeline, RollerThread
from syscard_tracing.roller import roll_all
from syscard_tracing.rules import ComponentRule, SystemRule, TraceRules
from syscard_tracing.spans import RawSpan


def _rules(ref: str) -> TraceRules:
    component = ComponentRule(ref, (("syscard.component", "x"),), Keep.FEATURES)
    return TraceRules((SystemRule((("service.name", "shop"),), (component,), (), None, Keep.FEATURES),))


def test_changed_rules_hold_from_the_next_request_and_broken_ones_change_nothing(
    home: Home, inbox: Inbox, lake: Lake, clock: ReplayClock, span: Callable[..., RawSpan]
) -> None:
    now: list[TraceRules | SystemFileError] = [SystemFileError("system.yaml", ())]

    def rules() -> TraceRules:
        if isinstance(now[0], TraceRules):
            return now[0]
        raise now[0]

    pipeline = Pipeline(home, inbox, rules, clock)
    broken = now[0]
    for number, rule in enumerate((broken, _rules("first"), broken, _rules("second"))):
        now[0] = rule
        pipeline.store([span(number, {"syscard.component": "x"})])
    roll_all(inbox, lake)
    assert lake.scan().sort("span_id").collect()["component"].to_list() == ["x", "first", "first", "second"]


def test_a_roll_that_fails_is_said_and_tried_again(
    home: Home, inbox: Inbox, put: Callable[..., None], stored: Callable[[], list[int]]
) -> None:
    put(0)
    home.lake.write_text("in the way")
    roller = RollerThread(inbox, home, 0.01)
    roller.start()
    while roller.last_error is None:
        time.sleep(0.01)
    assert inbox.pending() == 1
    home.lake.unlink()
    roller.stop()
    assert roller.last_error is None
    assert stored() == [0]
