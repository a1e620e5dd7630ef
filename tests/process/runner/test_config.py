"""The contract between the pod's manifest and the runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.process.runner.builders import run_settings

from bugcommand_operator.runner.config import ConfigError, read_config


def read(tmp_path: Path, env: dict[str, str] | None = None, **changes: Any) -> Any:
    return read_config({"MENTU_RUN": json.dumps(run_settings(tmp_path, **changes)), **(env or {})})


def test_what_the_manifest_says_is_understood(tmp_path: Path) -> None:
    config = read(tmp_path, {"MENTU_PROMPT": "-- fix"}, mode="Headless", transcript="Plain", args=["--fast"])
    assert (config.headless, config.plain, config.args, config.prompt) == (True, True, ("--fast",), "-- fix")
    assert (config.attempt, config.epoch, config.identity.email) == (1, 3, "fixer@example.org")


def test_limits_have_defaults(tmp_path: Path) -> None:
    settings = run_settings(tmp_path)
    for name in ("quietSeconds", "exitGraceSeconds", "checkpointSeconds", "terminationGraceSeconds", "epoch"):
        del settings[name]
    config = read_config({"MENTU_RUN": json.dumps(settings)})
    assert (config.quiet_seconds, config.exit_grace_seconds, config.checkpoint_seconds) == (1.0, 10.0, 60.0)
    assert (config.termination_grace_seconds, config.drain_seconds) == (30.0, 900.0)


def test_an_agents_environment_tunes_what_the_manifest_does_not_say(tmp_path: Path) -> None:
    env = {"MENTU_MODEL_PATIENCE_SECONDS": "7", "MENTU_SPOOL_BYTES": "1000", "MENTU_TMUX_SOCKET": "/tmp/x"}
    config = read(tmp_path, env)
    assert (config.patience_seconds, config.spool_bytes, config.socket) == (7.0, 1000, "/tmp/x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MENTU_SPOOL_BYTES", "256Mi"),
        ("MENTU_SPOOL_BYTES", "1.5"),
        ("MENTU_RECORDING_BYTES", "-1"),
        ("MENTU_DRAIN_SECONDS", "nan"),
        ("MENTU_DRAIN_SECONDS", "inf"),
        ("MENTU_BACKGROUND_SECONDS", "10m"),
        ("MENTU_BACKGROUND_SECONDS", "9" * 5000),
    ],
)
def test_a_number_that_is_none_is_refused_by_its_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} in the Agent's env must be a .*number from 0 on, not '"):
        read(tmp_path, {name: value})


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("", "JSON object"),
        ("[]", "JSON object"),
        ("{nope", "JSON object"),
        ('{"command": ["a"]}', "no field 'name'"),
    ],
)
def test_a_contract_that_is_no_contract_is_refused(broken: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_config({"MENTU_RUN": broken})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mode": "Loud"}, "'Loud' is none of Terminal, Headless"),
        ({"transcript": "Codex"}, "none of ClaudeCode, Plain"),
        ({"command": []}, "command is empty"),
        ({"attempt": 0}, "attempt must be 1 or more"),
        ({"timeoutSeconds": "soon"}, "not understood"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(tmp_path, **change)
