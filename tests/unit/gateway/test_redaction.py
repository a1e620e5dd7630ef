"""Which texts are taken out of a line, and which are not."""

import pytest

from bugcommand_operator.gateway.redaction import redact_all

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


@pytest.mark.parametrize(
    ("message", "stored"),
    [
        ("key sk-ant-api03-" + "Ab1_" * 10 + " end", "key [redacted] end"),
        ("OPENAI=sk-proj-" + "x" * 40, "OPENAI=[redacted]"),
        ("gho_" + "A" * 36 + " ghs_" + "b" * 36, "[redacted] [redacted]"),
        ("github_pat_" + "a" * 82, "[redacted]"),
        ("glpat-" + "a" * 20, "[redacted]"),
        ("xoxb-1234567890-abcdef", "[redacted]"),
        ("AKIA" + "A1" * 8, "[redacted]"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer [redacted]"),
        ("push https://bot:hunter2@git.example/x.git", "push https://[redacted]@git.example/x.git"),
        ("https://git.example/x.git?a=b:c@d", "https://git.example/x.git?a=b:c@d"),
        ("git@github.com:a/b.git, mail a:b@c", "git@github.com:a/b.git, mail a:b@c"),
        ("a task-ant, risk-ant-12, sk-ant-short", "a task-ant, risk-ant-12, sk-ant-short"),
        ("AKIATOOSHORT and eyJ.eyJ.x", "AKIATOOSHORT and eyJ.eyJ.x"),
    ],
)
def test_tokens_go_and_ordinary_text_stays(message: str, stored: str) -> None:
    assert redact_all(["before", message, "after"])[0] == ["before", stored, "after"]


def test_every_token_is_counted() -> None:
    token = "ghp_" + "a" * 36
    assert redact_all([f"{token} {token}", "none", token])[1] == 3


def test_a_long_line_made_to_look_like_tokens_is_done_quickly() -> None:
    hostile = "https://" + "a:" * 30_000 + " eyJ" + "a" * 30_000 + " sk-ant-" * 5000
    redact_all([hostile] * 10)  # the suite's own time limit is the assertion, were this quadratic
