"""Tables with the look of `kubectl get`: three spaces between columns, plain in pipes, phases in colour. Pure."""

from collections.abc import Sequence

from bugcommand_operator.cli.safe_text import visible

GAP = 3
_RED, _GREEN, _YELLOW, _CYAN, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[0m"
_COLOURS = {
    "Succeeded": _GREEN, "Failed": _RED, "Refused": _RED, "Cancelled": _YELLOW, "AwaitingApproval": _YELLOW,
    "Parked": _YELLOW, "Running": _CYAN, "Verifying": _CYAN, "Publishing": _CYAN,
}  # fmt: skip


class Table:
    """Widths stay as they were first, so that lines that come later stand below the same headers."""

    def __init__(self, headers: Sequence[str], *, colour: bool = False) -> None:
        self.headers = [header.upper() for header in headers]
        self._colour = colour
        self._widths: list[int] = []

    def lines(self, rows: Sequence[Sequence[object]]) -> list[str]:
        shown = [[cell(value) for value in row] for row in rows]
        if not self._widths:
            self._widths = [max(map(len, column)) for column in zip(self.headers, *shown, strict=True)]
            shown = [self.headers, *shown]
        return [self._line(row) for row in shown]

    def _line(self, row: Sequence[str]) -> str:
        padded = [text.ljust(width + GAP) for text, width in zip(row, self._widths, strict=True)]
        if self._colour:
            padded = [coloured(text) for text in padded]
        return "".join(padded).rstrip()


def cell(value: object) -> str:
    """One line, and harmless: what others wrote cannot reach the terminal."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return visible(str(value).replace("\n", " "))


def coloured(text: str) -> str:
    """A phase in its colour, anything else as it is."""
    colour = _COLOURS.get(text.strip())
    return f"{colour}{text}{_PLAIN}" if colour else text
