"""`python -m dev.images build|load|push`: see `make images`, `make push`."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time

from dev.images import contexts
from dev.images.catalog import ALL, BASES, CONTEXTS, ONLY_FOR_TESTS, PUBLISHED, TOP, Image, content_hash, with_bases
from dev.images.catalog import wanted as wanted_images

LOCAL = "localhost"
VERSION = "dev"
MOST_SECONDS = 900
BEGAN = time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    known = [image.name for image in (*PUBLISHED, *ONLY_FOR_TESTS)]
    for name, what in (("build", "build what has changed"), ("load", "bring them into the cluster of `make cluster`")):
        command = commands.add_parser(name, help=what)
        command.add_argument("images", nargs="*", metavar="IMAGE", help=f"of {', '.join(known)}; none: what people use")
    push = commands.add_parser("push", help="push the operator's and the agent's image to a registry of yours")
    push.add_argument("--registry", required=True)
    push.add_argument("--version", default=VERSION)
    arguments = parser.parse_args()
    if unknown := set(getattr(arguments, "images", ())) - set(known):
        parser.error(f"no such image: {', '.join(sorted(unknown))}")
    CONTEXTS.mkdir(exist_ok=True)
    with (CONTEXTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would undo each other's contexts
        run(arguments)
    return 0


def run(arguments: argparse.Namespace) -> None:
    if arguments.command == "push":
        push_all(arguments.registry, arguments.version)
        return
    images = wanted_images(arguments.images)
    for image in with_bases(images):
        build(image)
    if arguments.command == "load":
        load(images)


def build(image: Image) -> None:
    wanted = _wanted(image)
    if image.stamp.exists() and image.stamp.read_text() == wanted and _exists(image):
        return
    say(f"building {image.name}")
    base_from = os.environ.get("BASE_FROM", "")
    if image in BASES and base_from:
        _build_base_from(image, base_from)
    else:
        contexts.fill(image)
        _tool(
            "build",
            "--tag",
            image.tag(LOCAL, VERSION),
            *_base_argument(image),
            "-f",
            image.containerfile,
            image.context,
        )
    image.archive.unlink(missing_ok=True)
    image.stamp.write_text(wanted)
    say(f"built {image.name}")


def _build_base_from(image: Image, base_from: str) -> None:
    arguments = {"FROM": base_from, "PACKAGES": " ".join(contexts.packages(image))}
    options = [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]
    folder = TOP / "images/base"
    _tool("build", "--tag", image.tag(LOCAL, VERSION), *options, "-f", folder / "Containerfile.from", folder)


def _wanted(image: Image) -> str:
    """An image's content: its own inputs, and its base's."""
    base = next((other for other in ALL if other.name == image.base), None)
    below = _wanted(base) if base else ""
    return content_hash(image.inputs, image.name, below, os.environ.get("BASE_FROM", ""))


def _base_argument(image: Image) -> list[str]:
    return ["--build-arg", f"BASE={LOCAL}/{image.base}:{VERSION}"] if image.base else []


def load(images: tuple[Image, ...]) -> None:
    for image in images:
        if not image.archive.exists():
            say(f"exporting {image.name}")
            part = image.archive.with_suffix(".part")
            part.unlink(missing_ok=True)
            _tool("push", "--quiet", image.tag(LOCAL, VERSION), f"docker-archive:{part}:{image.tag(LOCAL, VERSION)}")
            part.rename(image.archive)
    archives = [str(image.archive) for image in images]
    subprocess.run([TOP / "dev/cluster/load-image.sh", *archives], check=True, timeout=MOST_SECONDS)
    say("images are in the cluster")


def push_all(registry: str, version: str) -> None:
    for image in PUBLISHED:
        target = image.tag(registry.rstrip("/"), version)
        _tool("tag", image.tag(LOCAL, VERSION), target)
        _tool("push", target)
        say(f"pushed {target}")


def _exists(image: Image) -> bool:
    command = [*_command(), "inspect", "--type", "image", image.tag(LOCAL, VERSION)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def _tool(*arguments: object) -> None:
    command = [*_command(), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MOST_SECONDS)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _command() -> list[str]:
    """buildah keeps its images below .images; docker and podman where they always do."""
    chosen = os.environ.get("CONTAINER_TOOL") or ("buildah" if shutil.which("buildah") else "docker")
    if chosen != "buildah":
        return [chosen]
    return [
        "buildah",
        "--root",
        str(CONTEXTS / "storage"),
        "--runroot",
        str(CONTEXTS / "run"),
        "--storage-driver",
        "overlay",
    ]


def say(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:5.1f}s] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
