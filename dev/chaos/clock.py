"""The clock of each simulated process: the cluster's time, perhaps set wrong. Real time is looked at by nobody."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from unittest.mock import patch

import structlog

ROOM = "bugcommand_operator.executor."
NOW: ContextVar[Callable[[], datetime]] = ContextVar("NOW")


class Clock(datetime):
    """What `datetime` is to the executor's modules. Tasks inherit whose clock they read from whoever starts them."""

    @classmethod
    def now(cls, tz: tzinfo | None = UTC) -> datetime:  # type: ignore[override]
        return NOW.get()().astimezone(tz)


@contextmanager
def simulated() -> Iterator[None]:
    """For every module of the executor, those that are added later too. What they log is not looked at."""
    configured = structlog.get_config()
    with ExitStack() as stack:
        stack.callback(lambda: structlog.configure(**configured))
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        for name, module in sorted(sys.modules.items()):
            if name.startswith(ROOM) and getattr(module, "datetime", None) is datetime:
                stack.enter_context(patch.object(module, "datetime", Clock))
        yield
