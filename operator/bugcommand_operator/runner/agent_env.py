"""The environment that the agent gets: the pod's own, without the runner's, with what its tools expect. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .config import RunConfig

_OWN = frozenset(
    {"MENTU_RUN", "MENTU_PROMPT", "MENTU_CONTEXT", "MENTU_TERMINATION_LOG", "PYTHONPATH", "PYTHONNOUSERSITE"}
)


def agent_environment(
    config: RunConfig, env: Mapping[str, str], token: str, defaults: Mapping[str, str]
) -> dict[str, str]:
    """`defaults` are the agent kind's own; what the Agent resource set stands above them."""
    given = {name: value for name, value in env.items() if name not in _OWN}
    identity = config.identity
    return {
        **{"LANG": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        **{"GIT_AUTHOR_NAME": identity.name, "GIT_AUTHOR_EMAIL": identity.email},
        **{"GIT_COMMITTER_NAME": identity.name, "GIT_COMMITTER_EMAIL": identity.email},
        **{"MENTU_WORKSPACE_ID": config.workspace_id, "MENTU_PROXY_URL": config.intake_url},
        **defaults,
        **given,
        "HOME": config.home,
        "MENTU_MACHINE_ID": config.machine_id,
        "MENTU_BRIDGE_COMMAND_ID": config.command_id,
        "MENTU_COMMITMENT_ID": config.commitment_id,
        "MENTU_PROXY_TOKEN": token,
        "MENTU_TOKEN_FILE": config.token_file,
    }
