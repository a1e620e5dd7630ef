"""`Repository`: a git repository that commands work on, its credential, its mirror and its rules."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from bugcommand_operator.api.approval import Approval
from bugcommand_operator.api.model import DNS_SUBDOMAIN, LocalReference, Model, Quantity, rule, rules

REF_NAME_RULES = rules(
    rule(
        "self == '' || (!self.startsWith('-') && !self.contains('..') && !self.contains('@{') && !self.endsWith('/')"
        " && !self.endsWith('.lock') && !self.matches('[\\\\x00-\\\\x20~^:?*\\\\[\\\\\\\\\\\\x7f]'))",
        "must be the name of a branch or tag, or a full commit id",
    )
)
URL_RULES = rules(
    rule(
        "self.startsWith('https://') || self.startsWith('http://')",
        "url must start with https:// (or http:// without a credential)",
    ),
    rule(
        "!self.contains('@')",
        "url must not carry credentials: put them into a Secret and name it in credentialsSecret",
    ),
    rule(
        "self.matches('^https?://[A-Za-z0-9.:_-]+(/[A-Za-z0-9._~+/-]+)$|^https?://\\\\[[0-9A-Fa-f:.]+\\\\](:[0-9]+)?(/[A-Za-z0-9._~+/-]+)$')",
        "url must be https://host[:port]/path, without query, fragment or escapes",
    ),
)


PATH_PREFIX_RULES = rules(
    rule("self.startsWith('/')", "a path prefix is absolute: begin it with /"),
    rule(
        "self == '/' || !self.substring(1).split('/').exists(part, part in ['', '.', '..'])",
        "a path prefix is plain: no trailing /, no //, no . or .. in it",
    ),
    rule("!self.matches('[\\\\x00-\\\\x1f\\\\x7f]')", "a path prefix must not hold control characters"),
)
PathPrefix = Annotated[str, Field(min_length=1, max_length=1024, json_schema_extra=PATH_PREFIX_RULES)]


class GenesisPolicy(StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"


class Volume(Model):
    storage_class_name: Annotated[
        str, Field(max_length=253, description="Empty: the cluster's default StorageClass.")
    ] = ""
    size: Quantity = "10Gi"


class Mirror(Volume):
    """The cache of the repository that all its commands borrow objects from, read-only."""

    enabled: Annotated[bool, Field(description="false: each command clones for itself; nothing is shared.")] = True
    access_mode: Annotated[
        Literal["ReadWriteMany", "ReadWriteOnce"],
        Field(description="ReadWriteOnce keeps the Repository's pods together on one node."),
    ] = "ReadWriteOnce"


class CommitIdentity(Model):
    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^<>\n\x00]+$")] = "Mentu Agent"
    email: Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^<>\s\x00]+@[^<>\s\x00]+$")] = (
        "agent@mentu.invalid"
    )


class Concurrency(Model):
    limit: Annotated[int, Field(ge=1, le=10_000, description="Most commands of this Repository that run at once.")]


class Logs(Model):
    retention_days: Annotated[
        int,
        Field(ge=1, le=3650, description="How long the logs of this Repository's commands are kept, from their start."),
    ]


class RepositorySpec(Model):
    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.credentialsSecret) || self.url.startsWith('https://')",
                "a credential is sent over https only: change url to https:// or remove credentialsSecret",
            ),
            rule(
                "!has(self.credentialsSecret) || !has(self.mirror) || self.mirror.enabled",
                "a private repository is fetched into its mirror: set mirror.enabled to true",
            ),
        )
    )

    url: Annotated[str, Field(min_length=9, max_length=2048, json_schema_extra=URL_RULES)]
    default_branch: Annotated[
        str,
        Field(max_length=250, description="Empty: the remote's own default.", json_schema_extra=REF_NAME_RULES),
    ] = ""
    credentials_secret: Annotated[
        LocalReference | None,
        Field(description="A Secret (kubernetes.io/basic-auth) with `password`, a token, and optionally `username`."),
    ] = None
    ca_bundle: Annotated[
        str,
        Field(
            max_length=65536,
            pattern=r"^$|^\s*-----BEGIN CERTIFICATE-----",
            description="PEM certificates to trust for this repository, beside the system's.",
        ),
    ] = ""
    default_agent: Annotated[str, Field(max_length=253, pattern=rf"^$|{DNS_SUBDOMAIN}")] = ""
    mirror: Mirror = Mirror()
    worktree: Volume = Volume()
    genesis_policy: Annotated[
        GenesisPolicy, Field(description="What a base commit without .mentu/genesis.key means.")
    ] = GenesisPolicy.ALLOW
    commit_identity: CommitIdentity = CommitIdentity()
    concurrency: Concurrency | None = None
    approval: Annotated[
        Approval,
        Field(description="Required: each command of this Repository waits until somebody has approved it."),
    ] = Approval.NOT_REQUIRED
    path_prefixes: Annotated[
        list[PathPrefix],
        Field(
            max_length=32,
            description="Where checkouts of this repository are on the machines of those who send an absolute "
            "working_directory, such as /home/mentu/Workspaces/mentu-ai: what follows the longest prefix is the "
            "workingDirectory. Each prefix belongs to one Repository of a namespace.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = []
    logs: Annotated[Logs | None, Field(description="Absent: as the installation says.")] = None
