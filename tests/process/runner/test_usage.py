"""Tokens are counted once."""

from __future__ import annotations

import pytest

from bugcommand_operator.runner.usage import Usage, UsageMeter


def message(key: str, **usage: int) -> dict[str, object]:
    return {"id": key, "usage": usage}


def test_the_blocks_of_one_message_count_once_with_their_largest_figures() -> None:
    meter = UsageMeter()
    meter.message(message("m1", input_tokens=5, output_tokens=1))
    meter.message(message("m1", input_tokens=5, output_tokens=20))
    meter.message(
        message("m2", input_tokens=7, cache_read_input_tokens=100, cache_creation_input_tokens=3, output_tokens=2)
    )
    assert meter.total() == Usage(115, 22, None)


def test_the_agents_own_total_wins_where_it_is_larger_and_brings_the_cost() -> None:
    meter = UsageMeter()
    meter.message(message("m1", input_tokens=5, output_tokens=20))
    meter.told("s1", 0.1, {"a": {"inputTokens": 9, "outputTokens": 30}})
    meter.told("s1", 0.25, {"a": {"inputTokens": 10, "outputTokens": 40, "cacheReadInputTokens": 2}})
    meter.told("s2", 0.5, {"a": {"inputTokens": 1, "outputTokens": 1}})
    assert meter.total() == Usage(13, 41, "0.75")


@pytest.mark.parametrize("cost", [None, True, "free", -1.0, float("nan"), float("inf")])
def test_a_cost_that_is_none_is_not_told(cost: object) -> None:
    meter = UsageMeter()
    meter.told("s1", cost, None)
    assert meter.total().cost_usd is None


def test_junk_figures_count_nothing() -> None:
    meter = UsageMeter()
    meter.message({"id": "m", "usage": {"input_tokens": "many", "output_tokens": -4, "cache_read_input_tokens": True}})
    meter.message({"usage": {"input_tokens": 4}})
    assert meter.total() == Usage()


TOLD_BEFORE = {"a": {"inputTokens": 100, "outputTokens": 40}}


@pytest.mark.parametrize(
    ("cost", "models", "expected"),
    [
        (0.75, {"a": {"inputTokens": 110, "outputTokens": 45}}, Usage(10, 5, "0.25")),
        (0.25, {"a": {"inputTokens": 10, "outputTokens": 5}}, Usage(10, 5, "0.25")),
        (0.5, {"a": {"inputTokens": 100, "outputTokens": 40}}, Usage(100, 40, "0.5")),
    ],
    ids=["its total covers its past", "its total begins anew", "as much again as before is no past"],
)
def test_a_resumed_session_counts_what_came_since(cost: float, models: object, expected: Usage) -> None:
    meter = UsageMeter()
    meter.recall(message("m1", input_tokens=100, output_tokens=40))
    meter.told_before(0.5, TOLD_BEFORE)
    meter.message(message("m1", input_tokens=100, output_tokens=40))
    meter.message(message("m2", input_tokens=9, output_tokens=5))
    meter.told("s1", cost, models)
    assert meter.total() == expected
