"""A WebSocket that speaks the Phoenix protocol: joins, leaves, heartbeats, tokens. It sends one message at a time and
queues none: who waits to send waits for the reader, and a reader that takes nothing for too long is let go.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bugcommand_operator.cluster.token_review import IdentityError, IdentityUnavailable, Unauthenticated
from bugcommand_operator.gateway.live.access import Access, Credential, identify
from bugcommand_operator.gateway.live.bindings import BadBinding, Binding, parse_bindings
from bugcommand_operator.gateway.live.channel import Channel
from bugcommand_operator.gateway.live.phoenix import (
    MAX_MESSAGE,
    SYSTEM_TOPIC,
    TOPIC_PREFIX,
    BadMessage,
    Message,
    message,
    parse_message,
    reply_error,
    reply_ok,
    system,
)
from bugcommand_operator.gateway.live.slots import Slots, TooManyReaders
from bugcommand_operator.gateway.live.subscriptions import Sources, Subscription, prepare
from bugcommand_operator.store.errors import StoreError

_log = structlog.get_logger(__name__)
SEND_SECONDS = 30.0
_IDLE_SECONDS = 120.0
_CHANNELS, _BINDINGS = 20, 20


class _Over(Exception):
    """The socket has ended, or has to."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Session:
    """One socket, after it was accepted."""

    def __init__(
        self, websocket: WebSocket, access: Access, credential: Credential, client: str, sources: Sources, slots: Slots
    ) -> None:
        self._websocket, self._access, self._credential, self._client = websocket, access, credential, client
        self._sources, self._slots = sources, slots
        self._channels: dict[str, Channel] = {}
        self._sending = asyncio.Lock()
        self._bindings = 0
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Until either side ends it."""
        code, reason = 1000, ""
        try:
            async with self._group:
                self._group.create_task(self._receive())
        except* _Over as over:
            first = over.exceptions[0]
            code, reason = (first.code, first.reason) if isinstance(first, _Over) else (1011, "")
        finally:
            for channel in self._channels.values():
                channel.close()
        if code != 1005 and self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                await asyncio.wait_for(self._websocket.close(code, reason), 5)

    async def send(self, text: str) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS), self._sending:
                await self._websocket.send_text(text)
        except TimeoutError as error:
            raise _Over(1008, "nothing was taken for too long") from error
        except (RuntimeError, WebSocketDisconnect, OSError) as error:
            raise _Over(1005, "the socket is closed") from error

    async def _receive(self) -> None:
        while True:
            try:
                text = await asyncio.wait_for(self._websocket.receive_text(), _IDLE_SECONDS)
                if len(text) > MAX_MESSAGE:
                    raise _Over(1009, "a message is too long")
                await self._handle(parse_message(text))
            except TimeoutError as error:
                raise _Over(1001, "no heartbeat") from error
            except (WebSocketDisconnect, KeyError, RuntimeError) as error:
                raise _Over(1005, "the socket is closed") from error
            except BadMessage as error:
                raise _Over(1003, str(error)) from error

    async def _handle(self, incoming: Message) -> None:
        if incoming.topic == SYSTEM_TOPIC:
            await self._stay()
            answer = reply_ok(incoming) if incoming.event == "heartbeat" else reply_error(incoming, "unknown event")
            await self.send(answer)
        elif incoming.event == "phx_join":
            await self._join(incoming)
        elif incoming.event == "phx_leave":
            self._leave(incoming.topic)
            await self.send(reply_ok(incoming))
        elif incoming.event == "access_token":
            await self._new_token(incoming)
        else:
            await self.send(reply_error(incoming, f"{incoming.event[:40]} is not offered here"))

    async def _stay(self) -> None:
        """A socket whose own token is refused stays only for channels that have brought another."""
        if all(channel.is_closed or channel.credential is self._credential for channel in self._channels.values()):
            try:
                await self._credential.reader()
            except Unauthenticated as error:
                raise _Over(1008, "the token is no longer good") from error

    def _leave(self, topic: str) -> None:
        channel = self._channels.pop(topic, None)
        if channel is not None:
            channel.close()

    async def _join(self, incoming: Message) -> None:
        self._leave(incoming.topic)
        try:
            channel, bindings = await self._opened(incoming)
        except (BadBinding, IdentityError) as error:
            await self.send(reply_error(incoming, str(error)))
        except TooManyReaders as error:
            await self.send(reply_error(incoming, f"ConnectionRateLimitReached: {error}"))
        except StoreError:
            await self.send(reply_error(incoming, "the log store cannot be read now"))
        else:
            self._channels[incoming.topic] = channel
            await self.send(reply_ok(incoming, {"postgres_changes": [binding.echo for binding in bindings]}))
            await self._welcome(incoming, bool(bindings))
            channel.start(self._group, self.send)

    async def _welcome(self, incoming: Message, has_bindings: bool) -> None:
        config = incoming.payload.get("config")
        presence = config.get("presence") if isinstance(config, dict) else None
        if isinstance(presence, dict) and presence.get("enabled"):
            await self.send(message(incoming.topic, "presence_state", {}))  # nobody is ever present
        if has_bindings:
            await self.send(system(incoming.topic, "ok", "Subscribed to PostgreSQL"))

    async def _opened(self, incoming: Message) -> tuple[Channel, tuple[Binding, ...]]:
        if not incoming.topic.startswith(TOPIC_PREFIX):
            raise BadBinding(f"a topic begins with {TOPIC_PREFIX}")
        if len(self._channels) >= _CHANNELS:
            raise TooManyReaders(f"a socket has at most {_CHANNELS} channels")
        credential = await self._credential_of(incoming)
        bindings = parse_bindings(incoming.payload, self._bindings + 1, _BINDINGS)
        self._bindings += len(bindings)
        opened: list[Subscription] = []
        places: list[Callable[[], None]] = []
        try:
            name = (await credential.reader()).name
            for binding in bindings:
                places.append(self._slots.take(name))
                after = incoming.payload.get("after")
                opened.append(await prepare(self._sources, credential, after, incoming.topic, binding))
        except BaseException:
            Channel(incoming.topic, credential, opened, places).close()
            raise
        return Channel(incoming.topic, credential, opened, places), bindings

    async def _credential_of(self, incoming: Message) -> Credential:
        """The join's token where it brings one of its own, else the socket's."""
        token = incoming.payload.get("access_token")
        if not isinstance(token, str) or not token:
            return self._credential
        return await identify(self._access, token, self._client)

    async def _new_token(self, incoming: Message) -> None:
        channel, token = self._channels.get(incoming.topic), incoming.payload.get("access_token")
        if channel is None or not isinstance(token, str):
            return
        try:
            await channel.credential.renew(token)
        except IdentityUnavailable:
            return  # the one before stays
        except Unauthenticated as error:
            self._leave(incoming.topic)
            await self.send(system(incoming.topic, "error", str(error), "system"))
            await self.send(message(incoming.topic, "phx_close", {}))
