"""Reading over HTTP in PostgREST's dialect, so that its clients work unchanged: what a query says (`conditions`,
`query`), what its reader may see of it (`scope`), and how the answer looks (`answer`, `errors`).

It writes no SQL: a query becomes a `store.reading.RowQuery`.
"""

from bugcommand_operator.gateway.rest.service import routes

__all__ = ["routes"]
