"""`GET /live/v1/spawn_logs`: a command's log as server-sent events, from a cursor on and for as long as one stays.

Each event's id is the cursor after it, so that `Last-Event-ID` resumes with the next line, on any gateway.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bugcommand_operator.cluster.token_review import IdentityUnavailable, Unauthenticated
from bugcommand_operator.gateway.live.access import Access, Credential, Gate, identify
from bugcommand_operator.gateway.live.cursor import Cursor, parse_cursor, show_cursor
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.line import Page
from bugcommand_operator.gateway.live.pages import follow_pages
from bugcommand_operator.gateway.live.slots import Slots
from bugcommand_operator.gateway.readers import client_of, token_of
from bugcommand_operator.gateway.refusals import Malformed, Refusal, TryLater, Unauthorized
from bugcommand_operator.store.errors import StoreError

SEND_SECONDS = 30.0
_FORMAT = "sse"
_BEGINNING = "1:0"


@dataclass(frozen=True)
class EventStream:
    feed: Feed
    access: Access
    slots: Slots

    async def get(self, request: Request) -> Response:
        try:
            return await self._open(request)
        except Refusal as refusal:
            return JSONResponse(refusal.body(), refusal.status, refusal.headers())

    async def _open(self, request: Request) -> Response:
        credential = await who_reads(self.access, token_of(request), client_of(request))
        command_id = _command_id(request.query_params.get("command_id", ""))
        cursor = await self._cursor(request, credential, command_id)
        give_back = self.slots.take((await credential.reader()).name)
        pages = follow_pages(self.feed, command_id, cursor, Gate(credential, command_id))
        return _Held(events(pages, cursor), give_back)

    async def _cursor(self, request: Request, credential: Credential, command_id: str) -> Cursor:
        """Where to begin: what the client saw last, else what it asks for, else the beginning. How far a log has
        come is for those to know who may read it."""
        header = request.headers.get("Last-Event-ID", "")
        text = header or request.query_params.get("after", "")
        if text == "now":
            may = await self.access.may_read_command(await credential.reader(), command_id)
            if may is None:
                raise TryLater("IdentityUnavailable", "it cannot be told now what may be read")
            return await cursor_now(self.feed, command_id) if may else {}
        try:
            return parse_cursor(text)
        except ValueError as error:
            field = "Last-Event-ID" if header else "after"
            raise Malformed("InvalidField", f"{field}: {error}", field=field) from error


async def who_reads(access: Access, token: str, client: str) -> Credential:
    try:
        return await identify(access, token, client)
    except Unauthenticated as error:
        raise Unauthorized("Unauthenticated", str(error)) from error
    except IdentityUnavailable as error:
        raise TryLater("IdentityUnavailable", "tokens cannot be reviewed now") from error


async def cursor_now(feed: Feed, command_id: str) -> Cursor:
    try:
        return {key.attempt: last for key, last in (await feed.how_far([command_id])).items()}
    except StoreError as error:
        raise TryLater("StoreUnavailable", "the log store cannot be read now") from error


async def events(pages: AsyncGenerator[Page, None], cursor: Cursor) -> AsyncIterator[bytes]:
    # No event, yet it sets the last event's id. An empty one would not be sent back: "now" would be another then.
    yield f"retry: 1000\r\nid: {show_cursor(cursor) or _BEGINNING}\r\n\r\n".encode()
    async with aclosing(pages):
        try:
            async for page in pages:
                yield encoded(page)
        except Unauthenticated:
            yield b'event: refused\r\ndata: {"reason":"Unauthenticated"}\r\n\r\n'


def encoded(page: Page) -> bytes:
    """A page as events; made once for all who read the same page."""
    text = page.encoded.get(_FORMAT)
    if text is None:
        text = page.encoded[_FORMAT] = "".join(_events(page)).encode()
    return text


def _events(page: Page) -> list[str]:
    cursor = dict(page.before)
    found = []
    for line in page.lines:
        cursor[line.attempt] = line.seq
        found.append(f"id: {show_cursor(cursor)}\r\nevent: line\r\ndata: {line.json}\r\n\r\n")
    return found


def _command_id(value: str) -> str:
    operator, _, command_id = value.partition(".")
    if operator != "eq" or not 1 <= len(command_id) <= 63:
        raise Malformed("InvalidField", "command_id: eq.{id} is required", field="command_id")
    return command_id


class _Held(EventSourceResponse):
    """A stream that holds a place until it ends, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], give_back: Callable[[], None]) -> None:
        super().__init__(content, ping=15, send_timeout=SEND_SECONDS)
        self._give_back = give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return  # the reader took nothing for too long; the server closes a response that is not complete
        finally:
            self._give_back()
