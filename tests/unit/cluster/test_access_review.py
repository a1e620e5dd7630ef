"""What the API server is asked about somebody's rights, and what its answers mean, over real HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.unit.gateway.fake_cluster import FakeCluster

from bugcommand_operator.cluster.access_review import AccessReviewer
from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.token_review import IdentityUnavailable, KubernetesUser

JANE = KubernetesUser("jane", "7", ("dev", "all"), (("scopes", ("a",)),))


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeCluster]:
    with FakeCluster() as running:
        yield running


@pytest_asyncio.fixture
async def reviewer(fake: FakeCluster, tmp_path: Path) -> AsyncIterator[AccessReviewer]:
    async with await Cluster.connect(str(fake.kubeconfig(tmp_path))) as cluster:
        yield AccessReviewer(cluster)


async def test_the_whole_identity_is_asked_about_in_the_one_namespace(
    fake: FakeCluster, reviewer: AccessReviewer
) -> None:
    fake.rights = {("jane", "get", "team-a")}

    assert await reviewer.may(JANE, "get", "team-a")
    assert not await reviewer.may(JANE, "create", "team-a")
    assert not await reviewer.may(JANE, "get", "team-b")
    assert fake.access_reviews[0] == {
        "user": "jane",
        "uid": "7",
        "groups": ["dev", "all"],
        "extra": {"scopes": ["a"]},
        "resourceAttributes": {
            "namespace": "team-a",
            "verb": "get",
            "group": "mentu.dev",
            "resource": "bugcommands",
        },
    }


@pytest.mark.parametrize("status", [401, 403, 422, 500])
async def test_an_api_server_that_cannot_tell_is_not_a_no(
    fake: FakeCluster, reviewer: AccessReviewer, status: int
) -> None:
    fake.failing = status

    with pytest.raises(IdentityUnavailable):
        await reviewer.may(JANE, "get", "team-a")
