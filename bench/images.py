"""Which images the pods run: those of `make images`, or of another registry by IMAGE_PREFIX and IMAGE_TAG."""

from __future__ import annotations

import os


def image(name: str) -> str:
    return f"{os.environ.get('IMAGE_PREFIX') or 'localhost/'}{name}:{os.environ.get('IMAGE_TAG') or 'dev'}"
