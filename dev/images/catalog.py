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
POSTGRES_BASE = Image(
    "mentu-postgres-base", None, TOP / "images/base/Containerfile", (TOP / "dev/postgres/packages.txt",)
)
POSTGRES = Image(
    "mentu-postgres",
    "mentu-postgres-base",
    TOP / "dev/postgres/Containerfile",
    tuple(TOP / "dev/postgres" / name for name in ("Containerfile", "passwd", "group", "start")),
)
PUBLISHED = (OPERATOR, AGENT, GITSERVER)
ONLY_FOR_TESTS = (POSTGRES,)
BASES = (BASE, GITSERVER_BASE, POSTGRES_BASE)
ALL = (*BASES, *PUBLISHED, *ONLY_FOR_TESTS)


def wanted(names: Iterable[str]) -> tuple[Image, ...]:
    """The images of these names; without any, those that are of use to people."""
    chosen = set(names)
    return tuple(image for image in ALL if image.name in chosen) if chosen else PUBLISHED


def with_bases(images: Iterable[Image]) -> tuple[Image, ...]:
    """In the order in which they are built."""
    names = {name for image in images for name in (image.name, image.base)}
    return tuple(image for image in ALL if image.name in names)


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
