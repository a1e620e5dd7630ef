"""Whoever asks learns whether the executor claims, and an executor that does not is still there to answer."""

from __future__ import annotations

import socket

import httpx

from bugcommand_operator.executor.readiness import serve_readiness


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_it_is_ready_while_it_claims() -> None:
    port, claims = _free_port(), [True]
    async with serve_readiness(port, lambda: claims[0]), httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        claims[0] = False
        answer = await client.get(f"http://127.0.0.1:{port}/readyz")

    assert answer.status_code == 503
    assert "Lease" in answer.text
