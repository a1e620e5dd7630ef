"""`Agent`: the command-line agent that an executor runs, with its image, environment and credential."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bugcommand_operator.api.model import (
    DNS_SUBDOMAIN,
    ENV_NAME,
    LocalReference,
    Model,
    Quantity,
    rule,
    rules,
)

RESERVED_ENV = ("MENTU_RUN", "MENTU_PROMPT", "MENTU_TOKEN_FILE", "HOME", "PATH", "PYTHONPATH", "LD_PRELOAD")


class Transcript(StrEnum):
    """How what the agent says becomes log lines: Claude Code's transcript, or its output as it is."""

    CLAUDE_CODE = "ClaudeCode"
    PLAIN = "Plain"


class EnvVar(Model):
    name: Annotated[str, Field(min_length=1, max_length=128, pattern=ENV_NAME)]
    value: Annotated[str, Field(max_length=8192)] = ""


class Credential(Model):
    """The model's key: a key of a Secret in the same namespace, given to the agent's container alone."""

    secret_name: Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
    key: Annotated[str, Field(min_length=1, max_length=253)] = "api-key"
    env: Annotated[
        str,
        Field(
            max_length=128,
            pattern=ENV_NAME,
            description="The variable that carries it; CLAUDE_CODE_OAUTH_TOKEN and others work too.",
        ),
    ] = "ANTHROPIC_API_KEY"


class Resources(Model):
    requests: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] = {}


class AgentSpec(Model):
    image: Annotated[
        str,
        Field(
            max_length=512,
            description="The agent's image. Empty: the image that the operator was installed with.",
        ),
    ] = ""
    image_pull_policy: Annotated[str, Field(json_schema_extra={"enum": ["Always", "IfNotPresent", "Never"]})] = (
        "IfNotPresent"
    )
    image_pull_secrets: Annotated[list[LocalReference], Field(max_length=8)] = []
    command: Annotated[
        list[Annotated[str, Field(max_length=1024)]],
        Field(
            min_length=1,
            max_length=32,
            description="The program and its first arguments; the prompt comes last.",
        ),
    ] = ["claude"]
    args: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=64)] = []
    transcript: Transcript = Transcript.CLAUDE_CODE
    env: Annotated[
        list[EnvVar],
        Field(
            max_length=64,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                **rules(
                    rule(
                        f"self.all(e, !(e.name in {list(RESERVED_ENV)}))",
                        "env may not set " + ", ".join(RESERVED_ENV) + ": the operator sets them",
                    )
                ),
            },
        ),
    ] = []
    credential: Credential | None = None
    base_url: Annotated[
        str,
        Field(
            alias="baseURL",
            max_length=2048,
            pattern=r"^$|^https?://[^\s@]+$",
            description="Where the model's API is, as ANTHROPIC_BASE_URL. Empty: the agent's own default.",
        ),
    ] = ""
    resources: Resources = Resources()
    runtime_class_name: Annotated[str, Field(max_length=253)] = ""
