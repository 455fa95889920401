"""Lines of keys and tables in any valid TOML."""

# ruff: noqa: E501 (tables read best with one case a line)

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalog.positions import Path, locate

CASES = [
    ("a = 1\n\nb = 2", {("a",): 1, ("b",): 3}),
    ("# a = 1\n[t] # [u]\na.b = 'x' # c = 1", {("t",): 2, ("t", "a"): 3, ("t", "a", "b"): 3}),
    ("[a.b]\nc = 1", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 2}),
    ("a = [\n  1, # one\n  [2,\n3],\n]\nb = 2", {("a",): 1, ("a", 0): 2, ("a", 1): 3, ("a", 1, 0): 3, ("a", 1, 1): 4,
                                                    ("b",): 6}),
    ("a = { b = 1, c.d = [2] }", {("a",): 1, ("a", "b"): 1, ("a", "c"): 1, ("a", "c", "d"): 1, ("a", "c", "d", 0): 1}),
    ("a = [{ x = 1 },\n{ x = 2 }]", {("a",): 1, ("a", 0): 1, ("a", 0, "x"): 1, ("a", 1): 2, ("a", 1, "x"): 2}),
    ('"a.b" = 1\n\'c d\' . "\\u0065" = 2', {("a.b",): 1, ("c d",): 2, ("c d", "e"): 2}),
    ('a = """\n[x]\nb = 1 \\"""\n"""\nc = 1', {("a",): 1, ("c",): 5}),
    ('a = """x"""""\nc = 1', {("a",): 1, ("c",): 2}),
    ("a = '''\n[x]\nb = '1'\n''''\nc = 1", {("a",): 1, ("c",): 5}),
    ('a = "\\"#"\nb = \'\\\'\nc = 1979-05-27 07:32:00.5\nd = 1.5e3', {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4}),
    ("[[n]]\nx = 1\n[[n.g]]\ny = 1\n[[n.g]]\ny = 2\n[n.t]\nz = 1\n[[n]]\n[[n.g]]\ny = 3", {
        ("n",): 1, ("n", 0): 1, ("n", 0, "x"): 2, ("n", 0, "g"): 3, ("n", 0, "g", 0): 3, ("n", 0, "g", 0, "y"): 4,
        ("n", 0, "g", 1): 5, ("n", 0, "g", 1, "y"): 6, ("n", 0, "t"): 7, ("n", 0, "t", "z"): 8,
        ("n", 1): 9, ("n", 1, "g"): 10, ("n", 1, "g", 0): 10, ("n", 1, "g", 0, "y"): 11}),
    ("a = 1\r\n[b]\r\nc = 2\r\n", {("a",): 1, ("b",): 2, ("b", "c"): 3}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "lines"), CASES)
def test_lines(text: str, lines: dict[Path, int]):
    tomllib.loads(text)
    assert locate(text) == lines


keys = st.text(max_size=6)
scalars = st.one_of(st.integers(), st.booleans(), st.text(max_size=12), st.floats(allow_nan=False))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(keys, values, max_size=4)


def quoted(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


class Writer:
    """Writes TOML with every member of a list on a line of its own, and notes the lines."""

    def __init__(self) -> None:
        self.text, self.lines = "", {}

    def table(self, path: Path, members: dict[str, Any], *, inline: bool) -> None:
        for number, (key, value) in enumerate(members.items()):
            self.text += ", " if inline and number else ""
            self.lines[(*path, key)] = self.text.count("\n") + 1
            self.text += f"{quoted(key)} = "
            self.value((*path, key), value)
            self.text += "" if inline else " # comment = 1\n"

    def value(self, path: Path, value: Any) -> None:
        if isinstance(value, dict):
            self.text += "{"
            self.table(path, value, inline=True)
            self.text += "}"
        elif isinstance(value, list):
            self.text += "["
            for number, member in enumerate(value):
                self.text += "\n"
                self.lines[(*path, number)] = self.text.count("\n") + 1
                self.value((*path, number), member)
                self.text += ", # [x]"
            self.text += "\n]"
        elif isinstance(value, float):
            self.text += repr(value)
        else:
            self.text += quoted(value) if isinstance(value, str) else json.dumps(value)


def without_surrogates(value: object) -> bool:
    return json.dumps(value).isascii() and "\\ud" not in json.dumps(value)


@given(documents.filter(without_surrogates))
def test_lines_of_any_document(document: dict[str, Any]):
    writer = Writer()
    writer.table((), document, inline=False)
    assert tomllib.loads(writer.text) == document
    assert locate(writer.text) == writer.lines
