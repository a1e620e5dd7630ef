"""The scenario file as pydantic models, and how files are read.

A scenario is a list of steps; each step is one answer of the model. Nothing here knows HTTP.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "timeout_error",
    "overloaded_error",
]
MAX_DELAY_SECONDS = 3600


class ScenarioError(Exception):
    """A scenario file cannot be used; the message names the file and the field."""


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str | dict) else value


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class ToolCall(Model):
    name: str = Field(min_length=1, max_length=128)
    input: dict[str, Any] = Field(default_factory=dict)


class ModelError(Model):
    """An error answer. Without `times` every request of the step is refused."""

    status: int = Field(ge=400, le=599)
    type: ErrorType
    message: str
    times: int | None = Field(default=None, ge=1, le=1000)
    retry_after_seconds: int | None = Field(default=None, ge=0, le=MAX_DELAY_SECONDS)


class Usage(Model):
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cache_creation_input_tokens: int = Field(default=0, ge=0)
    cache_read_input_tokens: int = Field(default=0, ge=0)


class Step(Model):
    """One answer. Text alone ends the agent's turn; with `tool` the agent runs it and comes back."""

    text: str = ""
    tool: Annotated[tuple[ToolCall, ...], BeforeValidator(_as_tuple)] = ()
    expect_result_contains: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    delay_seconds: float = Field(default=0, ge=0, le=MAX_DELAY_SECONDS)
    error: ModelError | None = None
    hang: bool = False
    usage: Usage | None = None

    @model_validator(mode="after")
    def _answers_one_way(self) -> Self:
        answers = bool(self.text or self.tool)
        if self.hang and (answers or self.error):
            raise ValueError("hang never answers: it takes neither text, tool nor error")
        if self.error is not None:
            self._check_error(self.error, answers)
        elif not answers and not self.hang:
            raise ValueError("a step needs text, tool, error or hang")
        return self

    @staticmethod
    def _check_error(error: ModelError, answers: bool) -> None:
        if error.times is None and answers:
            raise ValueError("an error without times never lets text or tool through: give error.times")
        if error.times is not None and not answers:
            raise ValueError("error.times needs text or tool to answer with afterwards")


class When(Model):
    prompt_contains: str = Field(min_length=1)


class Scenario(Model):
    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    when: When | None = None
    require_key: str | None = Field(default=None, min_length=1)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=1000)

    def matches(self, prompt: str) -> bool:
        return self.when is None or self.when.prompt_contains in prompt


class ScenarioFile(Model):
    scenarios: tuple[Scenario, ...] = Field(min_length=1)


def load(paths: list[Path]) -> tuple[Scenario, ...]:
    """All scenarios of the files, in the order they are tried; a folder stands for its *.yaml files."""
    scenarios = [scenario for path in paths for file in _files(path) for scenario in _load_file(file)]
    names = [scenario.name for scenario in scenarios]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ScenarioError(f"two scenarios are called {', '.join(doubled)}: give each a name of its own")
    # One that matches any prompt would hide whatever is written after it.
    return tuple(sorted(scenarios, key=lambda scenario: scenario.when is None))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    if not files:
        raise ScenarioError(f"{path}: no *.yaml file in this folder")
    return files


def _load_file(path: Path) -> tuple[Scenario, ...]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    try:
        return ScenarioFile.model_validate(document).scenarios
    except ValidationError as error:
        raise ScenarioError("\n".join(_lines(path, error))) from error


def _lines(path: Path, error: ValidationError) -> list[str]:
    found = []
    for item in error.errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"]) or "file"
        found.append(f"{path}: {place}: {item['msg'].removeprefix('Value error, ')}")
    return found
