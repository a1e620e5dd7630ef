"""Who may approve a command, until when, and that what was decided stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from tests.process.gateway.fake_api import FakeApi

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.token_review import POD_NAME, IdentityUnavailable, KubernetesUser, Unauthenticated
from bugcommand_operator.gateway.approvals import MAX_BODY, Approvals, routes
from bugcommand_operator.gateway.readers import Reader

NAMESPACE, NAME = "team-a", "fix-login"
PATH = f"/bridge/commands/{NAMESPACE}/{NAME}/approval"
APPROVE, REJECT = {"decision": "Approved"}, {"decision": "Rejected", "message": "Not on a Friday."}
CLAIM = {"claim": {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": "2026-03-01T12:00:00Z"}}


class People:
    """jane may approve; john may do all else; a proxy token may write; and somebody made an agent's pod an approver."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[tuple[str, str]] = []

    async def identify(self, token: str, client: str = "") -> Reader:
        if self.away:
            raise IdentityUnavailable("away")
        if token == "proxy":
            return Reader("ci", frozenset({NAMESPACE}), None, scopes=frozenset({"read", "write"}))
        if token not in {"jane", "john", "agent"}:
            raise Unauthenticated("unknown")
        extra = ((POD_NAME, ("fix-login-1-agent",)),) if token == "agent" else ()
        return Reader(token, None, None, KubernetesUser(token, extra=extra))

    async def may(self, reader: Reader, verb: str, namespace: str, repository: str) -> bool:
        self.asked.append((verb, namespace))
        return namespace == NAMESPACE and (reader.name != "john" or verb != "approve")


class Gateway:
    def __init__(self, api: FakeApi, cluster: Cluster) -> None:
        self.api, self.people, self._cluster = api, People(), cluster
        app = Starlette(routes=routes(Approvals(self.people, self)))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")
        api.put("bugcommands", NAMESPACE, NAME, {"prompt": "Fix it.", "approval": "Required"}, generation=3)

    async def kube(self) -> Kube:
        return Kube(self._cluster)

    async def post(self, body: Any, token: str = "jane", path: str = PATH) -> httpx.Response:
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post(path, headers={"Authorization": f"Bearer {token}"}, **content)

    def status(self, **status: Any) -> None:
        self.api.set_status(NAMESPACE, NAME, status)

    def decided(self) -> dict[str, Any] | None:
        return ((self.api.bug(NAMESPACE, NAME) or {}).get("status") or {}).get("approval")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    with FakeApi() as api:
        async with await Cluster.connect(str(api.kubeconfig(tmp_path))) as cluster:
            gateway = Gateway(api, cluster)
            yield gateway
            await gateway.client.aclose()


async def test_a_decision_is_written_with_who_and_when_and_why(gateway: Gateway) -> None:
    answer = await gateway.post(REJECT)

    assert answer.status_code == 200
    decided = gateway.decided()
    assert decided is not None
    assert (decided["decision"], decided["by"], decided["message"]) == ("Rejected", "jane", "Not on a Friday.")
    assert decided["at"].endswith("Z")
    assert answer.json() == {"namespace": NAMESPACE, "name": NAME, **decided}
    assert gateway.people.asked == [("approve", NAMESPACE)]


@pytest.mark.parametrize(
    ("token", "status", "reason"),
    [
        ("john", 403, "NotAllowed"),
        ("proxy", 403, "NotAPerson"),
        ("agent", 403, "NotAPerson"),
        ("", 401, "Unauthenticated"),
    ],
)
async def test_nobody_else_may(gateway: Gateway, token: str, status: int, reason: str) -> None:
    answer = await gateway.post(APPROVE, token)

    assert (answer.status_code, answer.json()["reason"], gateway.decided()) == (status, reason, None)
    assert "GET bugcommands" not in gateway.api.seen, "what is there is not told to those who may not ask"


async def test_the_same_again_gives_the_first_answer_and_another_decision_is_refused(gateway: Gateway) -> None:
    first = await gateway.post(APPROVE)
    again = await gateway.post({**APPROVE, "message": "once more"})
    other = await gateway.post(REJECT)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["reason"]) == (409, "AlreadyDecided")
    assert "jane" in other.json()["message"]
    gateway.status(**CLAIM, approval=gateway.decided())
    assert (await gateway.post(APPROVE)).status_code == 200, "also once it is claimed"


