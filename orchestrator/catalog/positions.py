"""The line of each key and table of a TOML text, which the standard parser does not tell.

The text has to be valid: `tomllib` has read it before. So this scanner may skip over values instead of
understanding them.
"""

import re
import tomllib
from collections import Counter

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|#[^\n]*"
    r"|[\[\]{}=,.\n]"
    r"""|[^\s\[\]{}=,.#"']+""",
    re.DOTALL,
)


def locate(text: str) -> dict[Path, int]:
    """Line (from 1) by path, such as `("nodes", 0, "gpus", 2, "type")`. `text` is valid TOML."""
    return _Scanner(text).lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._lengths: Counter[Path] = Counter()
        self._tokens: list[tuple[str, int]] = []
        line, seen = 1, 0
        for found in _TOKEN.finditer(text + "\n"):
            line += text.count("\n", seen, found.start())
            seen = found.start()
            if not found.group().startswith("#"):
                self._tokens.append((found.group(), line))
        self._at = 0
        table: Path = ()
        while self._at < len(self._tokens):
            if self._skipped("\n"):
                continue
            if self._skipped("["):
                table = self._header()
            else:
                self._pair(table)

    def _skipped(self, *expected: str) -> bool:
        """Whether the next token is an expected one, which is then taken."""
        found = self._tokens[self._at][0] in expected
        self._at += found
        return found

    def _header(self) -> Path:
        many = self._skipped("[")
        parts, line = self._key("]")
        path: Path = ()
        for number, part in enumerate(parts, start=1):
            path = (*path, part)
            self.lines.setdefault(path, line)
            self._lengths[path] += many and number == len(parts)
            if self._lengths[path]:
                path = (*path, self._lengths[path] - 1)
                self.lines.setdefault(path, line)
        self._at += many
        return path

    def _key(self, end: str) -> tuple[list[str], int]:
        """The parts of a dotted key, and its line; takes `end` as well."""
        parts: list[str] = []
        line = self._tokens[self._at][1]
        while not self._skipped(end):
            word = self._tokens[self._at][0]
            if not self._skipped("."):
                parts.append(tomllib.loads(f"key = {word}")["key"] if word[0] in "\"'" else word)
                self._at += 1
        return parts, line

    def _pair(self, table: Path) -> None:
        parts, line = self._key("=")
        for number in range(1, len(parts) + 1):
            self.lines.setdefault((*table, *parts[:number]), line)
        self._value((*table, *parts))

    def _value(self, path: Path) -> None:
        if self._skipped("["):
            number = 0
            while not self._skipped("]"):
                if not self._skipped("\n", ","):
                    self.lines[(*path, number)] = self._tokens[self._at][1]
                    self._value((*path, number))
                    number += 1
        elif self._skipped("{"):
            while not self._skipped("}"):
                if not self._skipped("\n", ","):
                    self._pair(path)
        else:
            while self._tokens[self._at][0] not in ("\n", ",", "]", "}"):
                self._at += 1
