"""Which tokens are taken, for whom, and what the answers mean, over real HTTP."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.gateway.fake_cluster import FakeCluster, pod, review

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.token_review import (
    IdentityUnavailable,
    KubernetesUser,
    NotACommandPod,
    PodIdentity,
    TokenReviewer,
    Unauthenticated,
)

BOUND = review()
GOOD_POD = pod("bug-1-agent", "uid-1", "command-1", "2")
USER = BOUND["user"]


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeCluster]:
    with FakeCluster() as running:
        yield running


@pytest_asyncio.fixture
async def reviewer(fake: FakeCluster, tmp_path: Path) -> AsyncIterator[TokenReviewer]:
    async with await Cluster.connect(str(fake.kubeconfig(tmp_path))) as cluster:
        yield TokenReviewer(cluster)


async def test_a_pods_own_token_tells_its_command_and_attempt(fake: FakeCluster, reviewer: TokenReviewer) -> None:
    fake.reviews["token"], fake.pods["team-a/bug-1-agent"] = BOUND, GOOD_POD

    identity = await reviewer.authenticate("token")

    assert identity == PodIdentity("team-a", "bug-1-agent", "uid-1", "command-1", 2)
    assert fake.requests == ["review", "pod team-a/bug-1-agent"]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": False, "error": "expired"},
        {**BOUND, "authenticated": "true"},
        {**BOUND, "audiences": []},
        {**BOUND, "audiences": ["https://kubernetes.default.svc"]},
        {**BOUND, "user": {}},
        {**BOUND, "user": {**USER, "username": "admin"}},
        {**BOUND, "user": {**USER, "username": "x:system:serviceaccount:team-a:default"}},
        {**BOUND, "user": {**USER, "extra": {}}},
        {**BOUND, "user": {**USER, "extra": {"authentication.kubernetes.io/pod-name": ["bug-1-agent"]}}},
    ],
)
async def test_a_token_that_is_not_a_pods_and_for_us_is_refused(
    fake: FakeCluster, reviewer: TokenReviewer, status: dict[str, Any]
) -> None:
    fake.reviews["token"], fake.pods["team-a/bug-1-agent"] = status, GOOD_POD

    with pytest.raises(Unauthenticated):
        await reviewer.authenticate("token")
    assert fake.requests == ["review"], "no pod is looked up for a token that is not good"


async def test_a_token_of_a_pod_whose_name_has_a_new_owner_is_refused(
    fake: FakeCluster, reviewer: TokenReviewer
) -> None:
    fake.reviews["token"] = BOUND
    fake.pods["team-a/bug-1-agent"] = pod("bug-1-agent", "another-uid", "command-1", "2")

    with pytest.raises(Unauthenticated, match="not the one"):
        await reviewer.authenticate("token")


async def test_a_token_of_a_pod_that_is_gone_is_refused(fake: FakeCluster, reviewer: TokenReviewer) -> None:
    fake.reviews["token"] = BOUND

    with pytest.raises(Unauthenticated, match="gone"):
        await reviewer.authenticate("token")


@pytest.mark.parametrize(
    ("command_id", "attempt"), [("", "1"), ("c", ""), ("c", "0"), ("c", "-1"), ("c", "one"), ("c", "²")]
)
async def test_a_pod_that_carries_out_no_attempt_is_refused(
    fake: FakeCluster, reviewer: TokenReviewer, command_id: str, attempt: str
) -> None:
    fake.reviews["token"] = BOUND
    fake.pods["team-a/bug-1-agent"] = pod("bug-1-agent", "uid-1", command_id, attempt)

    with pytest.raises(NotACommandPod):
        await reviewer.authenticate("token")


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_an_api_server_that_cannot_tell_says_nothing_about_the_token(
    fake: FakeCluster, reviewer: TokenReviewer, status: int
) -> None:
    fake.failing = status

    with pytest.raises(IdentityUnavailable):
        await reviewer.authenticate("token")


async def test_an_api_server_that_is_away_says_nothing_about_the_token(tmp_path: Path) -> None:
    with FakeCluster() as fake:
        path = fake.kubeconfig(tmp_path)
    async with await Cluster.connect(str(path)) as cluster:
        with pytest.raises(IdentityUnavailable):
            await TokenReviewer(cluster).authenticate("token")


async def test_a_pod_outside_the_installations_namespaces_is_told_so_and_not_looked_up(
    fake: FakeCluster, tmp_path: Path
) -> None:
    fake.reviews["token"], fake.pods["team-a/bug-1-agent"] = BOUND, GOOD_POD

    async with await Cluster.connect(str(fake.kubeconfig(tmp_path))) as cluster:
        assert (await TokenReviewer(cluster, namespaces=["team-a"]).authenticate("token")).namespace == "team-a"
        fake.requests.clear()
        with pytest.raises(NotACommandPod, match="team-a"):
            await TokenReviewer(cluster, namespaces=["team-b"]).authenticate("token")
    assert fake.requests == ["review"], "we may not look there, and to be refused would read as a passing failure"


async def test_the_commands_object_and_repository_come_from_the_pods_labels(
    fake: FakeCluster, reviewer: TokenReviewer
) -> None:
    fake.reviews["token"] = BOUND
    labelled = pod("bug-1-agent", "uid-1", "command-1", "2")
    labelled["metadata"]["labels"] |= {"mentu.dev/command-uid": "object-1", "mentu.dev/repository": "shop"}
    fake.pods["team-a/bug-1-agent"] = labelled

    identity = await reviewer.authenticate("token")
    assert (identity.command_uid, identity.repository) == ("object-1", "shop")


def jwt(audiences: object) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"aud": audiences}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


@pytest.mark.parametrize(
    ("token", "asked"),
    [
        (jwt(["mentu"]), ["mentu"]),
        (jwt("mentu"), ["mentu"]),
        (jwt(["https://kubernetes.default.svc"]), None),
        (jwt(7), None),
        ("a.b.c", None),
        ("opaque", None),
    ],
)
async def test_a_reader_is_reviewed_for_our_audience_or_the_api_servers_own(
    fake: FakeCluster, reviewer: TokenReviewer, token: str, asked: list[str] | None
) -> None:
    fake.reviews[token] = {
        "authenticated": True,
        "audiences": asked or [],
        "user": {"username": "jane", "uid": "7", "groups": ["dev"], "extra": {"scopes": ["a", "b"]}},
    }

    user = await reviewer.user_of(token)

    assert user == KubernetesUser("jane", "7", ("dev",), (("scopes", ("a", "b")),))
    assert fake.audiences == [asked]


@pytest.mark.parametrize(
    "status",
    [{}, {"authenticated": False}, {"authenticated": True, "user": {}}, {"authenticated": True, "audiences": ["x"]}],
)
async def test_a_reader_that_the_api_server_does_not_vouch_for_is_refused(
    fake: FakeCluster, reviewer: TokenReviewer, status: dict[str, Any]
) -> None:
    fake.reviews[jwt("mentu")] = status

    with pytest.raises(Unauthenticated):
        await reviewer.user_of(jwt("mentu"))
