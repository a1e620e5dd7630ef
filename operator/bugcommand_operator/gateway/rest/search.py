"""`rpc/search_logs`: lines that hold all the words, within one namespace, the newest first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request

from bugcommand_operator.gateway.body import declared_size, read_body
from bugcommand_operator.gateway.readers import Reader, ReaderAuth
from bugcommand_operator.gateway.refusals import TooLarge, TryLater
from bugcommand_operator.gateway.rest.errors import BadQuery, NotNow, unreadable
from bugcommand_operator.gateway.rest.query import Asked, parse_query
from bugcommand_operator.gateway.rest.tables import SPAWN_LOGS
from bugcommand_operator.store.reading import LogReader

MAX_WORDS = 1000
MAX_FOUND = 500
_MAX_BODY = 16 << 10
_PARAMETERS = frozenset({"namespace", "query", "command_id", "repository", "since", "limit"})


@dataclass(frozen=True, slots=True)
class Search:
    namespace: str
    query: str
    command_id: str | None
    repository: str | None
    since: datetime | None
    limit: int

    def answer(self, headers: Mapping[str, str]) -> Asked:
        """The form of the answer, as for a table."""
        without = {name: value for name, value in headers.items() if name in ("accept",)}
        return parse_query(SPAWN_LOGS, [], without)


@dataclass(frozen=True, slots=True)
class SearchScope:
    repository: str | None


async def parse_search(request: Request) -> Search:
    """From the query string, or as a function is called: JSON in a body."""
    given = dict(request.query_params) if request.method in ("GET", "HEAD") else await _body(request)
    given.pop("apikey", None)
    unknown = sorted(set(given) - _PARAMETERS)
    if unknown:
        hint = f"It has {', '.join(sorted(_PARAMETERS))}."
        raise BadQuery("PGRST202", f"search_logs has no parameter {unknown[0][:80]}", hint=hint)
    values = {name: str(value) for name, value in given.items() if value is not None}
    for name in ("namespace", "query"):
        if not values.get(name, "").strip():
            raise BadQuery("PGRST202", f"search_logs needs the parameter {name}")
    if len(values["query"]) > MAX_WORDS:
        raise unreadable(f"query is longer than {MAX_WORDS} characters")
    return Search(
        namespace=SPAWN_LOGS.value("namespace", values["namespace"]),
        query=SPAWN_LOGS.value("message", values["query"]),
        command_id=SPAWN_LOGS.value("command_id", values["command_id"]) if values.get("command_id") else None,
        repository=SPAWN_LOGS.value("message", values["repository"]) if values.get("repository") else None,
        since=SPAWN_LOGS.value("ts", values["since"]) if values.get("since") else None,
        limit=min(max(SPAWN_LOGS.value("seq", values.get("limit", "100")), 0), MAX_FOUND),
    )


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await read_body(request, declared_size(request, _MAX_BODY))
    except TooLarge as error:
        raise unreadable("the body is too large") from error
    except TryLater as error:
        raise NotNow("PGRST003", str(error), retry_after=1) from error
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadQuery("PGRST102", "the body is not JSON") from error
    if not isinstance(given, dict):
        raise BadQuery("PGRST102", "the body is no JSON object")
    return given


async def search_scope(auth: ReaderAuth, reader: Reader, logs: LogReader, asked: Search) -> SearchScope | None:
    """In which repository to search, None in it for all; None when nothing of what was asked may be read."""
    repository = asked.repository
    if asked.command_id is not None:
        owner = (await logs.owners([asked.command_id])).get(asked.command_id)
        if owner is None or owner.namespace != asked.namespace:
            return None
        if repository is not None and repository != owner.repository:
            return None
        repository = owner.repository
    if reader.repositories is not None and repository is None:
        if len(reader.repositories) > 1:
            raise BadQuery("PGRST202", "search_logs needs the parameter repository: this token is bound to several")
        repository = next(iter(reader.repositories))
    allowed = await auth.may_read(reader, asked.namespace, repository or "")
    return SearchScope(repository) if allowed else None
