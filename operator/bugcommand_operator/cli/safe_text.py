"""Text from elsewhere, made harmless for a terminal: every control character is shown, none is sent. Pure.

Agents' lines hold what strangers wrote. An escape sequence could rewrite what was shown before, fill the clipboard,
or make the terminal type an answer into the shell; direction marks can make a line read as another one.
"""

import json
import re
from typing import Any

_DIRECTION = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufff9-\ufffb{_DIRECTION}\U000e0000-\U000e007f]")
_NOT_IN_JSON = re.compile(
    "[\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The same text with each character that a terminal would obey replaced by a sign for it. Tabs stay."""
    return _UNSAFE.sub(_sign, text)


def json_line(value: dict[str, Any]) -> str:
    """One JSON object on one line, exact for who parses it, and harmless for who looks at it."""
    return _NOT_IN_JSON.sub(_escaped, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def json_text(value: dict[str, Any], indent: int) -> str:
    """The same over many lines."""
    return _NOT_IN_JSON.sub(_escaped, json.dumps(value, ensure_ascii=False, indent=indent))


def _sign(found: re.Match[str]) -> str:
    """The control characters have pictures of their own (U+2400 and on): an escape is seen as `␛`."""
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"<U+{code:04X}>"


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f"
