"""Starts the leaving: `mentu-uninstall`, in the chart's pre-delete hook. It only wires. Ends with 1 and a message where
the installation had better stay."""

from __future__ import annotations

import sys
from typing import Literal

import uvloop
from pydantic_settings import BaseSettings, SettingsConfigDict

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.logging_setup import set_up_logging
from bugcommand_operator.cluster.stateful_set import StatefulSet
from bugcommand_operator.uninstall.leaving import Leaving, Refusal, Wanted


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MENTU_", frozen=True)

    machine_id: str = "default"
    namespaces: list[str] = []
    release_namespace: str
    stateful_set: str
    executor_selector: str
    running_commands: Literal["Leave", "Refuse"] = "Leave"
    uninstall_seconds: float = 200.0
    log_format: str = "json"
    log_level: str = "INFO"

    def wanted(self) -> Wanted:
        return Wanted(
            machine=self.machine_id,
            namespaces=tuple(self.namespaces),
            refuses=self.running_commands == "Refuse",
            seconds=self.uninstall_seconds,
        )


def main() -> None:
    settings = Settings()
    set_up_logging("console" if settings.log_format == "console" else "json", settings.log_level)
    try:
        print(uvloop.run(leave(settings)))  # noqa: T201 - Helm shows it
    except (Refusal, ClusterError) as error:
        sys.exit(str(error))


async def leave(settings: Settings) -> str:
    async with await Cluster.connect() as cluster:
        executors = StatefulSet(cluster, settings.release_namespace, settings.stateful_set, settings.executor_selector)
        left = await Leaving(Kube(cluster), executors, settings.wanted()).run()
    names = ", ".join(f"{c.namespace}/{c.name}" for c in left)
    return f"left to go on without an operator: {names}" if left else "no command was in progress"
