"""Which texts are taken out of a line, and which are not."""

import json
import time

import pytest

from bugcommand_operator.gateway.redaction import PLACEHOLDER, redact_all

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
        ('https://bot:hun"ter,2@git.example', "https://[redacted]@git.example"),
        ('{"url":"http://shop","mail":"a:b@c"}', '{"url":"http://shop","mail":"a:b@c"}'),
        ('{"urls":["http://shop:80","a@b"],"n":{"at":"http://c:1"},"to":"d@e"}',) * 2,
        (r'{"url\":\"http://shop:80\",\"mail\":\"a:b@c\"}',) * 2,
        ('{"url":"http://me:pass:w0rd@shop","mail":"a@b"}', '{"url":"http://[redacted]@shop","mail":"a@b"}'),
        ("https://git.example/x.git?a=b:c@d", "https://git.example/x.git?a=b:c@d"),
        ("git@github.com:a/b.git, mail a:b@c", "git@github.com:a/b.git, mail a:b@c"),
        ("a task-ant, risk-ant-12, sk-ant-short", "a task-ant, risk-ant-12, sk-ant-short"),
        ("AKIATOOSHORT and eyJ.eyJ.x", "AKIATOOSHORT and eyJ.eyJ.x"),
    ],
)
def test_tokens_go_and_ordinary_text_stays(message: str, stored: str) -> None:
    assert redact_all(["before", message, "after"])[0] == ["before", stored, "after"]


TOKENS = ["sk-ant-" + "a" * 40, "ghp_" + "a" * 36, "github_pat_" + "a" * 40, "glpat-" + "a" * 20,
          "xoxb-1234567890-abcdef", "AKIA" + "A1" * 8, JWT]  # fmt: skip
COLOUR = "\x1b[1;38;2;255;255;255m"
ESCAPES = ["\x1b[31m", "\x1b[m", "\x1b[2K", COLOUR, "\x1b(B", "\x1b[?25h", "x\x1b[0m\x1b[1m"]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("escape", [*ESCAPES, "\r\n", "\t", "é\b"])
def test_a_token_right_after_an_escape_goes_and_the_escape_stays(escape: str, token: str) -> None:
    for text in (str, json.dumps):
        assert redact_all([text(escape + token)]) == ([text(escape + PLACEHOLDER)], 1)


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_token_after_a_colour_that_the_end_of_a_part_has_cut_is_found(escape: str) -> None:
    parts = [f"x {escape}ghp_aaa↩", "↪" + "a" * 36 + " end"]
    assert redact_all(parts, ["stdout"] * 2) == ([f"x {escape}[redacted]↩", "↪ end"], 1)


def test_every_token_is_counted() -> None:
    token = "ghp_" + "a" * 36
    assert redact_all([f"{token} {token}", "none", token])[1] == 3


@pytest.mark.parametrize(
    "hostile",
    [
        "-eyJ" * 16384,
        "\x1b[31meyJ" * 8192,
        "\x1b[" * 32768,
        "\x1b[" + "1;" * 32768 + "sk-ant-ghp_eyJ",
        "\\u001b[" * 9000 + "sk-ant-",
        "\\nsk-ant-" * 6000,
        "-sk-ant-" * 8192,
        "-glpat-" * 9000,
        "-xoxb-" * 10000,
        "://a:" * 13000,
        "eyJ" + "a" * 20 + ".eyJ" + "a" * 65000,
        "https://" + "a:" * 30_000 + " eyJ" + "a" * 3000,
    ],
)
def test_a_batch_made_to_look_like_tokens_does_not_hold_up_the_gateway(hostile: str) -> None:
    """Were one shape quadratic, 14 such lines (a body's worth) would take 20 s; they take hundredths."""
    began = time.process_time()
    redact_all([hostile] * 14)
    assert time.process_time() - began < 3.0


@pytest.mark.parametrize("cut", [1, 4, 10, 30, 80, len(JWT) - 1])
@pytest.mark.parametrize("token", [JWT, "ghp_" + "a" * 90, "sk-ant-" + "b" * 100])
def test_a_token_that_the_end_of_a_part_has_cut_is_found(token: str, cut: int) -> None:
    cut = min(cut, len(token) - 1)
    parts = ["x" * 5000 + "/" + token[:cut] + "↩", "↪" + token[cut:] + " end"]
    messages, found = redact_all([parts[0], "of the other stream", parts[1]], ["stdout", "stderr", "stdout"])
    assert messages == ["x" * 5000 + "/[redacted]↩", "of the other stream", "↪ end"]
    assert found == 1


def test_parts_of_different_lines_are_not_put_together() -> None:
    messages = ["ghp_" + "a" * 20 + "↩", "↪" + "a" * 20, "b↩", "c"]
    assert redact_all(messages, ["stdout", "stderr", "stdout", "stdout"])[0] == messages
    assert redact_all(messages, ["stdout"] * 4)[0] == ["[redacted]↩", "↪", "b↩", "c"]
