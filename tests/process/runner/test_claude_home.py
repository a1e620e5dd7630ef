"""What is written so that the agent asks no question, and what it is started with."""

from __future__ import annotations

import json
from pathlib import Path

from tests.process.runner.builders import run_config

from bugcommand_operator.runner.agent_env import agent_environment
from bugcommand_operator.runner.claude_home import ENVIRONMENT, headless_argv, terminal_argv, write_home

KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789"  # gitleaks:allow, made up


def test_the_agents_questions_are_answered_beforehand(tmp_path: Path) -> None:
    config = run_config(tmp_path)
    write_home(config, {"ANTHROPIC_API_KEY": f" {KEY}\n"}, tmp_path / "events")
    state = json.loads((tmp_path / "home" / ".claude.json").read_text())
    assert state["customApiKeyResponses"]["approved"] == [KEY[-20:]]
    assert state["projects"][config.cwd]["hasTrustDialogAccepted"]
    assert state["hasCompletedOnboarding"]
    assert state["bypassPermissionsModeAccepted"]
    settings = json.loads((tmp_path / "home" / ".claude" / "settings.json").read_text())
    assert settings["skipDangerousModePermissionPrompt"]
    assert set(settings["hooks"]) == {"UserPromptSubmit", "Stop", "StopFailure"}


def test_the_key_itself_is_written_nowhere(tmp_path: Path) -> None:
    write_home(run_config(tmp_path), {"ANTHROPIC_API_KEY": KEY}, tmp_path / "events")
    assert not any(KEY in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_what_an_earlier_attempt_planted_in_the_home_is_replaced_and_not_followed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    home.mkdir()
    (home / ".claude").symlink_to(elsewhere)
    (elsewhere / "precious").write_text("as it was")
    (home / ".claude.json").symlink_to(elsewhere / "precious")
    write_home(run_config(tmp_path), {}, tmp_path / "events")
    assert (elsewhere / "precious").read_text() == "as it was"
    assert not (elsewhere / "settings.json").exists()
    assert "evil" not in (home / ".claude" / "settings.json").read_text()


def test_a_prompt_that_looks_like_a_flag_stays_a_prompt(tmp_path: Path) -> None:
    config = run_config(tmp_path, args=("--model", "sonnet"))
    for argv in (terminal_argv(config, "sid", "--help"), headless_argv(config, "sid", "--help")):
        assert argv[-2:] == ["--", "--help"]
        assert argv.index("--model") < argv.index("--")
        assert argv[argv.index("--session-id") + 1] == "sid"
    assert "-p" not in terminal_argv(config, "sid", "x")


def test_the_repositorys_settings_and_servers_are_left_out(tmp_path: Path) -> None:
    for argv in (terminal_argv(run_config(tmp_path), "s", "x"), headless_argv(run_config(tmp_path), "s", "x")):
        assert argv[argv.index("--setting-sources") + 1] == "user"
        assert "--strict-mcp-config" in argv


def test_the_agent_gets_the_commands_identity_and_nothing_of_the_runners(tmp_path: Path) -> None:
    given = {"MENTU_RUN": "{}", "MENTU_PROMPT": "p", "PYTHONPATH": "/mentu/lib", "PATH": "/bin", "HOME": "/root"}
    env = agent_environment(run_config(tmp_path, intake_url="http://gateway"), given, "token", ENVIRONMENT)
    assert not {"MENTU_RUN", "MENTU_PROMPT", "PYTHONPATH"} & set(env)
    assert (env["HOME"], env["PATH"]) == (str(tmp_path / "home"), "/bin")
    assert (env["MENTU_WORKSPACE_ID"], env["MENTU_MACHINE_ID"]) == ("team-a", "site-1")
    assert env["MENTU_BRIDGE_COMMAND_ID"] == "0d7f4c2e-0000-4000-8000-000000000001"
    assert (env["MENTU_PROXY_URL"], env["MENTU_PROXY_TOKEN"]) == ("http://gateway", "token")
    assert (env["GIT_AUTHOR_NAME"], env["GIT_COMMITTER_EMAIL"]) == ("Fixer", "fixer@example.org")


def test_what_the_agent_resource_sets_stands_above_the_defaults(tmp_path: Path) -> None:
    given = {"CLAUDE_CODE_MAX_RETRIES": "9", "MENTU_PROXY_URL": "http://other"}
    env = agent_environment(run_config(tmp_path), given, "", ENVIRONMENT)
    assert (env["CLAUDE_CODE_MAX_RETRIES"], env["MENTU_PROXY_URL"]) == ("9", "http://other")
    assert env["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] == "1"
