"""Repositories to measure with: their text is made up, always the same, and about as compressible as code is."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WORDS = tuple(f"{a}{b}" for a in ("get", "set", "make", "read", "find", "keep") for b in ("Key", "Row", "Page", "Tag"))
GENESIS = b"genesis:\n  version: '1.0'\npermissions:\n  defaults:\n    authenticated:\n      operations: [execute]\n"


@dataclass(frozen=True)
class Shape:
    name: str
    files: int
    bytes_each: int
    files_a_folder: int = 40


TINY = Shape("300 files", 300, 5_000)
SMALL = Shape("1,500 files", 1_500, 6_000)
LARGE = Shape("12,000 files", 12_000, 4_000)


@dataclass(frozen=True)
class Upstream:
    """A bare repository, as a forge has it."""

    path: Path
    shape: Shape

    @property
    def url(self) -> str:
        return f"file://{self.path}"


def make_upstream(folder: Path, shape: Shape) -> Upstream:
    path = folder / f"upstream-{shape.files}.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        for part in _stream(shape):
            importer.stdin.write(part)
    if importer.returncode != 0:
        raise RuntimeError(f"git fast-import ended with {importer.returncode}")
    git("-C", str(path), "repack", "-adq")
    return Upstream(path, shape)


def mirror_of(upstream: Upstream, path: Path) -> Path:
    git("clone", "--quiet", "--mirror", "--no-local", upstream.url, str(path))
    return path


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


def _stream(shape: Shape) -> Iterator[bytes]:
    chance = random.Random(shape.files)
    yield b"commit refs/heads/main\ncommitter Bench <bench@mentu.invalid> 1700000000 +0000\ndata 4\nbase\n"
    yield from _file(".mentu/genesis.key", GENESIS)
    for number in range(shape.files):
        folder = number // shape.files_a_folder
        yield from _file(f"src/part{folder // 20}/unit{folder}/file{number}.py", _text(chance, shape.bytes_each))


def _file(path: str, content: bytes) -> Iterator[bytes]:
    yield f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n"


def _text(chance: random.Random, size: int) -> bytes:
    lines = []
    while size > 0:
        line = " ".join([*chance.choices(WORDS, k=6), f"{chance.getrandbits(48):x}"])
        lines.append(line)
        size -= len(line) + 1
    return "\n".join(lines).encode()
