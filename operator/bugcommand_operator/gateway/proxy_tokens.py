"""Tokens for programs outside the cluster, from a file (a Secret's volume): each is bound to a namespace, and
perhaps to some of its Repositories.

The file is read again when it changes. One that cannot be read, or is wrong, leaves the tokens as they were: a
mistake in one entry must not lock everybody out, and a file that is gone must not keep them in for ever.
"""

import asyncio
import hmac
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import structlog
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bugcommand_operator.gateway.readers import Reader

_log = structlog.get_logger(__name__)
MAX_FILE = 1 << 20
MAX_TOKENS = 1000
_LOOK_SECONDS = 1.0
_Name = Annotated[str, Field(min_length=1, max_length=253)]


class ProxyToken(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: _Name
    token: str = Field(min_length=16, max_length=4096, repr=False)
    namespace: str = Field(min_length=1, max_length=63)
    repositories: list[_Name] = Field(default=[], max_length=1000)
    scopes: list[Literal["read", "write"]] = Field(default=["read"], min_length=1, max_length=2)


_FILE = TypeAdapter(Annotated[list[ProxyToken], Field(max_length=MAX_TOKENS)])
Known = tuple[tuple[bytes, Reader], ...]


class ProxyTokens:
    """The tokens of one file; without a path there are none."""

    def __init__(self, path: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path) if path else None
        self._clock = clock
        self._known: Known = ()
        self._version: tuple[int, ...] | None = None
        self._look_again = float("-inf")
        self._one_look_at_a_time = asyncio.Lock()

    async def find(self, token: str) -> Reader | None:
        if self._path is not None and self._clock() >= self._look_again:
            async with self._one_look_at_a_time:  # nobody is turned away because another is about to look
                if self._clock() >= self._look_again:
                    await asyncio.to_thread(self._refresh, self._path)
                    self._look_again = self._clock() + _LOOK_SECONDS
        return _holder(self._known, token)

    def _refresh(self, path: Path) -> None:
        try:
            found = path.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if version == self._version:
                return
            self._version = version  # first: what is wrong in it stays wrong until it changes
            self._known = read_tokens(path)
            _log.info("proxy tokens were read", count=len(self._known))
        except FileNotFoundError:
            self._known, self._version = (), None
        except OSError as error:
            self._version = None
            _log.error("the file of proxy tokens cannot be read", path=str(path), error=str(error))
        except ValueError as error:
            _log.error("the file of proxy tokens is not usable", path=str(path), error=_without_input(error))


def read_tokens(path: Path) -> Known:
    """The file's tokens as hashes. Raises `OSError` or `ValueError`."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError("it is larger than 1 MiB")
    try:
        content = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise ValueError("it is not YAML") from error
    tokens = _FILE.validate_python(content or [])
    return tuple((sha256(token.token.encode()).digest(), _reader(token)) for token in tokens)


def _reader(token: ProxyToken) -> Reader:
    repositories = frozenset(token.repositories) or None
    return Reader(token.name, frozenset({token.namespace}), repositories, scopes=frozenset(token.scopes))


def _holder(known: Known, token: str) -> Reader | None:
    """Compared with every entry, so that the time it takes tells nothing about any of them."""
    digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
    holder: Reader | None = None
    for expected, reader in known:
        if hmac.compare_digest(expected, digest):
            holder = reader
    return holder


def _without_input(error: ValueError) -> str:
    """What is wrong, without quoting what may be a token."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
