"""Which images there are, what each is made of, and what their content is called. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CONTEXTS = TOP / ".images"
PACKAGE = TOP / "operator" / "bugcommand_operator"


@dataclass(frozen=True)
class Image:
    name: str
    base: str | None
    containerfile: Path
    inputs: tuple[Path, ...]
    """Files and folders whose content makes the image: when none has changed, it is not built again."""

    @property
    def context(self) -> Path:
        return CONTEXTS / self.name

    @property
    def archive(self) -> Path:
        return CONTEXTS / f"{self.name}.tar"

    @property
    def stamp(self) -> Path:
        return CONTEXTS / f"{self.name}.stamp"

    def tag(self, registry: str, version: str) -> str:
        return f"{registry}/{self.name}:{version}"


BASE = Image("mentu-base", None, TOP / "images/base/Containerfile", (TOP / "images/base",))
GITSERVER_BASE = Image("mentu-gitserver-base", None, TOP / "images/base/Containerfile", (TOP / "images/base",))
OPERATOR = Image(
    "mentu-operator",
    "mentu-base",
    TOP / "images/operator/Containerfile",
    (TOP / "images/operator", PACKAGE, TOP / "requirements/runtime.lock", TOP / "pyproject.toml"),
)
AGENT = Image("mentu-agent", "mentu-base", TOP / "images/agent/Containerfile", (TOP / "images/agent",))
GITSERVER = Image(
    "mentu-gitserver", "mentu-gitserver-base", TOP / "dev/gitserver/Containerfile", (TOP / "dev/gitserver",)
)
ALL = (BASE, GITSERVER_BASE, OPERATOR, AGENT, GITSERVER)
PUBLISHED = (OPERATOR, AGENT, GITSERVER)
LOADED = (OPERATOR, AGENT, GITSERVER)


def content_hash(paths: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for file in sorted(file for path in paths for file in files_of(path)):
        digest.update(str(file.relative_to(TOP)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [
        f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts and "node_modules" not in f.parts
    ]
