"""Which tokens a file holds, and what becomes of them when it changes, breaks or goes."""

import hmac
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from bugcommand_operator.gateway import proxy_tokens
from bugcommand_operator.gateway.proxy_tokens import ProxyTokens

ONE = {"name": "ci", "token": "c" * 32, "namespace": "team-a", "repositories": ["shop"]}
TWO = {"name": "desk", "token": "d" * 32, "namespace": "team-b"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


def write(path: Path, content: Any) -> None:
    """As the kubelet changes a Secret's volume: another file takes the name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    os.replace(fresh, path)  # noqa: PTH105


async def names(tokens: ProxyTokens) -> list[str | None]:
    found = [await tokens.find(str(entry["token"])) for entry in (ONE, TWO)]
    return [reader.name if reader else None for reader in found]


async def test_a_token_is_bound_to_its_namespace_and_repositories(tmp_path: Path) -> None:
    write(tmp_path / "tokens", [ONE, TWO])
    tokens = ProxyTokens(str(tmp_path / "tokens"), clock=Clock())

    one, two = await tokens.find("c" * 32), await tokens.find("d" * 32)

    assert one is not None
    assert two is not None
    assert (one.name, one.namespaces, one.repositories) == ("ci", frozenset({"team-a"}), frozenset({"shop"}))
    assert (two.namespaces, two.repositories) == (frozenset({"team-b"}), None)
    assert await tokens.find("c" * 31) is None
    assert await tokens.find("") is None
    assert await ProxyTokens("").find("c" * 32) is None


async def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    tokens = ProxyTokens(str(path), clock=Clock())
    assert await names(tokens) == [None, None]

    write(path, [ONE])
    assert await names(tokens) == ["ci", None]
    write(path, [TWO])
    assert await names(tokens) == [None, "desk"]
    path.unlink()
    assert await names(tokens) == [None, None]


@pytest.mark.parametrize(
    "wrong",
    [
        "[",
        "- 1",
        "a: b",
        [{**ONE, "token": "short"}],
        [{**ONE, "extra": 1}],
        [{**ONE, "namespace": 7}],
        "x" * (2 << 20),
    ],
)
async def test_a_mistake_in_the_file_leaves_the_tokens_as_they_were_and_shows_none(
    tmp_path: Path, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    monkeypatch.setattr(proxy_tokens._log, "error", lambda *words, **more: said.append((words, more)))
    path = tmp_path / "tokens"
    write(path, [ONE])
    tokens = ProxyTokens(str(path), clock=Clock())
    await names(tokens)

    write(path, wrong)

    assert await names(tokens) == ["ci", None]
    assert len(said) == 1, "once, not for each request"
    assert "short" not in str(said)
    assert "c" * 32 not in str(said)


async def test_a_token_is_compared_with_every_entry_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "tokens", [ONE, TWO])
    tokens = ProxyTokens(str(tmp_path / "tokens"), clock=Clock())
    await tokens.find("x")
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for token in ("c" * 32, "d" * 32, "unknown", "c" * 4000):
        await tokens.find(token)
    assert compared == [(32, 32)] * 8, "each with both, by digests of one length"
