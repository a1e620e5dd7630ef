"""A namespace of its own on a real API server, with the CRDs of this checkout. No pod of these tests needs to run."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from tests.integration.api import Api

from bugcommand_operator.cluster.client import Cluster

HERE = Path(__file__).parent
CRDS = HERE.parents[1] / "crds"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


_applied: list[bool] = []


async def _apply_crds_once(api: Api) -> None:
    if not _applied:
        await api.apply_crds([yaml.safe_load(file.read_text()) for file in sorted(CRDS.glob("*.yaml"))])
        _applied.append(True)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with await Cluster.connect(os.environ.get("KUBECONFIG", "")) as cluster:
        api = Api(cluster, f"itest-{uuid.uuid4().hex[:8]}")
        await _apply_crds_once(api)
        await api.make_namespace()
        yield api
        await api.remove_namespace()
