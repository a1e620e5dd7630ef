"""What is mounted below a folder, and unmounting it: never is anything deleted through a mount."""

import ctypes
import os
import re
from pathlib import Path

_DETACH = 2
_OCTAL = re.compile(r"\\(\d{3})")


def below(folder: Path) -> list[str]:
    """Mount points below the folder, the newest first."""
    prefix = f"{folder}/"
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), line.split()[4])
        if point.startswith(prefix):
            points.append(point)
    return points[::-1]


def unmount_below(folder: Path) -> list[str]:
    """Those that could not be unmounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    for point in below(folder):
        path = os.fsencode(point)
        if libc.umount2(path, 0) != 0:
            libc.umount2(path, _DETACH)
    return below(folder)
