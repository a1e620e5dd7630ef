"""Take known secrets out of text: whole, in pieces of 16 characters or more, as hex and as base64 at each alignment;
and what a line break has cut in two. Pure, and quick: every line of every agent passes here.

Each stretch of eight characters of a secret's forms is in a table. A piece of 16 characters holds, wherever it stands,
one stretch that begins at a multiple of eight, so every eighth position of a text is looked up and no other. The same
holds of bytes, of which eight are a number: a text without any such number, as nearly every one is, is done with.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

REDACTED = "[redacted]"
_WINDOW = 8
_PIECE = 16
_SHORTEST_SECRET = 6
_PREFIX = 6
_MOST_PLACES = 8
_AROUND = " \t│|⎿⏎…"
"""What stands between the two halves of a text that a terminal or a report has wrapped."""
_AROUND_SET = frozenset(_AROUND)

Place = tuple[str, int]
Span = tuple[int, int]


@dataclass(frozen=True)
class _Table:
    forms: frozenset[str] = frozenset()
    short: tuple[str, ...] = ()
    windows: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    ends: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    """The last characters that a form's beginning may end in, and how much of the form that is."""
    starts: frozenset[str] = frozenset()
    """Beginnings that are too short to be told by their ends."""
    numbers: frozenset[int] = frozenset()
    """Each stretch of eight bytes."""
    longest: int = 0


class Redactor:
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._table = _Table()
        self._cut: dict[str, list[Place]] = {}
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        found = self._table.forms.union(form for secret in secrets for form in _forms(secret.strip()))
        if found != self._table.forms:
            self._table = _table(found)

    @property
    def longest(self) -> int:
        return self._table.longest

    def __call__(self, text: str) -> str:
        spans = self.spans(text)
        return _without(text, spans) if spans else text

    def lines(self, stream: str, texts: Sequence[str]) -> Sequence[str]:
        """As `line` for each; at first they are looked at together, for hardly ever is there anything to find."""
        table = self._table
        if not table.forms:
            return texts
        begun = stream in self._cut or not table.ends.keys().isdisjoint(_ends(texts))
        if not begun and not self.spans("\n".join(texts)):
            return texts
        return [self.line(stream, text) for text in texts]

    def line(self, stream: str, text: str) -> str:
        """A line that continues those of its stream: a secret that was begun there is hidden here too."""
        table = self._table
        if not table.windows:
            return self(text)
        spans = self.spans(text)
        cut = self._cut.pop(stream, None)
        going_on: list[Place] = []
        if cut is not None:
            going_on = _continued(text, cut, spans)
        end = text.rstrip(_AROUND)
        for form, size in table.ends.get(end[-_PREFIX:], ()):
            if size < len(form) and end.endswith(form[:size]):
                spans.append((len(end) - size, len(end)))
                going_on.append((form, size))
        if going_on:
            self._cut[stream] = going_on
        return _without(text, spans) if spans else text

    def begun(self, text: str) -> int:
        """How many characters at the end of the text, blanks and all, may be the beginning of a secret."""
        table, end = self._table, text.rstrip(_AROUND)
        sizes = [size for form, size in table.ends.get(end[-_PREFIX:], ()) if end.endswith(form[:size])]
        sizes += [size for size in range(1, _PIECE) if size <= len(end) and end[-size:] in table.starts]
        return max(sizes) + len(text) - len(end) if sizes else 0

    def spans(self, text: str) -> list[Span]:
        table = self._table
        found = [span for form in table.short for span in _whole(text, form)]
        if not table.numbers.isdisjoint(_numbers(text)):
            found += _pieces(text, table.windows)
        return found


