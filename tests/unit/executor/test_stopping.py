"""An executor that is told to stop before it has seen everything leaves everything as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.cluster_model import ClusterModel
from tests.support.fake_kube import FakeKube
from tests.support.operator_process import populated

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.cluster.kube import Page
from bugcommand_operator.executor.config import Config
from bugcommand_operator.executor.main import Executor


class HalfListed(FakeKube):
    """Shows the commands, and no Repositories."""

    def __init__(self, cluster: ClusterModel, stop: asyncio.Event) -> None:
        super().__init__(cluster)
        self._stop = stop

    async def pages(
        self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        if kind == "Repository":
            self._stop.set()
            raise ClusterUnavailable("away")
        async for page in super().pages(kind, namespace, labels, fields):
            yield page


async def test_who_is_stopped_before_all_is_listed_decides_nothing(tmp_path: Path) -> None:
    cluster, stop = populated(ClusterModel()), asyncio.Event()
    config = Config(executor_id="bridge-0", database_url=f"sqlite+aiosqlite:///{tmp_path}/none.db")
    executor = Executor(config, HalfListed(cluster, stop))
    await asyncio.wait_for(executor._work(stop), 30)

    assert not executor._health.has_listed
    assert not [call for call in cluster.calls if call.writes]
