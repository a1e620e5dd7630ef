"""Fills the build contexts: what is downloaded is downloaded here, by the machine's own clients, at locked versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.images.catalog import (
    AGENT,
    BASE,
    CONTEXTS,
    GITSERVER,
    GITSERVER_BASE,
    OPERATOR,
    PACKAGE,
    POSTGRES,
    POSTGRES_BASE,
    TOP,
    Image,
    content_hash,
)

PYTHON_OF_BASE = "3.11"
MOST_SECONDS = 900
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mentu-dev"


# What is installed in a base. A base is made anew for its own lists alone.
LISTS = {
    BASE: (TOP / "images/base/packages.txt",),
    GITSERVER_BASE: (TOP / "images/base/packages.txt", TOP / "images/base/gitserver-packages.txt"),
    POSTGRES_BASE: (TOP / "dev/postgres/packages.txt",),
}
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
# Postgres' compiler of queries is half of the image, and is off.
LEFT_OUT_OF_POSTGRES = ("/usr/lib/*/libLLVM*", "/usr/lib/*/libz3*", "/usr/lib/postgresql/*/lib/bitcode/*")
NO_CLUSTER = (
    "mkdir -p $1/etc/postgresql-common; echo create_main_cluster = false > $1/etc/postgresql-common/createcluster.conf"
)


def fill(image: Image) -> None:
    shutil.rmtree(image.context, ignore_errors=True)
    image.context.mkdir(parents=True)
    if image in LISTS:
        _root_file_system(image)
        return
    {OPERATOR: _operator, AGENT: _agent, GITSERVER: _gitserver, POSTGRES: _postgres}[image]()


def packages(image: Image) -> list[str]:
    return [name for each in LISTS[image] for name in each.read_text().split()]


def _root_file_system(image: Image) -> None:
    """Kept in the user's cache by its package list: it is the slowest part, and the same for every checkout."""
    cached = CACHE / f"{image.name}-{content_hash(image.inputs)}.tar"
    if not cached.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = cached.with_suffix(".part")
        left_out = LEFT_OUT + (LEFT_OUT_OF_POSTGRES if image is POSTGRES_BASE else ())
        options = ["--variant=minbase", f"--include={','.join(packages(image))}", "--format=tar"]
        options += [f"--dpkgopt=path-exclude={path}" for path in left_out]
        options += [f"--essential-hook={NO_CLUSTER}"] if image is POSTGRES_BASE else []
        _run(["mmdebstrap", *options, "bookworm", str(part)])
        part.rename(cached)
    os.link(cached, image.context / "base.tar") if _same_device(cached, image.context) else shutil.copy(
        cached, image.context / "base.tar"
    )


def _same_device(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def _operator() -> None:
    """Dependencies and package apart, so that only the package's layer is made anew when only it has changed."""
    shutil.copytree(_installed_dependencies(), OPERATOR.context / "dependencies", copy_function=os.link)
    package = OPERATOR.context / "package" / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "images/operator/bin", OPERATOR.context / "bin")
    _compile(package.parent)


def _installed_dependencies() -> Path:
    locked = TOP / "requirements/runtime.lock"
    installed = CONTEXTS / f"dependencies-{content_hash([locked])}"
    if not installed.exists():
        part = installed.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        uv = Path(sys.executable).parent / "uv"
        where = ["--target", str(part), "--python-version", PYTHON_OF_BASE, "--only-binary", ":all:"]
        _run([str(uv), "pip", "install", "--quiet", "--require-hashes", *where, "-r", str(locked)])
        shutil.rmtree(part / "bin", ignore_errors=True)
        _compile(part)
        part.rename(installed)
    return installed


def _compile(folder: Path) -> None:
    """Compiled now and never checked again: a pod's start does not wait for it, and its root is read-only."""
    how = ["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    _run([sys.executable, *how, "-s", str(folder), "-p", "/opt/mentu/lib", str(folder)])


def _agent() -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(TOP / "images/agent" / name, CONTEXTS / name)
    _run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--prefix", str(CONTEXTS)])
    program = CONTEXTS / "node_modules/@anthropic-ai/claude-code-linux-x64/claude"
    shutil.copy(program, AGENT.context / "claude")
    (AGENT.context / "claude").chmod(0o755)


def _gitserver() -> None:
    shutil.copytree(TOP / "dev/gitserver", GITSERVER.context, dirs_exist_ok=True)


def _postgres() -> None:
    for file in POSTGRES.inputs:
        shutil.copy(file, POSTGRES.context / file.name)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=MOST_SECONDS, stdin=subprocess.DEVNULL)