def _table(forms: frozenset[str]) -> _Table:
    windows, ends, numbers = defaultdict(list), defaultdict(list), set[int]()
    for form in sorted(forms, key=lambda each: (-len(each), each)):
        if len(form) < _PIECE:
            continue
        for start in range(len(form) - _WINDOW + 1):
            windows[form[start : start + _WINDOW]].append((form, start))
        for size in range(_PREFIX, len(form)):
            ends[form[size - _PREFIX : size]].append((form, size))
        data = form.encode("utf-8", "surrogatepass")
        numbers.update(number for start in range(_WINDOW) for number in _numbers_from(data, start))
    return _Table(
        forms,
        tuple(sorted((form for form in forms if len(form) < _PIECE), key=lambda form: (-len(form), form))),
        {key: tuple(places[:_MOST_PLACES]) for key, places in windows.items()},
        {key: tuple(places[:_MOST_PLACES]) for key, places in ends.items()},
        frozenset(form[:size] for form in forms for size in range(1, _PREFIX if len(form) >= _PIECE else len(form))),
        frozenset(numbers),
        max((len(form) for form in forms), default=0),
    )


def _numbers(text: str) -> Sequence[int]:
    """Each eight bytes of it."""
    return _numbers_from(text.encode("utf-8", "surrogatepass"), 0)


def _numbers_from(data: bytes, start: int) -> Sequence[int]:
    whole = (len(data) - start) // _WINDOW * _WINDOW
    return memoryview(data)[start : start + whole].cast("Q").tolist()


def _ends(texts: Sequence[str]) -> Sequence[str]:
    """The last characters of each that are not around it: most have none around them."""
    if _AROUND_SET.isdisjoint({text[-1:] for text in texts}):
        return [text[-_PREFIX:] for text in texts]
    return [text.rstrip(_AROUND)[-_PREFIX:] for text in texts]


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < _SHORTEST_SECRET:
        return
    yield secret
    raw = secret.encode("utf-8", "replace")
    yield raw.hex()
    for shift in range(3):  # base64 looks different at each of the three alignments
        body = base64.b64encode(b"\0" * shift + raw).decode()
        core = body[(0, 2, 3)[shift] : len(body) - (0, 3, 2)[(shift + len(raw)) % 3]]
        if len(core) >= _WINDOW:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def _whole(text: str, form: str) -> Iterator[Span]:
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + len(form))


def _pieces(text: str, windows: dict[str, tuple[Place, ...]]) -> Iterator[Span]:
    """Every piece of a form, as far as the form goes on there."""
    done = 0
    for at in range(0, len(text) - _WINDOW + 1, _WINDOW):
        if at + _WINDOW <= done:
            continue
        for form, start in windows.get(text[at : at + _WINDOW], ()):
            left, right = _widened(text, form, at, start)
            if right - left >= _PIECE:
                done = max(done, right)
                yield left, right


def _widened(text: str, form: str, at: int, start: int) -> Span:
    left, right = at, at + _WINDOW
    while left > 0 and at - left < start and text[left - 1] == form[start - (at - left) - 1]:
        left -= 1
    while right < len(text) and start + right - at < len(form) and text[right] == form[start + right - at]:
        right += 1
    return left, right


def _continued(text: str, cut: list[Place], spans: list[Span]) -> list[Place]:
    """Hide what goes on here of forms that were begun before; which of them go on after this line."""
    lead = len(text) - len(text.lstrip(_AROUND))
    end = len(text.rstrip(_AROUND))
    going_on: list[Place] = []
    for form, size in cut:
        right = lead
        while right < end and size + right - lead < len(form) and text[right] == form[size + right - lead]:
            right += 1
        is_all = right == end or size + right - lead == len(form)
        if right > lead and (is_all or right - lead >= _PREFIX // 2):
            spans.append((lead, right))
            if right == end and size + right - lead < len(form):
                going_on.append((form, size + right - lead))
    return going_on


def _without(text: str, spans: list[Span]) -> str:
    parts: list[str] = []
    end_of_last = 0
    for start, end in sorted(spans):
        if start >= end_of_last:
            parts += [text[end_of_last:start], REDACTED]
        end_of_last = max(end_of_last, end)
    return "".join([*parts, text[end_of_last:]])
