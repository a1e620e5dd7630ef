"""The development git server: its CGI, and the certificate and user it is given."""

from __future__ import annotations

import os
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dev.gitserver import access

FOLDER = Path(__file__).parents[3] / "dev" / "gitserver"


def ask(root: Path, path: str, service: str = "git-receive-pack") -> str:
    """One CGI request as lighttpd makes it; the answer's head and body."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_SYSTEM": str(FOLDER / "gitconfig"),
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": f"service={service}",
    }
    done = subprocess.run([str(FOLDER / "backend")], env=environment, capture_output=True, timeout=30, check=False)
    return done.stdout.decode("utf-8", "replace")


def test_the_first_push_makes_the_repository(tmp_path: Path) -> None:
    assert "Content-Type: application/x-git-receive-pack-advertisement" in ask(tmp_path, "/new.git/info/refs")
    assert (tmp_path / "new.git" / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert [path.name for path in tmp_path.iterdir()] == ["new.git"]


def test_a_fetch_makes_nothing(tmp_path: Path) -> None:
    assert "404" in ask(tmp_path, "/new.git/info/refs", "git-upload-pack")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "path", ["/../up.git", "/a/b.git", "/.git", "/-x.git", "/A b.git", "/plain", "/x.git/y.git", ""]
)
def test_a_push_to_an_unfit_name_makes_nothing(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    assert "application/x-git" not in ask(root, f"{path}/info/refs")
    assert list(root.iterdir()) == []
    assert list(tmp_path.iterdir()) == [root]


def test_first_pushes_at_once_share_one_repository(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(tmp_path, "/race.git/info/refs"), range(4)))
    assert all("receive-pack-advertisement" in answer for answer in answers)
    assert [path.name for path in tmp_path.iterdir()] == ["race.git"]


def test_the_certificate_is_for_the_service_and_for_a_port_forward(tmp_path: Path) -> None:
    made = access.make_access("bugs")
    ssl.create_default_context(cadata=made.certificate)
    file = tmp_path / "crt"
    file.write_text(made.certificate)
    text = access._openssl(["x509", "-in", str(file), "-noout", "-text"])
    for host in ("DNS:git.bugs.svc,", "DNS:git.bugs.svc.cluster.local,", "DNS:localhost"):
        assert host in text


def test_the_server_stores_a_hash_and_the_client_the_token() -> None:
    made = access.make_access("bugs", token="a-token")
    user, stored = made.htpasswd.strip().split(":", 1)
    _, kind, salt, _ = stored.split("$")
    assert kind == "6"
    assert access._openssl(["passwd", "-6", "-salt", salt, "-stdin"], "a-token").strip() == stored
    secrets = {item["metadata"]["name"]: item["stringData"] for item in access.manifests(made)}
    assert secrets["git-token"] == {"username": user, "password": "a-token"}
    assert "a-token" not in secrets["git-users"]["htpasswd"]


def test_neither_key_nor_token_shows_in_a_text() -> None:
    made = access.make_access("bugs", token="a-token")
    assert "a-token" not in repr(made)
    assert "PRIVATE" not in repr(made)


def test_each_installation_gets_a_token_of_its_own() -> None:
    assert access.make_access("a").token != access.make_access("a").token
