"""A password for the Postgres of development and tests, and the Secrets that hold it.

Made anew for each installation and held in memory and in Secrets only.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
USER = DATABASE = "mentu"
PASSWORD_SECRET, URL_SECRET = "postgres-password", "postgres-url"


@dataclass(frozen=True)
class PostgresAccess:
    namespace: str
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """For SQLAlchemy, from within the cluster."""
        return f"postgresql+psycopg://{USER}:{self.password}@postgres.{self.namespace}.svc:5432/{DATABASE}"


def make_access(namespace: str) -> PostgresAccess:
    return PostgresAccess(namespace, secrets.token_urlsafe(24))


def url_secret(access: PostgresAccess) -> dict[str, Any]:
    """What the chart's database.urlSecret names: it belongs into the release's namespace."""
    return _secret(URL_SECRET, url=access.url)


def manifests(access: PostgresAccess, image: str) -> list[dict[str, Any]]:
    """The server, for the namespace that it runs in."""
    objects = list(yaml.safe_load_all((HERE / "postgres.yaml").read_text(encoding="utf-8")))
    (server,) = (each for each in objects if each["kind"] == "StatefulSet")
    server["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return [_secret(PASSWORD_SECRET, password=access.password), *objects]


def _secret(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
