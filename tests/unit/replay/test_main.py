"""The command line: mistakes are told before a port is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from bugcommand_operator.replay.main import main


def test_check_names_the_scenarios_and_their_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("scenarios: [{name: a, steps: [{text: x}, {text: y}]}]")
    assert main(["check", "--scenario", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "a: 2 steps\n"


def test_a_wrong_scenario_ends_the_server_before_it_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("scenarios: [{name: a, steps: [{}]}]")
    assert main(["serve", "--scenario", str(tmp_path / "a.yaml")]) == 2
    assert "scenarios.0.steps.0" in capsys.readouterr().err
