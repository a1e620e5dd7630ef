"""What the live feed needs of the store."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from bugcommand_operator.store.lines import AttemptKey, LogRow, Progress


class Owner(Protocol):
    """Whose a command's log is."""

    @property
    def namespace(self) -> str: ...

    @property
    def repository(self) -> str: ...


class LineSource(Protocol):
    """What is committed. All of it raises `StoreError` when the store is away."""

    async def lines_after(self, command_id: str, cursor: Mapping[int, int], limit: int) -> list[LogRow]:
        """The next lines after the cursor, sorted by attempt and sequence."""
        ...

    async def progress(self, command_ids: Collection[str]) -> Mapping[AttemptKey, Progress]: ...

    async def owners(self, command_ids: Collection[str]) -> Mapping[str, Owner]: ...


class RowSource(Protocol):
    """Rows of `bridge_commands`, as they are now."""

    async def row(self, row_id: str) -> Mapping[str, Any] | None: ...
