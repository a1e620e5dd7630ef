"""What the git server needs to be trusted and to trust: a certificate of its own, and one user with a token.

Made anew for each installation and held in memory and in Secrets only. Needs the openssl program, nothing else.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USER = "x-access-token"
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class GitAccess:
    certificate: str
    key: str = field(repr=False)
    token: str = field(repr=False)
    htpasswd: str = field(repr=False)
    user: str = USER


def make_access(namespace: str, token: str = "") -> GitAccess:
    """A certificate for the Service `git` of this namespace (and localhost, for a port-forward), and a token."""
    token = token or secrets.token_urlsafe(24)
    hashed = _openssl(["passwd", "-6", "-stdin"], token)
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key"), Path(folder, "crt")
        _openssl(_certificate_arguments(namespace, key, certificate))
        return GitAccess(certificate.read_text(), key.read_text(), token, f"{USER}:{hashed.strip()}\n")


def manifests(access: GitAccess, client_secret: str = "git-token") -> list[dict[str, Any]]:
    """The server's two Secrets, and the one that a Repository names in credentialsSecret."""
    return [
        _secret("git-tls", "kubernetes.io/tls", {"tls.crt": access.certificate, "tls.key": access.key}),
        _secret("git-users", "Opaque", {"htpasswd": access.htpasswd}),
        _secret(client_secret, "kubernetes.io/basic-auth", {"username": access.user, "password": access.token}),
    ]


def _secret(name: str, kind: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": data}


def _certificate_arguments(namespace: str, key: Path, certificate: Path) -> list[str]:
    hosts = ["git", f"git.{namespace}", f"git.{namespace}.svc", f"git.{namespace}.svc.cluster.local", "localhost"]
    names = ",".join(f"DNS:{host}" for host in hosts)
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=git"]
    return ["req", "-x509", *made, "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate)]


def _openssl(arguments: list[str], given: str = "") -> str:
    done = subprocess.run(
        ["openssl", *arguments], input=given, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    return done.stdout
