"""What this run is: the contract between the pod's manifest and the runner, read once.

Pure: it reads a mapping, never the process. A broken contract is a `ConfigError` with one actionable line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_TOKEN_FILE = "/var/run/secrets/mentu/token"  # noqa: S105 - a path
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
MIB = 1024 * 1024
MOST = 2**53


class ConfigError(Exception):
    """MENTU_RUN does not say what to run."""


@dataclass(frozen=True)
class Identity:
    name: str
    email: str


@dataclass(frozen=True)
class RunConfig:
    name: str
    namespace: str
    workspace_id: str
    command_id: str
    commitment_id: str
    attempt: int
    epoch: int
    machine_id: str
    headless: bool
    command: tuple[str, ...]
    args: tuple[str, ...]
    plain: bool
    cwd: str
    worktree: str
    home: str
    state_dir: str
    prompt: str
    timeout_seconds: float
    quiet_seconds: float
    exit_grace_seconds: float
    checkpoint_seconds: float
    termination_grace_seconds: float
    intake_url: str
    redact_env: tuple[str, ...]
    identity: Identity
    # Not in the manifest's contract; an Agent sets them through its environment.
    scratch: str = "/tmp/mentu"  # noqa: S108 - the pod's own emptyDir
    socket: str = "/tmp/mentu-tmux"  # noqa: S108
    token_file: str = DEFAULT_TOKEN_FILE
    termination_log: str = DEFAULT_TERMINATION_LOG
    drain_seconds: float = 900.0
    spool_bytes: int = 256 * MIB
    recording_bytes: int = 8 * MIB
    """Of a terminal session; 0: none is kept."""
    patience_seconds: float = 180.0
    background_seconds: float = 600.0
    inferred_quiet_seconds: float = 120.0


def read_config(env: Mapping[str, str]) -> RunConfig:
    raw = _parse(env.get("MENTU_RUN", ""))
    try:
        return RunConfig(
            **_what(raw),
            **_where(raw),
            **{**_limits(raw), **_tuning(env)},
            prompt=env.get("MENTU_PROMPT", ""),
            intake_url=str(raw.get("intakeUrl") or ""),
            redact_env=tuple(map(str, raw.get("redactEnv") or ())),
            identity=_identity(raw.get("identity") or {}),
        )
    except KeyError as missing:
        raise ConfigError(f"MENTU_RUN has no field {missing}") from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"MENTU_RUN is not understood: {error}") from None


def _parse(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except ValueError:
        raise ConfigError("MENTU_RUN must be a JSON object") from None
    if not isinstance(raw, dict):
        raise ConfigError("MENTU_RUN must be a JSON object")
    return raw


def _what(raw: dict[str, Any]) -> dict[str, Any]:
    command = tuple(map(str, raw["command"]))
    if not command:
        raise ValueError("command is empty")
    return {
        "name": str(raw["name"]),
        "namespace": str(raw["namespace"]),
        "workspace_id": str(raw.get("workspaceId") or raw["namespace"]),
        "command_id": str(raw["commandId"]),
        "commitment_id": str(raw["commitmentId"]),
        "attempt": _positive(raw["attempt"], "attempt"),
        "epoch": int(raw.get("epoch", 0)),
        "machine_id": str(raw.get("machineId", "")),
        "headless": _one_of(raw.get("mode", "Terminal"), "Terminal", "Headless") == "Headless",
        "plain": _one_of(raw.get("transcript", "ClaudeCode"), "ClaudeCode", "Plain") == "Plain",
        "command": command,
        "args": tuple(map(str, raw.get("args") or ())),
    }


def _where(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "cwd": str(raw["cwd"]),
        "worktree": str(raw["worktree"]),
        "home": str(raw.get("home", "/workspace/home")),
        "state_dir": str(raw.get("stateDir", "/workspace/state")),
    }


def _limits(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "timeout_seconds": float(raw.get("timeoutSeconds", 3600)),
        "quiet_seconds": float(raw.get("quietSeconds", 1.0)),
        "exit_grace_seconds": float(raw.get("exitGraceSeconds", 10)),
        "checkpoint_seconds": float(raw.get("checkpointSeconds", 60)),
        "termination_grace_seconds": float(raw.get("terminationGraceSeconds", 30)),
        "drain_seconds": float(raw.get("drainSeconds", 900)),
    }


def _tuning(env: Mapping[str, str]) -> dict[str, Any]:
    names = {
        "MENTU_SCRATCH": ("scratch", str),
        "MENTU_TMUX_SOCKET": ("socket", str),
        "MENTU_TOKEN_FILE": ("token_file", str),
        "MENTU_TERMINATION_LOG": ("termination_log", str),
        "MENTU_DRAIN_SECONDS": ("drain_seconds", float),
        "MENTU_SPOOL_BYTES": ("spool_bytes", int),
        "MENTU_RECORDING_BYTES": ("recording_bytes", int),
        "MENTU_MODEL_PATIENCE_SECONDS": ("patience_seconds", float),
        "MENTU_BACKGROUND_SECONDS": ("background_seconds", float),
        "MENTU_INFERRED_QUIET_SECONDS": ("inferred_quiet_seconds", float),
    }
    return {field: _set_by(name, env[name], cast) for name, (field, cast) in names.items() if env.get(name)}


def _set_by(name: str, text: str, cast: type) -> Any:
    """People write these: what is wrong has to name the variable, and no number may stand for never."""
    if cast is str:
        return text
    try:
        value = cast(text)
    except ValueError:
        value = -1
    if not 0 <= value < MOST:
        kind = "a whole number" if cast is int else "a number"
        raise ConfigError(f"{name} in the Agent's env must be {kind} from 0 on, not {text[:40]!r}")
    return value


def _identity(raw: dict[str, Any]) -> Identity:
    return Identity(str(raw.get("name") or "mentu agent"), str(raw.get("email") or "agent@mentu.invalid"))


def _positive(value: Any, name: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError(f"{name} must be 1 or more")
    return number


def _one_of(value: Any, *allowed: str) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return str(value)
