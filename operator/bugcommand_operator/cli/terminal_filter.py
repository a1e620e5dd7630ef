"""What of a recorded terminal's output a viewer's terminal may get: an allow-list, in one pass, over any pieces. Pure.

A recording holds what a stranger's program wrote. Sequences that draw pass: colours, cursor moves, erasing, the
alternate screen. All that asks the terminal something (its answer would be typed into the viewer's shell), that
reaches beyond the screen (clipboard, titles, notifications, files, printers, window sizes), or that changes what
keys and the mouse send is dropped, and so is everything unknown.
"""

import re
from dataclasses import dataclass

_PIECES = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+)"
    r"|(?P<string>(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x18\x1a\x1b\x9c]*(?P<end>\x07|\x18|\x1a|\x9c|\x1b\\|(?=\x1b[^\\]))?)"
    r"|(?P<csi>(?:\x1b\[|\x9b)(?P<args>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~])?)"
    r"|(?P<escape>\x1b(?P<middle>[ -/]*)(?P<letter>[0-OQ-WYZ\\`-~])?)"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f\ud800-\udfff])",
    re.DOTALL,
)
_CONTROLS = frozenset("\x08\t\n\x0b\x0c\r\x0e\x0f")
_LETTERS = frozenset("78DEMNO")
_CHARSETS = re.compile(r"[()*+][0AB]|#[34568]")
_DRAWING = frozenset("ABCDEFGHIJKLMPSXZ@`abdefjkmrsu")
_ALTERNATE = frozenset({"47", "1047", "1049"})
_SCREEN_MODES = frozenset({"5", "7", "12", "25", "1048", "2026"}) | _ALTERNATE
_NUMBERS = re.compile(r"\d{0,4}([;:]\d{0,4}){0,31}")
_MAX_SEQUENCE = 256

CLEAR = "\x1b[!p\x1b[H\x1b[2J"
LEAVE_ALTERNATE = "\x1b[?1049l"
RESET = "\x1b7\x1b[r\x1b8\x1b[?2026l\x1b[?5l\x1b[?7h\x1b[?12l\x1b[?25h\x1b[4l\x1b[0m\x1b(B\x1b)B\x0f\x1b[0 q"
"""Puts back what the allowed sequences can change, but for the alternate screen."""


@dataclass
class TerminalFilter:
    """`pass_on` what was written; it gives what may be shown. A sequence may be cut anywhere between two pieces."""

    on_alternate_screen: bool = False
    _held: str = ""
    _in_string: bool = False

    def pass_on(self, piece: str) -> str:
        text, self._held = self._held + piece, ""
        if self._in_string:
            text = self._rest_of_string(text)
        shown: list[str] = []
        for found in _PIECES.finditer(text):
            if found.end() == len(text) and self._holds(found):
                break
            shown.append(self._allowed(found))
        return "".join(shown)

    def _holds(self, found: re.Match[str]) -> bool:
        """Whether the last piece is a sequence that goes on. Of a string nothing is kept: it is dropped anyway."""
        if found["string"] is not None and found["end"] is None:
            self._in_string = True
            return True
        goes_on = found["csi"] is not None and found["final"] is None
        goes_on = goes_on or (found["escape"] is not None and found["letter"] is None)
        if goes_on and len(found[0]) <= _MAX_SEQUENCE:
            self._held = found[0]
            return True
        return False

    def _rest_of_string(self, text: str) -> str:
        """What follows a string that began in an earlier piece."""
        end = re.search(r"\x07|\x18|\x1a|\x9c|\x1b", text)
        if end is None:
            return ""
        self._in_string = False
        return text[end.start() if end[0] == "\x1b" else end.end() :]

    def _allowed(self, found: re.Match[str]) -> str:
        if found["text"] is not None:
            return found[0]
        if found["csi"] is not None:
            if found["final"] in ("h", "l"):
                return self._modes(found["args"], found["between"], found["final"])
            return _control_sequence(found["args"], found["between"], found["final"] or "")
        if found["escape"] is not None:
            return _escape(found["middle"], found["letter"] or "")
        return found[0] if found["control"] in _CONTROLS else ""

    def _modes(self, args: str, between: str, final: str) -> str:
        """Those modes that only concern what is drawn; the others of the same sequence are left out."""
        if args == "4" and not between:
            return f"\x1b[4{final}"
        if not args.startswith("?") or between:
            return ""
        kept = [mode for mode in args[1:].split(";") if mode in _SCREEN_MODES]
        if _ALTERNATE.intersection(kept):
            self.on_alternate_screen = final == "h"
        return f"\x1b[?{';'.join(kept)}{final}" if kept else ""


def _escape(middle: str, letter: str) -> str:
    if letter == "c" and not middle:
        return CLEAR  # a full reset would take the viewer's scrollback along
    allowed = _CHARSETS.fullmatch(middle + letter) if middle else letter in _LETTERS
    return f"\x1b{middle}{letter}" if allowed else ""


def _control_sequence(args: str, between: str, final: str) -> str:
    sequence = f"\x1b[{args}{between}{final}"
    if between:
        return sequence if (args + between + final) == "!p" or _is_cursor_shape(args, between, final) else ""
    private, numbers = args[:1] == "?", args.removeprefix("?")
    if not _NUMBERS.fullmatch(numbers):
        return ""
    if private or final == "J":  # 3 would erase the viewer's scrollback
        return sequence if final in ("J", "K") and numbers in ("", "0", "1", "2") else ""
    return sequence if final in _DRAWING or (final == "T" and ";" not in args) else ""


def _is_cursor_shape(args: str, between: str, final: str) -> bool:
    return between == " " and final == "q" and args in ("", "0", "1", "2", "3", "4", "5", "6")
