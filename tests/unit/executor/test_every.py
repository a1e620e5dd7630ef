"""A loop that outlives an API server that is away, and nothing else."""

from __future__ import annotations

import pytest

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.executor.every import every


async def test_what_the_api_server_does_not_go_along_with_is_tried_again_and_another_error_ends_it() -> None:
    rounds: list[type[Exception]] = [ClusterUnavailable, ClusterUnavailable, KeyError]

    async def once() -> None:
        raise rounds.pop(0)("by the test")

    with pytest.raises(KeyError):
        await every(0, once)
    assert rounds == []
