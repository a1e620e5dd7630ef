"""A joined channel: its bindings, each served by a task of its own, and what its end gives back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from bugcommand_operator.cluster.token_review import Unauthenticated
from bugcommand_operator.gateway.live.access import Credential
from bugcommand_operator.gateway.live.namespaces import Interrupted
from bugcommand_operator.gateway.live.phoenix import message, system
from bugcommand_operator.gateway.live.subscriptions import Subscription

Send = Callable[[str], Awaitable[None]]


@dataclass(eq=False)
class Channel:
    topic: str
    credential: Credential
    subscriptions: Sequence[Subscription]
    give_back: Sequence[Callable[[], None]]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    is_closed: bool = False

    def start(self, group: asyncio.TaskGroup, send: Send) -> None:
        self.tasks = [group.create_task(self._serve(one, send)) for one in self.subscriptions]

    def close(self) -> None:
        """End all of it. What is being sent is cut off by the task's end, never in the middle of a message."""
        self.is_closed = True
        current = asyncio.current_task()
        for task in self.tasks:
            if task is not current:
                task.cancel()
        for one in self.subscriptions:
            one.close()
        for give_back in self.give_back:
            give_back()

    async def _serve(self, subscription: Subscription, send: Send) -> None:
        try:
            async with aclosing(subscription.messages()) as messages:
                async for text in messages:
                    await send(text)
        except Unauthenticated as error:
            self.close()
            await send(system(self.topic, "error", str(error), "system"))
            await send(message(self.topic, "phx_close", {}))
        except Interrupted as error:
            self.close()
            await send(_error(self.topic, str(error)))


def _error(topic: str, reason: str) -> str:
    return message(topic, "phx_error", {"reason": reason})
