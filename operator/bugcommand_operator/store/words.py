"""What a word of a log is: a run of letters and digits, in lower case. The same in both databases and in the
program, which looks at each line again that an index has found.

ASCII is exact; beyond it everything is a letter but the blocks of punctuation, symbols, lines and pictures
that logs are decorated with. A database's own idea of a letter would depend on its locale.
"""

import re
from collections.abc import Iterable

INDEXED_CHARACTERS = 2000
"""How much of each line can be found by its words."""

WORD_CHARACTERS = 64
"""How much of a word counts: a hash or a line of base64 is found by its beginning."""

_SEPARATORS = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7"
    r"\u2000-\u2bff\u3000-\u303f\ue000-\uf8ff\ufe00-\ufe6f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
    r"\ufff0-\uffff\U0001f000-\U0001faff"
)
_BETWEEN = re.compile(f"[\\x00{_SEPARATORS}]+")
_ASCII_BETWEEN = {code: " " for code in range(128) if _BETWEEN.match(chr(code))}
"""The same for text that is ASCII, as most is: five times as fast."""

SQLITE_TABLE = (
    # It keeps no text (`content=''`): a chunk remembers its words. The tokenizer splits at ASCII only, where the
    # program has already put spaces between the words.
    "CREATE VIRTUAL TABLE spawn_log_words USING fts5("
    """words, content='', detail=none, tokenize="ascii tokenchars ':'")"""
)


def words_of(text: str) -> set[str]:
    """The different words of a line, as far as it is indexed."""
    return words_of_all([text])


def words_of_all(texts: Iterable[str]) -> set[str]:
    """The different words of lines. They are split together: most words of a log are in many lines."""
    everything = "\n".join([text[:INDEXED_CHARACTERS] for text in texts]).lower()
    found = everything.translate(_ASCII_BETWEEN).split() if everything.isascii() else _BETWEEN.split(everything)
    return {word[:WORD_CHARACTERS] for word in set(found) if word}


def scope_words(namespace: str, repository: str, command_id: str) -> list[str]:
    """Words that no text has (they hold a colon): a search of one tenant does not walk through another's."""
    names = {"n": namespace, "r": f"{namespace}/{repository}", "c": command_id}
    return [f"{kind}:{name.encode().hex()}" for kind, name in names.items()]


_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION mentu_words(text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(DISTINCT left(word, {length})), '{{}}')
  FROM regexp_split_to_table(left({lowered}, {characters}), E'[{separators}]+') AS word
  WHERE word <> ''
$$"""


def postgres_function(*, with_icu: bool) -> str:
    """`mentu_words(text)`: the words of one line, as an array."""
    lowered = 'lower($1 COLLATE "und-x-icu")' if with_icu else "lower($1)"
    return _POSTGRES_FUNCTION.format(
        length=WORD_CHARACTERS, lowered=lowered, characters=INDEXED_CHARACTERS, separators=_SEPARATORS
    )
