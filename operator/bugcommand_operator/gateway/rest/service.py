"""The routes below /rest/v1: who asks, what they ask, what they may see of it, and the answer.

Order matters: nothing is looked up for somebody unknown, and few questions are open at the store at a time, so that
reading does not hold up the intake.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bugcommand_operator.cluster.token_review import IdentityError, IdentityUnavailable
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.readers import Reader, ReaderAuth, client_of, token_of
from bugcommand_operator.gateway.rest import errors
from bugcommand_operator.gateway.rest.answer import Streamed, head, named, respond
from bugcommand_operator.gateway.rest.conditions import Compare, Condition
from bugcommand_operator.gateway.rest.pieces import Form, pages_form
from bugcommand_operator.gateway.rest.query import Asked, check_profile, check_size, parse_query
from bugcommand_operator.gateway.rest.scope import Permitted, permitted
from bugcommand_operator.gateway.rest.search import parse_search, search_scope
from bugcommand_operator.gateway.rest.slots import Slots
from bugcommand_operator.gateway.rest.tables import SPAWN_LOGS, TABLES
from bugcommand_operator.store.errors import BadQuery, StoreError, StoreRejected, TooBroad
from bugcommand_operator.store.pages import FAST, PageReader, Piece
from bugcommand_operator.store.queries import Group
from bugcommand_operator.store.reading import Filter, LogReader, Order, RowQuery

COUNT_BOUND = {"exact": 1_000_000, "planned": 10_000, "estimated": 10_000}
Handler = Callable[[Request, Reader], Awaitable[Response]]


@dataclass(frozen=True)
class Rest:
    auth: ReaderAuth
    logs: LogReader
    pages: PageReader
    metrics: Metrics
    slots: Slots
    streams: Slots

    async def table(self, request: Request, reader: Reader) -> Response:
        name = request.url.path.rpartition("/")[2]
        table = TABLES.get(name)
        if table is None:
            message = f"Could not find the table 'public.{name[:80]}' in the schema cache"
            raise errors.NotHere("PGRST205", message, hint=f"There are {', '.join(sorted(TABLES))}.")
        if request.method not in ("GET", "HEAD"):
            raise errors.NotAllowed("PGRST117", f"Unsupported HTTP method: {request.method}")
        asked = parse_query(table, request.query_params.multi_items(), request.headers)
        allowed = await permitted(self.auth, reader, self.logs, table, asked.conditions)
        if allowed.nothing:
            return respond(asked, [], 0 if asked.count else None)
        query = row_query(asked, allowed)
        if table.name in FAST and asked.accepted.form != "object":
            return await self._page(asked, query, reader)
        async with self.slots.take(reader.name):
            rows = await self.logs.rows(query)
            total = await self._total(asked, query, len(rows)) if asked.count else None
        return respond(asked, named(rows, asked.select), total)

    async def _page(self, asked: Asked, query: RowQuery, reader: Reader) -> Response:
        """What one piece does not hold is streamed, in the same snapshot; a slow reader takes no question's slot."""
        async with AsyncExitStack() as held, self.slots.take(reader.name):
            names = [(selected.column, selected.name) for selected in asked.select]
            pieces = await held.enter_async_context(aclosing(self.pages.pieces(query, names)))
            first = await anext(pieces)
            total = await self._total(asked, query, first.whole) if asked.count else None
            status, headers = head(asked, first.whole, total)
            form = pages_form(asked)
            if first.rows == first.whole:
                return Response(b"".join((form.begin, form.encode(first.text), form.end)), status, headers)
            await held.enter_async_context(self.streams.take(reader.name))
            return Streamed(_streamed(form, first, pieces), status, headers, held.pop_all().aclose)
        raise AssertionError("unreachable")

    async def _total(self, asked: Asked, query: RowQuery, found: int) -> int | None:
        """None when there are more than are worth counting."""
        if 0 < found < query.limit:
            return asked.offset + found  # the last page tells
        bound = COUNT_BOUND[asked.count or "exact"]
        total = await self.logs.count(query, bound)
        return total if total < bound else None

    async def search(self, request: Request, reader: Reader) -> Response:
        asked = await parse_search(request)
        allowed = await search_scope(self.auth, reader, self.logs, asked)
        rows = []
        if allowed is not None:
            async with self.slots.take(reader.name):
                rows = await self.logs.search(
                    asked.namespace,
                    asked.query,
                    command_id=asked.command_id,
                    repository=allowed.repository,
                    limit=asked.limit,
                    since=asked.since,
                )
        found = [{name: getattr(row, name) for name in SPAWN_LOGS.columns} for row in rows]
        return respond(asked.answer(request.headers), found, None)


