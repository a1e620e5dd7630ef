"""Reads commits, trees and blobs of a repository through one long-lived git process. It changes nothing.

The repository is the mirror (or the fresh clone that stands in for it), never one that an agent wrote to.
"""

import os
import select
from types import TracebackType

from bugcommand_operator.core.light_typing import NamedTuple
from bugcommand_operator.workspace.errors import MirrorCorrupt
from bugcommand_operator.workspace.git import Git

MAX_OBJECT = 32 * 1024 * 1024
SECONDS = 120


class Entry(NamedTuple):
    mode: str
    name: str
    sha: str

    @property
    def is_folder(self) -> bool:
        return self.mode == "40000"

    @property
    def is_regular_file(self) -> bool:
        return self.mode in ("100644", "100755", "100664")


class Info(NamedTuple):
    sha: str
    kind: str
    size: int


class Objects:
    """`with Objects(git, folder) as objects:`; names must be checked by the caller, one line each."""

    def __init__(self, git: Git, repository: str) -> None:
        if not os.path.isdir(repository):
            raise MirrorCorrupt(f"{repository} does not exist: the mirror has not been fetched yet")
        questions, self._questions = os.pipe2(os.O_CLOEXEC)
        try:
            self._running = git.start(["--git-dir", repository, "cat-file", "--batch-command"], stdin=questions)
        except BaseException:
            os.close(self._questions)
            raise
        finally:
            os.close(questions)
        self._buffer = b""

    def __enter__(self) -> "Objects":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._questions)
        self._running.end()

    def info(self, name: str) -> Info | None:
        """What a name stands for, or nothing."""
        self._ask(f"info {name}")
        return self._header()

    def blob(self, name: str, limit: int = MAX_OBJECT) -> bytes | None:
        """The contents of a file, or nothing when it is larger than `limit` or not a file."""
        found = self._existing(name)
        if found.kind != "blob" or found.size > limit:
            return None
        return self._contents(found)

    def tree(self, name: str) -> list[Entry] | None:
        """The entries of a folder, or nothing when it is not one, or larger than any folder should be."""
        found = self._existing(name)
        if found.kind != "tree" or found.size > MAX_OBJECT:
            return None
        return _entries(self._contents(found), len(found.sha) // 2)

    def _existing(self, name: str) -> Info:
        found = self.info(name)
        if found is None:
            raise MirrorCorrupt(f"object {name} is missing from the mirror")
        return found

    def _contents(self, found: Info) -> bytes:
        self._ask(f"contents {found.sha}")
        header = self._header()
        if header is None:
            raise MirrorCorrupt(f"object {found.sha} is missing from the mirror")
        data = self._read(header.size + 1)
        return data[:-1]

    def _ask(self, line: str) -> None:
        assert "\n" not in line  # noqa: S101 - names are checked before they come here
        try:
            os.write(self._questions, line.encode() + b"\n")
        except BrokenPipeError:
            raise self._died() from None

    def _header(self) -> Info | None:
        while b"\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        parts = line.decode("utf-8", "replace").split(" ")
        if len(parts) != 3 or not parts[2].isdigit():
            return None
        return Info(parts[0], parts[1], int(parts[2]))

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _more(self) -> None:
        pipe = self._running.output
        if not select.select([pipe], [], [], SECONDS)[0]:
            raise MirrorCorrupt(f"git did not answer within {SECONDS} seconds while reading the mirror")
        chunk = os.read(pipe, 1 << 18)
        if not chunk:
            raise self._died()
        self._buffer += chunk

    def _died(self) -> MirrorCorrupt:
        messages = self._running.messages().strip().replace("\n", " / ")
        return MirrorCorrupt(f"the mirror cannot be read: {messages[:400]}")


def tracked_mentu(objects: Objects, commit: str) -> tuple[Entry | None, list[Entry] | None]:
    """What a commit tracks as `.mentu`, and what is in it; a submodule, a link or a file has nothing in it.

    Looked up in the commit's own folder: git calls `<commit>:.mentu` missing for some things that are there.
    """
    root = objects.tree(f"{commit}^{{tree}}")
    if root is None:
        raise MirrorCorrupt(f"the top folder of {commit} cannot be read")
    found = next((entry for entry in root if entry.name == ".mentu"), None)
    return found, objects.tree(found.sha) if found is not None and found.is_folder else None


def _entries(data: bytes, width: int) -> list[Entry]:
    entries, at = [], 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        sha = data[end + 1 : end + 1 + width]
        name = data[space + 1 : end].decode("utf-8", "surrogateescape")
        entries.append(Entry(data[at:space].decode(), name, sha.hex()))
        at = end + 1 + width
    return entries
