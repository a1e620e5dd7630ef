"""The executor's configuration, from the environment (MENTU_…), as the chart writes it."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bugcommand_operator.api.executor import ExecutorSpec
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.registry import Entry

MAX_CA_BUNDLE = 48 * 1024
"""It travels in a variable, beside a Repository's own: Linux takes none of more than 128 KiB."""


class Config(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MENTU_", frozen=True)

    executor_id: str = Field(default_factory=lambda: f"bridge-{socket.gethostname()}")
    machine_id: str = "default"
    workspace_id: str = "default"
    namespaces: list[str] = []
    """Empty: all namespaces."""

    registry_namespace: str = ""
    """Where executors are registered. Empty: this one is not, is seen by nobody, and takes nothing over."""
    pod_name: str = ""
    pod_uid: str = ""
    solo: bool = False
    lease_seconds: int = Field(default=15, ge=3, le=600)

    operator_image: str = "mentu-operator"
    agent_image: str = "mentu-agent"
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: list[str] = []
    intake_url: str = ""
    network_policy: dict[str, Any] | None = None
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    ca_bundle_file: str = ""
    """PEM certificates that command pods trust beside the system's."""
    agent_resources: dict[str, Any] | None = None
    preparation_resources: dict[str, Any] | None = None

    concurrency_limit: int = Field(default=4, ge=1)
    machine_limit: int = Field(default=0, ge=0)
    namespace_limit: int = Field(default=0, ge=0)
    ageing_seconds: int = Field(default=60, ge=0)
    start_deadline_seconds: int = Field(default=300, ge=1)
    overdue_seconds: int = Field(default=90, ge=0)
    drain_seconds: int = Field(default=900, ge=0)
    scratch_limit: str = "4Gi"
    publish_deadline_seconds: int = Field(default=600, ge=1)
    rescue_deadline_seconds: int = Field(default=600, ge=1)
    sweep_every_seconds: int = Field(default=180, ge=1)
    sweep_grace_seconds: int = Field(default=600, ge=1)
    pod_template_keys: list[str] = []
    """JSON. Labels and annotations that commands may give their pods, beside the usual ones."""

    watch_inactivity_seconds: int = Field(default=70, ge=1)
    """A watch that has shown nothing for so long is taken for stalled, and begun anew."""

    database_url: str = "sqlite+aiosqlite:////data/mentu.db"
    metrics_port: int = 9090
    liveness_port: int = 8081
    log_format: str = "json"
    log_level: str = "INFO"

    def identity(self) -> Identity:
        return Identity(executor=self.executor_id, machine=self.machine_id)

    def entry(self) -> Entry | None:
        """A container that starts anew in its pod is the same holder: the process before it is gone for sure."""
        if not self.registry_namespace:
            return None
        pid = self.pod_name or f"{socket.gethostname()}/{os.getpid()}"
        return Entry(
            namespace=self.registry_namespace,
            spec=ExecutorSpec(
                instance_id=self.executor_id,
                machine_id=self.machine_id,
                solo=self.solo,
                capacity=self.concurrency_limit,
            ),
            pid=pid,
            holder=f"{pid}_{self.pod_uid or uuid4()}",
            started_at=datetime.now(UTC).replace(microsecond=0),
            lease_seconds=self.lease_seconds,
        )

    def limits(self) -> Limits:
        return Limits(
            executor=self.concurrency_limit,
            machine=self.machine_limit,
            namespace=self.namespace_limit,
            ageing=timedelta(seconds=self.ageing_seconds),
            start=timedelta(seconds=self.start_deadline_seconds),
            overdue=timedelta(seconds=self.overdue_seconds),
            drain=timedelta(seconds=self.drain_seconds),
            publish=timedelta(seconds=self.publish_deadline_seconds),
            rescue=timedelta(seconds=self.rescue_deadline_seconds),
            pod_template_keys=tuple(self.pod_template_keys),
        )

    def sweep_grace(self) -> timedelta:
        return timedelta(seconds=self.sweep_grace_seconds)

    def install(self) -> Install:
        install = Install(
            operator_image=self.operator_image,
            agent_image=self.agent_image,
            intake_url=self.intake_url,
            image_pull_policy=self.image_pull_policy,
            image_pull_secrets=tuple(self.image_pull_secrets),
            workspace_id=self.workspace_id,
            network_policy=self.network_policy,
            scratch_limit=self.scratch_limit,
            drain_seconds=self.drain_seconds,
            ship_seconds=min(60, self.rescue_deadline_seconds // 4),
            proxy=self._proxy(),
            ca_bundle=self._ca_bundle(),
        )
        if self.agent_resources is not None:
            install = replace(install, agent_resources=self.agent_resources)
        if self.preparation_resources is not None:
            install = replace(install, preparation_resources=self.preparation_resources)
        return install

    def _proxy(self) -> dict[str, str]:
        proxies = {"HTTP_PROXY": self.http_proxy, "HTTPS_PROXY": self.https_proxy}
        named = {name: value for name, value in proxies.items() if value}
        return {**named, "NO_PROXY": self.no_proxy} if named else {}

    def _ca_bundle(self) -> str:
        if not self.ca_bundle_file:
            return ""
        text = Path(self.ca_bundle_file).read_text(encoding="utf-8").strip()
        if len(text.encode()) > MAX_CA_BUNDLE or not text.startswith("-----BEGIN CERTIFICATE-----"):
            raise ValueError(f"{self.ca_bundle_file}: not a PEM bundle of at most {MAX_CA_BUNDLE} bytes")
        return text
