"""Which path prefixes the API server takes for a Repository."""

from __future__ import annotations

import pytest
from tests.integration.api import Api

from bugcommand_operator.cluster.errors import Refused

URL = "https://git.example.com/shop.git"


async def test_plain_absolute_paths_are_taken(api: Api) -> None:
    prefixes = ["/", "/home/mentu/Workspaces/mentu-ai", "/Users/Ä b/x.y", "/a..b/..."]
    made = await api.make("Repository", "shop", {"url": URL, "pathPrefixes": prefixes})
    assert made["spec"]["pathPrefixes"] == prefixes


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        (["relative"], "absolute"),
        ([""], "pathPrefixes"),
        (["/a/"], "plain"),
        (["/a//b"], "plain"),
        (["/a/../b"], "plain"),
        (["/./a"], "plain"),
        (["/a\nb"], "control"),
        (["/a", "/a"], "Duplicate"),
        (["/" + "a" * 1024], "pathPrefixes"),
        ([f"/{number}" for number in range(33)], "pathPrefixes"),
    ],
)
async def test_other_prefixes_are_refused(api: Api, prefixes: list[str], message: str) -> None:
    with pytest.raises(Refused, match=message):
        await api.make("Repository", "shop", {"url": URL, "pathPrefixes": prefixes})
