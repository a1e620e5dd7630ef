"""Small writes and looks that never follow a link which an agent may have planted."""

import os
import stat
from collections.abc import Callable, Iterator

from bugcommand_operator.core.light_typing import Any

COPY_CHUNK = 1 << 20


def write_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Writes a new file, or replaces an old one, as a whole: a reader sees the old or the new contents."""
    temporary = f"{path}.tmp-{os.getpid()}"
    remove_file(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise


def write_new(path: str, data: bytes, mode: int = 0o644) -> bool:
    """Writes a file unless something of that name is there already; an earlier one is never touched."""
    if os.path.lexists(path):
        return False
    write_file(path, data, mode)
    return True


def read_text(path: str, limit: int = 4096) -> str | None:
    """A small regular file as text, or nothing: links, devices, pipes and longer files are not read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        return os.read(descriptor, limit).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def is_real_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def real_folder(path: str, aside: str) -> None:
    """Makes sure that `path` is a folder and not a link to one; what stands in its place is kept in `aside`."""
    if is_real_folder(path):
        return
    if os.path.lexists(path):
        move_aside(path, aside)
    os.mkdir(path)


def move_aside(path: str, folder: str) -> None:
    """Keeps what stands at `path` in another folder of the same volume."""
    for number in range(1, 1000):
        target = f"{folder}/set-aside-{number}-{os.path.basename(path).lstrip('.')}"
        if not os.path.lexists(target):
            os.rename(path, target)
            return
    raise OSError(f"{folder} holds too much that was set aside")


def remove_file(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def remove_tree(path: str) -> None:
    """Removes a file or folder without following links; what is missing is fine."""
    if is_real_folder(path):
        from shutil import rmtree  # not cheap to load, rarely needed

        rmtree(path, onerror=_insist)
    else:
        remove_file(path)


def _insist(function: Callable[..., Any], path: str, _: Any) -> None:
    """A folder without write permission, as some package managers leave behind, is ours all the same."""
    for folder in (os.path.dirname(path), path):
        if is_real_folder(folder):
            os.chmod(folder, 0o700)
    function(path)


def regular_files(folder: str, limit: int) -> Iterator[str]:
    """Paths of the regular files below a folder, relative to it, links not followed, at most `limit`."""
    count = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                count += 1
                if count > limit:
                    return
                yield os.path.relpath(path, folder)


def copy_file(source: str, target: str) -> None:
    """A hard link where the volume allows it, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        with open(source, "rb") as reader, open(target, "xb") as writer:
            while chunk := reader.read(COPY_CHUNK):
                writer.write(chunk)
