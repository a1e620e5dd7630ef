"""The intake over ASGI: who may write what, what is refused and how, and what is in the store afterwards."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.process.gateway.process import batch, line
from tests.unit.gateway.builders import POD, Gateway, open_gateway

from bugcommand_operator.cluster.token_review import IdentityUnavailable, NotACommandPod
from bugcommand_operator.gateway.wire import MAX_LINES


@pytest_asyncio.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        yield opened


async def test_an_answer_names_the_highest_line_of_the_batch_and_the_lines_are_there(gateway: Gateway) -> None:
    answer = await gateway.post(batch([3, 1, 2]))

    assert (answer.status_code, answer.json()) == (200, {"acked": 3})
    rows = await gateway.rows()
    assert [(row.seq, row.message) for row in rows] == [(1, "line 1"), (2, "line 2"), (3, "line 3")]
    assert {(row.namespace, row.machine_id, row.epoch) for row in rows} == {("team-a", "lab", 1)}


async def test_the_namespace_is_the_pods_whatever_the_body_says(gateway: Gateway) -> None:
    await gateway.post({**batch([1]), "namespace": "team-b"})

    assert [row.namespace for row in await gateway.rows()] == ["team-a"]


async def test_sending_again_is_acknowledged_again_and_stored_once(gateway: Gateway) -> None:
    await gateway.post(batch([1, 2]))
    answer = await gateway.post(batch([1, 2, 3]))

    assert answer.json() == {"acked": 3}
    assert await gateway.messages() == ["line 1", "line 2", "line 3"]
    assert await gateway.metric("mentu_log_lines_stored_total") == 3
    assert await gateway.metric("mentu_log_lines_repeated_total") == 2
    assert await gateway.metric("mentu_log_batches_total") == 2


async def test_what_was_sent_ahead_is_stored_after_the_lines_before_it_or_not_at_all(gateway: Gateway) -> None:
    early = await gateway.post({**batch([3]), "after": 2})
    assert (early.status_code, early.json()["reason"]) == (503, "EarlierLinesMissing")
    assert int(early.headers["retry-after"]) >= 1
    assert await gateway.rows() == []

    answers = await asyncio.gather(gateway.post(batch([1, 2])), gateway.post({**batch([3]), "after": 2}))
    assert [answer.json() for answer in answers] == [{"acked": 2}, {"acked": 3}]
    assert [answer.headers["mentu-knows-after"] for answer in answers] == ["1", "1"]
    assert [row.seq for row in await gateway.rows()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Authorization": ""}, 401, "Unauthenticated"),
        ({"Authorization": "Bearer "}, 401, "Unauthenticated"),
        ({"Authorization": "Basic Z29vZDpnb29k"}, 401, "Unauthenticated"),
        ({"Authorization": "good"}, 401, "Unauthenticated"),
        ({"Authorization": "Bearer unknown"}, 401, "Unauthenticated"),
        ({"Authorization": "Bearer stranger"}, 403, "NotACommandPod"),
        ({"Authorization": "Bearer unsure"}, 503, "IdentityUnavailable"),
        ({"Authorization": "bearer good"}, 200, None),
    ],
)
async def test_the_bearer_decides_before_anything_else(
    gateway: Gateway, headers: dict[str, str], status: int, reason: str | None
) -> None:
    gateway.tokens.answers["stranger"] = NotACommandPod("no labels")
    gateway.tokens.answers["unsure"] = IdentityUnavailable("no answer")

    answer = await gateway.post(batch([1]), **headers)

    assert (answer.status_code, answer.json().get("reason")) == (status, reason)
    assert len(await gateway.rows()) == (1 if status == 200 else 0)
    assert ("Retry-After" in answer.headers) == (status == 503)
    if reason:
        assert await gateway.metric(f'mentu_log_rejects_total{{reason="{reason}"}}') == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (batch([1], attempt=1), 200, None),
        (batch([1], attempt=2), 200, None),
        (batch([1], attempt=3), 403, "attempt"),
        (batch([1], command_id="another-command"), 403, "commandId"),
    ],
)
async def test_a_pod_writes_its_own_command_and_no_later_attempt(
    gateway: Gateway, body: dict[str, Any], status: int, field: str | None
) -> None:
    answer = await gateway.post(body)

    assert (answer.status_code, answer.json().get("field")) == (status, field)


async def test_a_pod_of_another_namespace_with_the_same_command_id_is_refused(gateway: Gateway) -> None:
    gateway.tokens.answers["other"] = replace(POD, namespace="team-b", pod_uid="uid-2")
    await gateway.post(batch([1]))

    answer = await gateway.post(batch([2]), token="other")

    assert (answer.status_code, answer.json()["reason"]) == (403, "CommandOfAnotherNamespace")
    assert await gateway.messages() == ["line 1"]


def changed(**changes: Any) -> dict[str, Any]:
    return {**batch([1, 2]), **changes}


def with_line(**changes: Any) -> dict[str, Any]:
    return changed(lines=[line(1), {**line(2), **changes}])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (changed(attempt=0), "attempt"),
        (changed(attempt="1"), "attempt"),
        (changed(attempt=1 << 31), "attempt"),
        (changed(attempt=10**30), "attempt"),
        (changed(epoch=-1), "epoch"),
        (changed(epoch=None), "epoch"),
        (changed(machineId=7), "machineId"),
        (changed(machineId="x\0"), "machineId"),
        (changed(commandId=""), "commandId"),
        (changed(lines=[]), "lines"),
        (changed(lines=[line(1)] * (MAX_LINES + 1)), "lines"),
        (changed(lines={"0": line(1)}), "lines"),
        (with_line(seq=0), "lines.1.seq"),
        (with_line(seq=-5), "lines.1.seq"),
        (with_line(seq=1.5), "lines.1.seq"),
        (with_line(seq=True), "lines.1.seq"),
        (with_line(seq=1 << 63), "lines.1.seq"),
        (with_line(stream="stdin"), "lines.1.stream"),
        (with_line(ts="yesterday"), "lines.1.ts"),
        (with_line(ts="2026-02-30T00:00:00Z"), "lines.1.ts"),
        (with_line(ts="9999-12-31T23:59:59Z"), "lines.1.ts"),
        (with_line(ts="2026-01-01T00:00:00"), "lines.1.ts"),
        (with_line(ts="0001-01-01T00:00:00+14:00"), "lines.1.ts"),
        (with_line(ts=12), "lines.1.ts"),
        (with_line(message=None), "lines.1.message"),
        (with_line(message="x" * 65537), "lines.1.message"),
        (with_line(message="é" * 32769), "lines.1.message"),
        ({}, "commandId"),
        ([], None),
    ],
)
async def test_what_only_a_faulty_sender_produces_is_refused_by_the_name_of_the_field(
    gateway: Gateway, body: Any, field: str | None
) -> None:
    answer = await gateway.post(body)

    assert (answer.status_code, answer.json().get("field")) == (400, field)
    assert answer.json()["reason"] == "InvalidField"
    assert answer.json()["message"].startswith(field or "body")
    assert await gateway.rows() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null,", b"[" * 100_000, b'{"a":' + b"1" * 5000 + b"}", b"\xff\xfe", b"{'a': 1}"]
)
async def test_what_is_no_json_is_refused_and_nothing_breaks(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.post(body)

    assert answer.status_code == 400
    assert answer.json()["reason"] in {"InvalidJSON", "InvalidField"}
    assert (await gateway.post(batch([1]))).status_code == 200


async def test_no_refusal_repeats_what_was_sent(gateway: Gateway) -> None:
    answer = await gateway.post(with_line(seq="a secret", stream="a secret"))

    assert answer.status_code == 400
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("", ""),
        ("a\0b", "a�b"),
        ("half a pair: \ud83d.", "half a pair: �."),
        ("the other half: \ude00.", "the other half: �."),
        ("a pair: \ud83d\ude00.", "a pair: \U0001f600."),
        ("\x1b[31mred\x1b[0m \r \u202e", "\x1b[31mred\x1b[0m \r \u202e"),
        ("x" * 65536, "x" * 65536),
        ("é" * 32768, "é" * 32768),
    ],
)
async def test_a_line_that_its_sender_cannot_help_is_kept(gateway: Gateway, sent: str, stored: str) -> None:
    body = changed(lines=[line(1, sent)])

    answer = await gateway.post(json.dumps(body))

    assert answer.status_code == 200, answer.text
    assert await gateway.messages() == [stored]


async def test_bytes_that_are_no_text_are_replaced(gateway: Gateway) -> None:
    body = json.dumps(changed(lines=[line(1, "broken: ?.")])).encode().replace(b"?", b"\xc3\x28\xed\xa0\x80")

    assert (await gateway.post(body)).status_code == 200
    (message,) = await gateway.messages()
    assert message.startswith("broken: �(")


async def test_token_shapes_are_not_stored(gateway: Gateway) -> None:
    token = "ghp_" + "a1" * 18
    await gateway.post(changed(lines=[line(1, f"export GITHUB_TOKEN={token} # mine"), line(2)]))

    assert await gateway.messages() == ["export GITHUB_TOKEN=[redacted] # mine", "line 2"]
    assert await gateway.metric("mentu_log_redactions_total") == 1


async def test_a_body_over_a_mebibyte_is_refused_whether_or_not_it_says_so(gateway: Gateway) -> None:
    large = json.dumps({**batch([1]), "padding": "x" * (1 << 20)}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    headers = {"Authorization": "Bearer good"}
    undeclared = await gateway.client.post("/intake/v1/logs", content=pieces(), headers=headers)
    for answer in (await gateway.post(large), undeclared):
        assert (answer.status_code, answer.json()["reason"]) == (413, "TooLarge")
    assert await gateway.rows() == []
    assert await gateway.metric("mentu_log_pending_bytes") == 0


async def test_a_body_just_below_the_limits_is_stored(gateway: Gateway) -> None:
    body = json.dumps(changed(lines=[line(seq, "x" * 940) for seq in range(1, 1001)])).encode()
    assert 1_000_000 < len(body) <= 1 << 20

    assert (await gateway.post(body)).json() == {"acked": 1000}
    assert len(await gateway.rows()) == 1000


async def test_a_locked_store_gets_nothing_acknowledged_and_recovers(gateway: Gateway, tmp_path: Path) -> None:
    locker = sqlite3.connect(tmp_path / "logs.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    refused = await gateway.post(batch([1]))
    locker.execute("ROLLBACK")
    locker.close()

    assert (refused.status_code, refused.json()["reason"]) == (503, "StoreUnavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    assert await gateway.rows() == []
    assert (await gateway.client.get("/readyz")).status_code == 200, "it can be read"
    assert await gateway.metric("mentu_store_up") == 0
    assert (await gateway.post(batch([1]))).status_code == 200
    assert await gateway.metric("mentu_store_up") == 1


async def becomes_ready(gateway: Gateway) -> bool:
    """An answer about readiness holds for a second."""
    for _ in range(200):
        if (await gateway.client.get("/readyz")).status_code == 200:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_second_object_with_the_same_command_id_is_refused_and_the_first_goes_on(gateway: Gateway) -> None:
    gateway.tokens.answers["good"] = replace(POD, command_uid="object-1", repository="shop")
    gateway.tokens.answers["second"] = replace(POD, pod_uid="uid-2", command_uid="object-2", repository="shop")

    assert (await gateway.post(batch([1, 2]))).status_code == 200
    refused = await gateway.post(batch([1, 2, 3]), token="second")
    assert (refused.status_code, refused.json()["reason"]) == (403, "CommandIdInUse")
    assert (await gateway.post(batch([3]))).status_code == 200
    assert await gateway.messages() == ["line 1", "line 2", "line 3"]


async def test_a_store_that_appears_later_is_migrated_by_the_probe(tmp_path: Path) -> None:
    late = tmp_path / "volume"
    async with open_gateway(late) as gateway:
        assert (await gateway.client.get("/readyz")).status_code == 503
        assert (await gateway.client.get("/healthz")).status_code == 200
        assert (await gateway.post(batch([1]))).status_code == 503

        late.mkdir()

        assert await becomes_ready(gateway)
        assert (await gateway.post(batch([1]))).status_code == 200


async def test_how_late_lines_are_is_measured_from_the_last_ones_own_time(gateway: Gateway) -> None:
    """The lines of these tests are of January 2026: whenever this runs, they are late by more than all buckets."""
    await gateway.post(batch([1, 2]))

    assert await gateway.metric("mentu_log_lag_seconds_count") == 1
    assert await gateway.metric('mentu_log_lag_seconds_bucket{le="1800.0"}') == 0


async def test_each_metric_says_what_it_counts(gateway: Gateway) -> None:
    text = (await gateway.client.get("/metrics")).text

    ours = [line for line in text.splitlines() if line.startswith("# HELP mentu_")]
    assert len(ours) >= 9
    assert all(len(line.split(" ", 3)[3]) > 20 for line in ours)


async def test_only_posts_are_taken(gateway: Gateway) -> None:
    assert (await gateway.client.get("/intake/v1/logs")).status_code == 405
    assert (await gateway.client.get("/")).status_code == 404