async def _streamed(form: Form, first: Piece, pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    yield form.begin + form.encode(first.text)
    async for piece in pieces:
        if piece.rows:
            yield form.between + form.encode(piece.text)
    yield form.end


def row_query(asked: Asked, allowed: Permitted) -> RowQuery:
    filters = [_filter(condition) for condition in asked.conditions]
    if allowed.commands is not None:
        filters.append(_among(asked.table.command_column, allowed.commands))
    columns = tuple(dict.fromkeys(selected.column for selected in asked.select))
    return RowQuery(
        columns=columns,
        filters=tuple(filters),
        order=tuple(Order(ordered.column, ordered.descending) for ordered in asked.order),
        limit=2 if asked.accepted.form == "object" else asked.limit,
        offset=asked.offset,
        scope=allowed.scope,
        table=asked.table.name,
    )


def _among(column: str, values: tuple[str, ...]) -> Filter:
    return Filter(column, "eq", values[0]) if len(values) == 1 else Filter(column, "in", values)


def _filter(condition: Condition) -> Filter | Group:
    if isinstance(condition, Compare):
        return Filter(condition.column, condition.op, condition.value, condition.negated)
    return Group(tuple(map(_filter, condition.parts)), condition.kind == "or", condition.negated)


def routes(auth: ReaderAuth, logs: LogReader, pages: PageReader, metrics: Metrics) -> list[BaseRoute]:
    rest = Rest(auth, logs, pages, metrics, Slots(), Slots(4, 2))

    def answering(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await handler(request, await _identify(rest, request))
            except errors.RestError as error:
                metrics.reads_refused.labels(error.code).inc()
                return error.response()
            except IdentityUnavailable:
                return identity_unavailable().response()
            except ClientDisconnect:
                return Response(status_code=400)
            except StoreError as error:
                refusal = of_store(error)
                metrics.reads_refused.labels(refusal.code).inc()
                return refusal.response()

        return answer

    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    tables = [Route(f"/rest/v1/{name}", answering(rest.table)) for name in TABLES]
    return [
        *tables,
        Route("/rest/v1/rpc/search_logs", answering(rest.search), methods=["GET", "POST"]),
        Route("/rest/v1/rpc/{function}", answering(_no_function), methods=every, include_in_schema=False),
        Route("/rest/v1/{table}", answering(rest.table), methods=every, include_in_schema=False),
    ]


async def _no_function(request: Request, _reader: Reader) -> Response:
    name = request.path_params["function"][:80]
    message = f"Could not find the function public.{name} in the schema cache"
    raise errors.NotHere("PGRST202", message, hint="There is search_logs.")


async def _identify(rest: Rest, request: Request) -> Reader:
    check_size(request.scope.get("query_string", b""))
    token = token_of(request)
    if not token:
        raise errors.NeedsToken("PGRST302", "Anonymous access is disabled", hint="Send Authorization: Bearer <token>.")
    try:
        reader = await rest.auth.identify(token, client_of(request))
    except IdentityUnavailable as error:
        raise identity_unavailable() from error
    except IdentityError as error:
        raise errors.NeedsToken("PGRST301", str(error)) from error
    check_profile(request.headers)
    return reader


def identity_unavailable() -> errors.NotNow:
    return errors.NotNow("IdentityUnavailable", "the API server cannot be asked now", retry_after=1)


def of_store(error: StoreError) -> errors.RestError:
    """The store's errors, without the driver's words: they may quote what was asked."""
    if isinstance(error, BadQuery):
        return errors.BadQuery("PGRST100", str(error))
    if isinstance(error, TooBroad):
        return errors.BadQuery("57014", "this reads too much at once", hint=str(error))
    if isinstance(error, StoreRejected):
        return errors.BadQuery("22P02", "the database does not take these values")
    return errors.NotNow("PGRST000", "the log store cannot be read now", retry_after=1)
