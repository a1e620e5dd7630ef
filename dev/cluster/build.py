"""The cluster's programs, built from Go modules: once a machine for the same inputs.

A program is named by a hash of all that goes into it. What the user's cache has under that name is
taken from there; the Go caches are the user's own.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dev.cluster.layout import HERE, Layout
from dev.cluster.say import ClusterError, say

_KUBERNETES = "1.34.4"
_HELM, _HELM_4 = "3.22.0", "4.3.2"
_VERSION = "k8s.io/component-base/version"
_MINUTES = 45


@dataclass(frozen=True)
class Program:
    name: str
    module: str
    package: str = "."
    stamps: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return HERE / self.module


PROGRAMS = (
    Program(
        "kube",
        "kube",
        stamps=(
            f"{_VERSION}.gitVersion=v{_KUBERNETES}",
            f"{_VERSION}.gitMajor=1",
            f"{_VERSION}.gitMinor=34",
            f"{_VERSION}.gitTreeState=clean",
        ),
        aliases=(
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
            "volume-provisioner",
            "cri-sweep",
        ),
    ),
    Program("pause", "pause"),
    Program("coredns", "coredns", "github.com/coredns/coredns"),
    Program("kube-router", "netpol", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
    Program(
        "helm",
        "helm",
        "helm.sh/helm/v3/cmd/helm",
        stamps=(
            f"helm.sh/helm/v3/internal/version.version=v{_HELM}",
            # What `helm template` takes a cluster to be; without it, an old one that charts refuse.
            *(f"helm.sh/helm/v3/pkg/chartutil.k8sVersion{part}" for part in ("Major=1", "Minor=34")),
        ),
    ),
)

HELM_4 = Program(
    "helm4", "helm", "helm.sh/helm/v4/cmd/helm", stamps=(f"helm.sh/helm/v4/internal/version.version=v{_HELM_4}",)
)
"""For the chart's tests alone. Of one module with Helm 3, so that most of it is compiled already."""

KWOK = Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok")
"""Pretended nodes, for `make scale` alone."""


@cache
def _go_version() -> str:
    if shutil.which("go") is None:
        raise ClusterError("Go is not installed (or not on PATH); it builds the cluster's programs")
    done = subprocess.run(["go", "env", "GOVERSION"], cwd=HERE / "kube", check=True, capture_output=True, text=True)
    return done.stdout.strip()


def inputs_hash(program: Program, go_version: str) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in program.folder.iterdir() if path.suffix in {".go", ".mod", ".sum"}):
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    digest.update(repr((go_version, program.package, program.stamps)).encode())
    return digest.hexdigest()[:24]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mentu-dev"


def _compile(program: Program, target: Path) -> None:
    say(f"building {program.name} (minutes at the first time on a machine)")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_suffix(f".{os.getpid()}")
    stamps = " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in program.stamps)])
    command = ["nice", "go", "build", "-trimpath", "-ldflags", stamps, "-o", str(scratch), program.package]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(command, cwd=program.folder, env=environment, check=False, timeout=_MINUTES * 60)
    if done.returncode != 0:
        raise ClusterError(f"building {program.name} in {program.folder} failed: what go said is above")
    scratch.replace(target)
    say(f"built {program.name}")


def _place(source: Path, target: Path) -> None:
    """A hard link where possible: the same file on disk once, and it stays when the cache is emptied."""
    if target.exists() and target.samefile(source):
        return
    scratch = target.with_name(f".{target.name}.new")
    scratch.unlink(missing_ok=True)
    try:
        scratch.hardlink_to(source)
    except OSError:
        if target.exists() and target.stat().st_size == source.stat().st_size and _newer(target, source):
            return
        shutil.copy2(source, scratch)
    scratch.replace(target)


def _newer(target: Path, source: Path) -> bool:
    return target.stat().st_mtime >= source.stat().st_mtime


def ensure(layout: Layout, program: Program) -> Path:
    cached = _cache_folder() / inputs_hash(program, _go_version()) / program.name
    if not cached.exists():
        _compile(program, cached)
    layout.bin.mkdir(parents=True, exist_ok=True)
    target = layout.bin / program.name
    _place(cached, target)
    for alias in program.aliases:
        link = layout.bin / alias
        if not link.is_symlink():
            link.symlink_to(program.name)
    return target


def ensure_all(layout: Layout, programs: tuple[Program, ...] = PROGRAMS) -> None:
    cached = _cache_folder()
    cached.mkdir(parents=True, exist_ok=True)
    with (cached / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two checkouts build one after the other: the second finds it done
        for program in programs:
            ensure(layout, program)
