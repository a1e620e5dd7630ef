"""Scenario files: what is accepted, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bugcommand_operator.replay.scenario import ScenarioError, load

EXAMPLES = Path(__file__).parents[3] / "examples" / "scenarios"


def write(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load([write(folder, text)])
    return str(caught.value)


def test_the_example_scenarios_are_valid() -> None:
    assert "fix-discount" in [scenario.name for scenario in load([EXAMPLES])]


@pytest.mark.parametrize(
    ("step", "field", "says"),
    [
        ("{}", "scenarios.0.steps.0", "needs text, tool, error or hang"),
        ("{hang: true, text: x}", "scenarios.0.steps.0", "hang never answers"),
        ("{text: x, sleep: 3}", "scenarios.0.steps.0.sleep", "Extra inputs"),
        ("{text: x, delaySeconds: -1}", "scenarios.0.steps.0.delaySeconds", "greater than or equal to 0"),
        ("{tool: {input: {}}}", "scenarios.0.steps.0.tool.0.name", "required"),
        ("{error: {status: 200, type: api_error, message: m}}", "scenarios.0.steps.0.error.status", "400"),
        ("{error: {status: 500, type: oops, message: m}}", "scenarios.0.steps.0.error.type", "Input should be"),
        ("{error: {status: 500, type: api_error, message: m, times: 1}}", "scenarios.0.steps.0", "error.times needs"),
        ("{text: x, error: {status: 500, type: api_error, message: m}}", "scenarios.0.steps.0", "give error.times"),
    ],
)
def test_a_wrong_step_is_refused_with_file_and_field(tmp_path: Path, step: str, field: str, says: str) -> None:
    message = refusal(tmp_path, f"scenarios: [{{name: a, steps: [{step}]}}]")
    assert message.startswith(f"{tmp_path / 'a.yaml'}: {field}: ")
    assert says in message


def test_every_mistake_of_a_file_is_named(tmp_path: Path) -> None:
    message = refusal(tmp_path, "scenarios: [{name: A B, steps: []}]")
    assert "scenarios.0.name" in message
    assert "scenarios.0.steps" in message


@pytest.mark.parametrize("text", ["", "[]", "scenarios: [", "text"])
def test_what_is_no_scenario_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    assert str(tmp_path / "a.yaml") in refusal(tmp_path, text)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ScenarioError, match=str(path)):
            load([path])


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    text = "scenarios: [{name: same, steps: [{text: x}]}]"
    with pytest.raises(ScenarioError, match="same"):
        load([write(tmp_path, text), write(tmp_path, text, "b.yaml")])


def test_a_scenario_for_any_prompt_never_hides_another(tmp_path: Path) -> None:
    write(tmp_path, "scenarios: [{name: any, steps: [{text: x}]}]", "a.yaml")
    write(tmp_path, "scenarios: [{name: own, when: {promptContains: y}, steps: [{text: x}]}]", "b.yaml")
    assert [scenario.name for scenario in load([tmp_path])] == ["own", "any"]


def test_one_tool_or_text_may_be_written_without_a_list(tmp_path: Path) -> None:
    text = "scenarios: [{name: a, steps: [{tool: {name: Bash}, expectResultContains: ok}]}]"
    step = load([write(tmp_path, text)])[0].steps[0]
    assert [tool.name for tool in step.tool] == ["Bash"]
    assert step.expect_result_contains == ("ok",)
