"""`.mentu` belongs to the ledger and to people: no commit of an agent may change it. Pure."""

from collections.abc import Iterable

SHOWN = 5


def mentu_paths_problem(paths: Iterable[str]) -> str:
    """An empty string, or which changed paths lie below `.mentu` (however it is spelled)."""
    inside = [path for path in paths if path.split("/")[0].casefold() == ".mentu"]
    if not inside:
        return ""
    return f"the commits change {len(inside)} path(s) below .mentu: {', '.join(inside[:SHOWN])!a}; take them out"
