"""What kind of model failure stopped the agent: the answers of the real binary to each kind of error."""

from __future__ import annotations

import pytest
from tests.process.runner.builders import api_error, says

from bugcommand_operator.runner import model_errors

CASES = [
    ("Invalid API key · Fix external API key", 401, "authentication_failed", "authentication_error"),
    ("Please run /login · API Error: 403 OAuth not allowed", 403, "authentication_failed", "permission_error"),
    ("Credit balance is too low", 400, "billing_error", "invalid_request_error"),
    ("API Error: Request rejected (429) · per-minute rate limit", 429, "rate_limit", "rate_limit_error"),
    ("API Error: Repeated 529 Overloaded errors. The API is at capacity", 529, "server_error", "overloaded_error"),
    ("API Error: 500 Internal server error.", 500, "server_error", "api_error"),
    ("API Error: Connection refused (ECONNREFUSED)", None, "unknown", None),
]
REASONS = [
    "ModelAuthenticationFailed",
    "ModelAuthenticationFailed",
    "ModelCreditExhausted",
    "ModelRateLimited",
    "ModelOverloaded",
    "ModelUnavailable",
    "ModelUnavailable",
]
ANSWERS = list(zip(CASES, REASONS, strict=True))


@pytest.mark.parametrize(("case", "reason"), ANSWERS)
def test_each_failure_has_its_reason_in_the_transcript(case: tuple[str, int | None, str, str], reason: str) -> None:
    found = model_errors.of_transcript_entry(api_error(*case))
    assert found is not None
    assert (found.reason, found.message) == (reason, case[0])


@pytest.mark.parametrize(("case", "reason"), ANSWERS)
def test_the_hook_alone_tells_the_same(case: tuple[str, int | None, str, str], reason: str) -> None:
    text, _, error, _ = case
    found = model_errors.of_stop_failure({"error": error, "last_assistant_message": text})
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize(("case", "reason"), ANSWERS)
def test_a_headless_result_tells_the_same(case: tuple[str, int | None, str, str], reason: str) -> None:
    text, status, _, _ = case
    event = {"is_error": True, "api_error_status": status, "terminal_reason": "api_error", "result": text}
    found = model_errors.of_result(event)
    assert found is not None
    assert found.reason == reason


def test_only_what_may_pass_is_worth_trying_again() -> None:
    passing = [found.passing for case in CASES if (found := model_errors.of_transcript_entry(api_error(*case)))]
    assert passing == [False, False, False, True, True, True, True]
    missing = model_errors.classify("model_not_found", 404, "model: nope")
    assert missing is not None
    assert not missing.passing


def test_an_answer_is_no_error_even_if_it_speaks_of_one() -> None:
    assert model_errors.of_transcript_entry(says("Your credit balance is too low, says the test")) is None


def test_a_result_that_failed_for_another_reason_is_not_the_models() -> None:
    assert model_errors.of_result({"is_error": True, "subtype": "error_max_turns"}) is None
    assert model_errors.of_result({"is_error": False, "result": "done"}) is None
