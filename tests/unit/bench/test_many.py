"""How a namespace is emptied: all of it, and without more requests than that takes."""

from __future__ import annotations

from typing import Any

import pytest
from bench import many
from bench.kube import ApiError, Raw

COMMANDS = "/apis/mentu.dev/v1alpha1/namespaces/n/bugcommands"


class Cluster:
    """Commands with and without a finalizer; what is deleted goes unless a finalizer holds it."""

    def __init__(self, held: int, free: int) -> None:
        self.commands = {f"c{n}": n < held for n in range(held + free)}
        self.patched: list[str] = []
        self.deletes: list[str] = []
        self.trouble: list[Exception] = []

    async def get(self, path: str) -> Raw:
        assert path.startswith(f"{COMMANDS}?limit={many.PAGE}&continue=")
        names = sorted(self.commands)
        start = int(path.rsplit("=", 1)[1] or 0)
        meta = {"continue": str(start + 2)} if start + 2 < len(names) else {}
        items = [{"metadata": {"name": n, "finalizers": ["f"] * self.commands[n]}} for n in names[start : start + 2]]
        return {"metadata": meta, "items": items}

    async def count(self, path: str) -> int:
        return len(self.commands) if path == COMMANDS else 0

    async def patch(self, path: str, body: Raw) -> Raw:
        name = path.rsplit("/", 1)[1]
        self.patched.append(name)
        self.commands[name] = False
        return {}

    async def request(self, method: str, path: str, body: Any, seconds: float) -> Raw:
        self.deletes.append(path)
        if self.trouble:
            raise self.trouble.pop()
        self.commands = {name: held for name, held in self.commands.items() if held}
        return {}


async def test_finalizers_are_taken_from_those_that_have_one_and_nothing_is_deleted_where_nothing_is() -> None:
    cluster, told = Cluster(held=3, free=4), list[int]()
    await many.empty(cluster, "n", told.append)  # type: ignore[arg-type]

    assert sorted(cluster.patched) == ["c0", "c1", "c2"]
    assert (cluster.deletes, told) == ([COMMANDS], [0])


@pytest.mark.parametrize("trouble", [TimeoutError(), ApiError(504, "Timeout")])
async def test_a_deletion_of_thousands_that_takes_too_long_is_gone_on_with(
    trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "DELETE_EVERY", 0.0)
    cluster = Cluster(held=0, free=2)
    cluster.trouble.append(trouble)
    await many.empty(cluster, "n")  # type: ignore[arg-type]
    assert cluster.deletes == [COMMANDS, COMMANDS]


async def test_a_deletion_that_is_refused_is_told() -> None:
    cluster = Cluster(held=0, free=1)
    cluster.trouble.append(ApiError(403, "no"))
    with pytest.raises(ApiError, match="no"):
        await many.empty(cluster, "n")  # type: ignore[arg-type]


def test_the_end_of_many_may_take_longer() -> None:
    assert many.patience(7000) == many.GONE_SECONDS + 2100