async def test_it_covers_the_attempts_that_were_asked_for_and_no_others(gateway: Gateway) -> None:
    spec = {"prompt": "Fix it.", "approval": "Required", "retry": {"limit": 2}}
    gateway.api.put("bugcommands", NAMESPACE, NAME, spec, generation=3)
    first = (await gateway.post({**APPROVE, "message": "Go on."})).json()
    assert (first["retryLimit"], first.get("afterAttempt")) == (2, None)

    decided = gateway.decided()
    gateway.api.put("bugcommands", NAMESPACE, NAME, {**spec, "retry": {"limit": 9, "afterAttempt": 1}}, generation=4)
    gateway.status(attempt=1, approval=decided)
    second = await gateway.post(APPROVE)
    assert second.status_code == 200
    again = gateway.decided()
    assert again is not None
    assert (again["retryLimit"], again["afterAttempt"], again.get("message")) == (9, 1, "")
    assert (await gateway.post(REJECT)).json()["reason"] == "AlreadyDecided"


async def test_an_attempt_that_the_command_was_released_for_is_decided_though_nobody_asks_any_more(
    gateway: Gateway,
) -> None:
    decided = (await gateway.post(APPROVE)).json()
    released = {"type": "Claimed", "status": "False", "reason": "RetryRequested"}
    gateway.status(attempt=2, phase="AwaitingApproval", approval=gateway.decided(), conditions=[released])
    again = await gateway.post(APPROVE)

    assert (decided.get("afterAttempt"), again.status_code, again.json()["afterAttempt"]) == (None, 200, 2)
    assert (gateway.decided() or {})["afterAttempt"] == 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (CLAIM, "AlreadyClaimed"),
        ({"phase": "Cancelled"}, "AlreadyEnded"),
        ({**CLAIM, "phase": "Failed"}, "AlreadyEnded"),
    ],
)
async def test_it_is_too_late_once_it_is_claimed_or_has_ended(
    gateway: Gateway, status: dict[str, Any], reason: str
) -> None:
    gateway.status(**status)
    answer = await gateway.post(APPROVE)

    assert (answer.status_code, answer.json()["reason"], gateway.decided()) == (409, reason, None)


async def test_what_was_changed_since_it_was_seen_is_not_approved(gateway: Gateway) -> None:
    changed = await gateway.post({**APPROVE, "generation": 2})
    assert (changed.status_code, changed.json()["reason"], gateway.decided()) == (409, "Changed", None)
    assert (await gateway.post({**APPROVE, "generation": 3})).status_code == 200


async def test_of_two_at_once_one_decides(gateway: Gateway) -> None:
    answers = await asyncio.gather(gateway.post(APPROVE), gateway.post(REJECT))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    decided = gateway.decided()
    assert decided is not None
    assert [a.json()["decision"] for a in answers if a.status_code == 200] == [decided["decision"]]


async def test_a_change_in_between_is_looked_at_before_anything_is_decided(gateway: Gateway) -> None:
    kube = await gateway.kube()
    patch = kube.patch
    times = 0

    async def claimed_first(*args: Any, **options: Any) -> Any:
        nonlocal times
        times += 1
        if times == 1:
            gateway.status(**CLAIM)
        return await patch(*args, **options)

    kube.patch = claimed_first  # type: ignore[method-assign]

    async def same() -> Kube:
        return kube

    gateway.kube = same  # type: ignore[method-assign]
    answer = await gateway.post(APPROVE)

    assert (answer.json()["reason"], gateway.decided(), times) == ("AlreadyClaimed", None, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        ({}, 400),
        ({"decision": "approved"}, 400),
        ({"decision": True}, 400),
        ({"decision": "Approved", "by": "somebody else"}, 400),
        ({"decision": "Approved", "message": "x" * 1025}, 400),
        ({"decision": "Approved", "message": "a\x1b[2J"}, 400),
        ({"decision": "Approved", "generation": "3"}, 400),
        (b"[" * 10_000, 400),
        (b" " * (MAX_BODY + 1), 413),
    ],
)
async def test_a_body_that_says_something_else_decides_nothing(gateway: Gateway, body: Any, status: int) -> None:
    answer = await gateway.post(body)

    assert (answer.status_code, gateway.decided()) == (status, None)
    assert answer.json()["reason"]


@pytest.mark.parametrize("path", ["other", "..", "a%2Fb", "A", "a%3Fx=y", "x%00"])
async def test_what_is_not_there_is_not_found(gateway: Gateway, path: str) -> None:
    answer = await gateway.post(APPROVE, path=f"/bridge/commands/{NAMESPACE}/{path}/approval")

    assert answer.status_code == 404
    assert not any(seen.startswith("PATCH") for seen in gateway.api.seen)


async def test_while_the_api_server_is_away_it_is_to_be_sent_again(gateway: Gateway) -> None:
    gateway.api.failing = 500
    assert (await gateway.post(APPROVE)).status_code == 503
    gateway.people.away = True
    answer = await gateway.post(APPROVE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
