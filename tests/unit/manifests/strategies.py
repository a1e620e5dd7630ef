"""Commands, repositories and agents as people may write them, hostile ones included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.support.builders import agent, claimed, command, repository

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command
from bugcommand_operator.manifests.install import Install

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
TRAPS = st.sampled_from(["$(MENTU_RUN)", "$$(HOME)", "costs $$5", "$", "a$", "$(", '"}]', "\u202e", "'; rm -rf /"])
PROMPTS = st.one_of(TEXTS, TRAPS, st.lists(TEXTS | TRAPS, min_size=1, max_size=4).map("".join))
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.]{0,46}[a-z0-9])?", fullmatch=True).filter(lambda n: ".." not in n)
ENV_NAMES = st.sampled_from(
    [
        "FOO",
        "HOME",
        "MENTU_RUN",
        "PYTHONPATH",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "MENTU_PROMPT",
        "MENTU_TOKEN_FILE",
    ]
)
LABEL_KEYS = st.sampled_from(
    ["team", "mentu.dev/command-uid", "mentu.dev/role", "app.kubernetes.io/managed-by", "mentu.dev/command-id"]
)
ANNOTATION_KEYS = st.sampled_from(
    [
        "note",
        "container.apparmor.security.beta.kubernetes.io/agent",
        "container.seccomp.security.alpha.kubernetes.io/agent",
        "seccomp.security.alpha.kubernetes.io/pod",
    ]
)
QUANTITIES = st.sampled_from(["1", 2, "500m", "1Gi"])
RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        kind: st.dictionaries(st.sampled_from(["cpu", "memory", "ephemeral-storage"]), QUANTITIES)
        for kind in ("requests", "limits")
    },
)
TEMPLATES = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(LABEL_KEYS, st.just("x")),
        "annotations": st.dictionaries(ANNOTATION_KEYS, st.just("unconfined")),
        "nodeSelector": st.dictionaries(st.just("disk"), st.just("ssd")),
        "tolerations": st.just([{"key": "gpu", "operator": "Exists"}]),
        "priorityClassName": st.just("high"),
    },
)


def commands() -> st.SearchStrategy[Command]:
    def build(name: str, attempt: int, fields: dict[str, Any], shop: str) -> Command:
        return command(claimed(attempt=attempt), name=name, repository={"name": shop}, **fields)

    fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"prompt": PROMPTS, "withWorktree": st.booleans(), "agentMode": st.sampled_from(["Terminal", "Headless"])},
        optional={
            "workingDirectory": st.sampled_from(["", "pkg/a", "a b"]),
            "baseRef": st.sampled_from(["", "main", "1" * 40]),
            "context": st.just({"objective": "$(X) $$", "scope": {"allowedPatterns": ["src/**"]}}),
            "output": st.sampled_from(["Branch", "None"]),
            "resources": RESOURCES,
            "podTemplate": TEMPLATES,
        },
    )
    shops = st.sampled_from(["shop", "a" * 54, "s.h.o.p"])
    return st.builds(build, NAMES, st.integers(1, 99), fields, shops)


def repositories() -> st.SearchStrategy[RepositorySpec]:
    fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {},
        optional={
            "credentialsSecret": st.just({"name": "git"}),
            "mirror": st.builds(
                lambda enabled, mode: {"enabled": enabled, "accessMode": mode},
                st.booleans(),
                st.sampled_from(["ReadWriteMany", "ReadWriteOnce"]),
            ),
            "caBundle": st.just("-----BEGIN CERTIFICATE-----\n$(X)\n"),
            "worktree": st.just({"size": 5, "storageClassName": "fast"}),
        },
    )
    return fields.map(lambda f: repository(**f))


def agents() -> st.SearchStrategy[AgentSpec]:
    fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {},
        optional={
            "image": st.just("mine:1"),
            "env": st.lists(
                st.builds(lambda n, v: {"name": n, "value": v}, ENV_NAMES, TRAPS),
                max_size=5,
                unique_by=lambda e: e["name"],
            ),
            "credential": st.builds(lambda e: {"secretName": "model", "env": e}, ENV_NAMES),
            "baseURL": st.just("https://models.example.test"),
            "resources": RESOURCES,
            "runtimeClassName": st.just("gvisor"),
            "imagePullSecrets": st.just([{"name": "pull"}]),
            "args": st.lists(TRAPS, max_size=2),
        },
    )
    return fields.map(lambda f: agent(**f))


INSTALLS = st.sampled_from(
    [
        Install(operator_image="operator:1", agent_image="agent:1"),
        Install("operator:1", "agent:1", intake_url="http://gateway", image_pull_secrets=("pull", "other")),
        Install("operator:1", "agent:1", proxy={"HTTPS_PROXY": "http://$(X)", "NO_PROXY": ".svc"}, ca_bundle="$(X)"),
    ]
)
