"""A cluster for the session. Each test has BugCommands of its own; repositories, agents and servers are shared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dev.demo.settings import from_environment
from tests.support.cluster import Lab
from tests.support.cluster_objects import claude_agent, repository, shell_agent

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(from_environment(os.environ), tmp_path_factory.mktemp("git"))
    try:
        lab.up()
        lab.apply(shell_agent(), claude_agent("claude"), repository("plain"), repository("pricing"))
        yield lab
    finally:
        if not os.environ.get("E2E_KEEP"):  # set it to look around after a failure
            lab.down()
