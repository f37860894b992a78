"""Questions of a draft: which components may be one part, told in two ways, and which agents are made and never run."""

from __future__ import annotations

import pytest

from syscard_monitors.likeness import MOST_QUESTIONS, Part, Subject, made_of, questions
from tests.unit.monitors.build import span

ADVICE = "If so, let one instrumentor tell of it, or name it on its spans: syscard.component."


def subject(ref: str, *dialects: str, model: str | None = None, answered: str | None = None) -> Subject:
    return Subject.of(ref, [span(dialect=dialect, model=model, model_response=answered) for dialect in dialects])


def asked(*parts: tuple[str, Subject], made: dict[Part, int] | None = None) -> tuple[str, ...]:
    return questions({("shop", component): subject for component, subject in parts}, made or {})


def test_names_that_differ_in_spelling_alone_are_asked_about() -> None:
    one, other = ("chat:openai/GPT-4o", subject("a", "openlit")), ("chat:gpt-4o", subject("b", "mlflow", "traceloop"))
    assert asked(one, other) == (
        "Is b (told by mlflow, traceloop) the same part as a (told by openlit)? Their names differ in spelling only.",
        ADVICE,
    )


@pytest.mark.parametrize(
    ("one", "other", "dialect"),
    [
        ("execute_tool:get_item", "execute_tool:getItem", "otel-genai"),  # one dialect tells them apart by itself
        ("execute_tool:search", "retrieval:search", "mlflow"),
        ("execute_tool:search", "execute_tool:rank", "mlflow"),
        ("getItem", "get_item", "mlflow"),  # somebody has named them
    ],
)
def test_two_parts_are_not_asked_about(one: str, other: str, dialect: str) -> None:
    assert asked((one, subject("a", "otel-genai")), (other, subject("b", dialect))) == ()


def test_parts_of_two_services_are_two() -> None:
    parts = {("front", "chat:GPT-4o"): subject("a", "openlit"), ("back", "chat:gpt-4o"): subject("b", "mlflow")}
    assert questions(parts, {}) == ()


def test_a_part_without_a_name_is_asked_about_once_with_those_that_it_may_be() -> None:
    named = [("retrieval:shelf", subject("shelf", "mlflow")), ("retrieval:store", subject("store", "mlflow"))]
    unnamed = [
        ("retrieval:RETRIEVER", subject("retriever", "mlflow")),
        ("retrieval:retrieval", subject("x", "otel-genai")),
    ]
    assert asked(*named, *unnamed) == (
        "retriever (told by mlflow) has no name of its own: is it shelf or store?",
        "x (told by otel-genai) has no name of its own: is it shelf or store?",
        ADVICE,
    )
    assert asked(*unnamed) == (), "there is nothing that they could be"


def test_what_answers_for_one_and_is_asked_for_as_another_is_asked_about() -> None:
    one = ("chat:m", subject("m", "openlit", model="m", answered="m-2026-05"))
    other = ("chat:m-2026-05", subject("m-2026-05", "mlflow", model="m-2026-05"))
    assert asked(one, other)[0].endswith("What is asked for as one is what answers as the other.")
    assert asked(one, ("chat:m-2025-01", subject("m-2025-01", "mlflow", model="m-2025-01"))) == ()


def test_an_agent_that_is_also_told_as_a_workflow_is_asked_about_whoever_tells() -> None:
    one, other = ("invoke_agent:shop", subject("a", "openlit")), ("invoke_workflow:shop", subject("b", "openlit"))
    assert asked(one, other)[0].endswith("One is told as an agent and one as a workflow, by one name.")


def test_an_agent_that_is_made_and_never_run_is_named() -> None:
    made = {("shop", "default"): 3, ("shop", "planner"): 2}
    assert asked(("invoke_agent:planner", subject("planner", "openlit")), made=made) == (
        "create_agent makes default in 3 spans, and nothing runs by that name: is it one of the parts above?",
    )
    assert made_of(("shop", "invoke_workflow:planner"), made) == made_of(("shop", "invoke_agent:planner"), made) == 2
    assert made_of(("shop", "execute_tool:planner"), made) == made_of(("bank", "invoke_agent:planner"), made) == 0


def test_a_name_from_spans_stays_in_its_line() -> None:
    (said,) = asked(made={("shop", "a\nb: c"): 1})
    assert said.startswith("create_agent makes a b: c in 1 span,")


def test_questions_are_not_without_end() -> None:
    many = [(f"invoke_{kind}:a{i}", subject(f"{kind}{i}", "x")) for i in range(40) for kind in ("agent", "workflow")]
    assert len(asked(*many)) == MOST_QUESTIONS + 1
