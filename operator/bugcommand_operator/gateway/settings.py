"""The gateway's settings, each an environment variable with the prefix `MENTU_`."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bugcommand_operator.cluster.logging_setup import LogFormat


class GatewaySettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MENTU_", frozen=True)

    database_url: str = Field(
        "sqlite+aiosqlite:////data/mentu.db",
        description="SQLAlchemy URL of the log store. SQLite is migrated at start, other databases are not.",
    )
    sqlite_synchronous: Literal["NORMAL", "FULL"] = Field(
        "FULL",
        description="FULL: an acknowledged line survives a power failure. NORMAL: it survives the end of the "
        "process, and a power failure may take the last moments of the log.",
    )
    lock_wait_seconds: float = Field(2.0, gt=0, le=60, description="How long a write waits for SQLite's lock.")
    host: str = Field("0.0.0.0", description="The address to listen on.")  # noqa: S104 (a pod has one network)
    port: int = Field(8080, ge=0, le=65535, description="The port to listen on.")
    log_format: LogFormat = Field("json", description="json for machines, console for people.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    kubeconfig: str = Field("", description="A kubeconfig file; empty: the pod's service account, or KUBECONFIG.")
    token_audience: str = Field("mentu", description="The audience that a pod's token must be issued for.")
    namespaces: list[str] = Field([], description="The namespaces that the installation works in; empty: all.")
    proxy_tokens_file: str = Field(
        "", description="A YAML list of name, token, namespace, repositories, scopes; read again when it changes."
    )
    machine_id: str = Field("default", description="The cluster or site that this is: target_machine_id names it.")
    bridge_enabled: bool = Field(
        False, description="Take commands by POST /bridge/commands and, with Postgres, from the table bridge_commands."
    )
    bridge_namespaces: list[str] | dict[str, str] = Field(
        [], description="Where such commands may come to; empty: namespaces. Or an object as in bridge_workspaces."
    )
    bridge_workspaces: dict[str, str] = Field(
        {}, description="JSON object: a row's workspace_id and the namespace that its command runs in."
    )
    bridge_default_namespace: str = Field(
        "", description="The namespace of rows of any other workspace; empty: they are left alone."
    )
    bridge_poll_seconds: float = Field(
        5.0, ge=0.1, le=3600, description="How often the table is looked at, should the database not tell of a change."
    )
    max_connections: int = Field(2000, ge=10, description="How many connections may be open.")
    max_connections_per_client: int = Field(
        800, ge=5, description="The same from a single address; a proxy in front counts as one."
    )
    header_seconds: float = Field(10.0, gt=0, le=300, description="How long a request's headers may take to arrive.")
    pending_bytes: int = Field(
        32 << 20, ge=2 << 20, description="How much may wait for its commit; beyond it senders are told to wait."
    )
    pending_bytes_per_pod: int = Field(4 << 20, ge=1 << 20, description="The same for a single pod.")
    retention_days: int = Field(
        30, ge=0, description="How long logs are kept where the Repository does not say; 0: for ever."
    )
    attempt_bytes: int = Field(
        256 << 20, ge=0, description="How much of an attempt's log is kept; 0: all of it. A last line says so."
    )
    migrate_wait_seconds: float = Field(
        300.0, ge=0, description="How long `mentu-gateway migrate` waits for the database."
    )
    commit_lines: int = Field(5000, ge=1, description="About how many lines a single commit takes.")
    shutdown_seconds: int = Field(20, ge=1, description="How long requests in flight may take at the end.")
