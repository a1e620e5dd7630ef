"""PostgREST's filters as a tree: `column=op.value`, `column=not.op.value`, `or=(…)`, `and=(…)`, one within another.

A grammar for strangers' input: bounded in depth and number, and what it does not know it refuses by name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from bugcommand_operator.gateway.rest.errors import BadQuery, unreadable
from bugcommand_operator.gateway.rest.tables import Table

Operator = Literal["eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "like", "ilike"]
OPERATORS: frozenset[str] = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "like", "ilike"})
_IS = {"null": None, "true": True, "false": False}
MAX_CONDITIONS = 100
MAX_DEPTH = 5
MAX_VALUES = 1000
MAX_VALUES_IN_ALL = 2000


@dataclass(frozen=True, slots=True)
class Compare:
    column: str
    op: Operator
    value: Any
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Junction:
    kind: Literal["and", "or"]
    parts: "tuple[Condition, ...]"
    negated: bool = False


Condition = Compare | Junction


def parse_condition(table: Table, key: str, text: str) -> Condition:
    """One parameter of a query string."""
    negated = key in ("not.and", "not.or")
    kind = key.removeprefix("not.")
    condition: Condition
    if kind in ("and", "or"):
        condition = _Tree(table, text).junction(kind, negated=negated)
    else:
        condition = _comparison(table, _unquoted(key), text)
    return condition


def check_number(conditions: Iterable[Condition]) -> None:
    """Of all that a request asks: each value is a part of the statement that the database has to understand."""
    compared = [leaf for condition in conditions for leaf in leaves(condition)]
    if len(compared) > MAX_CONDITIONS:
        raise unreadable(f"there are more than {MAX_CONDITIONS} conditions")
    if sum(len(leaf.value) for leaf in compared if leaf.op == "in") > MAX_VALUES_IN_ALL:
        raise unreadable(f"the lists have more than {MAX_VALUES_IN_ALL} values together")


def leaves(condition: Condition) -> Iterator[Compare]:
    if isinstance(condition, Compare):
        yield condition
    else:
        for part in condition.parts:
            yield from leaves(part)


def _comparison(table: Table, column: str, text: str) -> Compare:
    """`op.value` or `not.op.value`; the value reaches to the end."""
    table.kind(column)
    negated = text.startswith("not.")
    op, dot, rest = text.removeprefix("not.").partition(".")
    if not dot or op not in OPERATORS:
        hint = f"One of {', '.join(sorted(OPERATORS))}, then a dot and a value."
        raise unreadable(f'"{text[:80]}" is no filter for {column}', hint)
    return _compare(table, column, op, rest, negated=negated)


def _compare(table: Table, column: str, op: str, text: str, *, negated: bool) -> Compare:
    value: Any
    _check_kind(table, column, op, text)
    if op == "in":
        value = tuple(table.value(column, item) for item in _list(text))
    elif op == "is":
        value, negated = _is(text, negated=negated)
    elif op in ("like", "ilike"):
        value = text.replace("*", "%")
    else:
        value = table.value(column, text)
    return Compare(column, cast(Operator, op), value, negated)


def _check_kind(table: Table, column: str, op: str, text: str) -> None:
    """What Postgres has no operator for, or none that means much; SQLite would compare anything."""
    kind = table.kind(column)
    if op == "is":
        fits = kind == "boolean" or text.lower() not in ("true", "false")
    elif op in ("like", "ilike"):
        fits = kind == "text"
    else:
        fits = kind != "json" and (kind != "boolean" or op in ("eq", "neq", "in"))
    if not fits:
        raise BadQuery("42883", f"operator does not exist: {column} {op}", hint=f"{column} is of type {kind}.")


def _is(text: str, *, negated: bool) -> tuple[bool | None, bool]:
    word = text.lower()
    if word == "not_null":
        return None, not negated
    if word not in _IS:
        raise unreadable(f'"{text[:80]}" cannot follow is', "One of null, not_null, true, false.")
    return _IS[word], negated


def _list(text: str) -> list[str]:
    """`(a,b,"c,d")`."""
    if not (text.startswith("(") and text.endswith(")")):
        raise unreadable(f'"{text[:80]}" is no list', "in.(one,two)")
    reader = _Tree(None, text)
    reader.expect("(")
    items: list[str] = []
    while not reader.take(")"):
        if items:
            reader.expect(",")
        items.append(reader.literal())
        if len(items) > MAX_VALUES:
            raise unreadable(f"a list has more than {MAX_VALUES} values")
    reader.end()
    return items


def _unquoted(name: str) -> str:
    return name[1:-1].replace('\\"', '"') if len(name) >= 2 and name[0] == name[-1] == '"' else name


class _Tree:
    """A reader of `(a.eq.1,and(b.gt.2,c.lt.3))`, left to right."""

    def __init__(self, table: Table | None, text: str) -> None:
        self._table, self._text, self._at = table, text, 0
        self._seen = 0

    def junction(self, kind: str, *, negated: bool) -> Junction:
        found = self._junction(kind, negated=negated, depth=1)
        self.end()
        return found

    def _junction(self, kind: str, *, negated: bool, depth: int) -> Junction:
        if depth > MAX_DEPTH:
            raise unreadable(f"conditions are nested more than {MAX_DEPTH} deep")
        self.expect("(")
        parts = [self._condition(depth)]
        while self.take(","):
            parts.append(self._condition(depth))
        self.expect(")")
        return Junction("or" if kind == "or" else "and", tuple(parts), negated)

    def _condition(self, depth: int) -> Condition:
        self._seen += 1
        if self._seen > MAX_CONDITIONS:
            raise unreadable(f"there are more than {MAX_CONDITIONS} conditions")
        for word in ("and", "or"):
            for prefix in ("", "not."):
                if self.take(f"{prefix}{word}("):
                    self._at -= 1
                    return self._junction(word, negated=bool(prefix), depth=depth + 1)
        return self._leaf()

    def _leaf(self) -> Compare:
        assert self._table is not None  # noqa: S101 (lists have no conditions)
        column = self.literal(until=".")
        self.expect(".")
        negated = self.take("not.")
        op = self.literal(until=".")
        self.expect(".")
        if op not in OPERATORS:
            raise unreadable(f'"{op[:80]}" is no filter for {column}', f"One of {', '.join(sorted(OPERATORS))}.")
        self._table.kind(column)
        text = self._parenthesised() if op == "in" else self.literal()
        return _compare(self._table, column, op, text, negated=negated)

    def literal(self, until: str = ",)") -> str:
        """A bare text up to one of these characters, or a quoted one, in which a backslash keeps what follows."""
        if self.take('"'):
            return self._quoted()
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in until:
            self._at += 1
        return self._text[start : self._at]

    def _quoted(self) -> str:
        found: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(found)
            if character == "\\" and self._at < len(self._text):
                character = self._text[self._at]
                self._at += 1
            found.append(character)
        raise unreadable("a quotation mark is not closed")

    def _parenthesised(self) -> str:
        """The text of a list, as far as its own closing parenthesis."""
        start = self._at
        self.expect("(")
        while not self.take(")"):
            self.literal()
            if self._at >= len(self._text):
                raise unreadable("a parenthesis is not closed")
            self.take(",")
        return self._text[start : self._at]

    def take(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found

    def expect(self, text: str) -> None:
        if not self.take(text):
            near = self._text[self._at : self._at + 20]
            raise unreadable(f'expected "{text}" at character {self._at + 1}, found "{near}"')

    def end(self) -> None:
        if self._at != len(self._text):
            raise unreadable(f'nothing may follow at character {self._at + 1}: "{self._text[self._at :][:20]}"')
