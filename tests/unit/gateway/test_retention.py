"""How long logs are kept: what the Repositories say, and that nothing is deleted while nobody can tell."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from tests.unit.store.builders import KEY, batch, open_store, url_of

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.gateway.background import Job, Retention
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.retention import retention_policy
from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.retention import RetentionPolicy
from bugcommand_operator.store.schema import spawn_log_progress


def repository(namespace: str, name: str, days: int | None) -> dict[str, Any]:
    spec = {"logs": {"retentionDays": days}} if days is not None else {}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


class Api:
    """Lists Repositories one to a page."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items, self.asked = items, list[str]()

    async def request(self, method: str, path: str, *, query: Mapping[str, str]) -> dict[str, Any]:
        self.asked.append(path)
        here = [item for item in self.items if f"/namespaces/{item['metadata']['namespace']}/" in path]
        items = list(here if "/namespaces/" in path else self.items)
        at = int(query.get("continue", "0"))
        more = {"continue": str(at + 1)} if at + 1 < len(items) else {}
        return {"metadata": more, "items": items[at : at + 1]}


async def test_each_repository_has_its_own_rule_or_the_installations() -> None:
    long = "r" * 80
    api = Api(repository("a", "shop", 7), repository("a", "desk", None), repository("b", long, 90))

    policy = await retention_policy(api, [], 30)

    kept = dict(policy.repositories)
    assert (policy.default_days, policy.namespaces) == (30, None)
    assert kept.pop(("a", "shop")) == 7
    ((namespace, name), days) = kept.popitem()
    assert (namespace, days, len(name)) == ("b", 90, 63), "as the label of its pods has it"
    assert not kept


async def test_only_the_installations_namespaces_are_looked_into() -> None:
    api = Api(repository("a", "shop", 7), repository("b", "shop", 8), repository("c", "shop", 9))

    policy = await retention_policy(api, ["a", "b"], 30)

    assert policy.repositories == {("a", "shop"): 7, ("b", "shop"): 8}
    assert policy.namespaces == frozenset({"a", "b"})
    assert all("/namespaces/" in path for path in api.asked)


async def test_logs_end_when_the_rules_are_known_and_never_while_they_are_not(tmp_path: Path) -> None:
    answers: list[RetentionPolicy | Exception] = [ClusterUnavailable("away"), RetentionPolicy(30)]

    async def rules() -> RetentionPolicy:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    url = url_of(tmp_path / "logs.db")
    engine = open_writer(url, synchronous="NORMAL")
    ago = datetime.now(UTC) - timedelta(days=40)
    async with open_store(url, clock=lambda: ago) as store:
        await store.append([batch(range(1, 3001))])
        async with engine.begin() as connection:
            await connection.execute(update(spawn_log_progress).values(last_at=ago))
        job = Job("retention", 0.0, Retention(engine, rules).piece, Metrics(), pause_seconds=0.0)

        assert await job.once(), "nobody could tell"
        assert len(await store.read(KEY.command_id, limit=5000)) == 3000
        assert not await job.once()
        assert await store.read(KEY.command_id, limit=5000) == []
        assert answers == [], "asked once for all the pieces of a run"
    await engine.dispose()
