"""A model that does not answer: the real claude gives up, and each cause has a reason and a message of its own."""

from __future__ import annotations

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of
from tests.support.cluster_objects import bug, claude_agent

CAUSES = {
    "bad-key": ("work with a bad key", "ModelAuthenticationFailed", "Invalid API key"),
    "no-credit": ("work without credit", "ModelCreditExhausted", "Credit balance is too low"),
    "rate-limited": ("work against the rate limit", "ModelRateLimited", "limit"),
    "overloaded": ("work while all others do", "ModelOverloaded", "verloaded"),
}


@pytest.fixture(scope="module")
def bugs(lab: Lab) -> dict[str, Bug]:
    """All at once; their agent tries again for a short time only."""
    lab.apply(claude_agent("impatient", CLAUDE_CODE_MAX_RETRIES="1", MENTU_MODEL_PATIENCE_SECONDS="2"))
    prompts = {**{name: prompt for name, (prompt, _, _) in CAUSES.items()}, "recovers": "work through a short overload"}
    return {name: lab.run(bug(f"model-{name}", f"Please {p}.", agent="impatient")) for name, p in prompts.items()}


@pytest.mark.parametrize("name", CAUSES)
def test_a_model_that_does_not_answer_fails_the_command_with_its_own_reason(bugs: dict[str, Bug], name: str) -> None:
    made, (_, reason, told) = bugs[name], CAUSES[name]
    status = made.ended(150)
    assert reason_of(status) == ("Failed", reason), message_of(status)
    assert told.lower() in message_of(status).lower()
    assert status["exitCode"] == 69
    assert condition(status, "Stalled")["reason"] == reason
    warnings = [e for e in made.events(reason) if e.type == "Warning"]
    assert [e.message for e in warnings] == [message_of(status)]
    assert any(told.lower() in line.lower() for line in made.printed())


def test_an_overload_that_passes_is_waited_for(bugs: dict[str, Bug]) -> None:
    status = bugs["recovers"].ended(150)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert any("It was only for a moment." in line for line in bugs["recovers"].printed())
