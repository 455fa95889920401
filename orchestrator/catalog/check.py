"""Reading the catalog file: a document in which everything fits, or every fault with its line and field."""

import re
import tomllib
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.catalog.document import Document
from orchestrator.catalog.positions import Path, locate
from orchestrator.catalog.rules import Problem, problems
from orchestrator.errors import ConfigurationError

_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TEXTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "is not a field of the catalog; docs/catalog.md lists them",
    "int_type": lambda _: "must be a whole number",
    "is_instance_of": lambda _: "must be a number",
    "decimal_type": lambda _: "must be a number",
    "finite_number": lambda _: "must be a finite number",
    "decimal_max_places": lambda given: f"may have at most {given['decimal_places']} decimal places",
    "string_type": lambda _: "must be a text in quotes",
    "bool_type": lambda _: "must be true or false",
    "list_type": lambda _: "must be a list",
    "model_type": lambda _: "must be a table",
    "dict_type": lambda _: "must be a table",
    "too_short": lambda _: "must not be empty",
    "literal_error": lambda given: f"must be {given['expected']}",
    "greater_than": lambda given: f"must be more than {given['gt']}",
    "greater_than_equal": lambda given: f"must be at least {given['ge']}",
    "less_than_equal": lambda given: f"must be at most {given['le']}",
    "value_error": lambda given: str(given["error"]),
}
"""Faults of a single value, by pydantic's name for them. None repeats the value: it could be a secret."""


def check(path: FilePath) -> Document:
    """The catalog in `path`.

    Raises ConfigurationError with a line for each fault: `catalog.toml:41: nodes[1] (vm02).gpus[3].type: …`.
    What is wrong between the parts of the file is told once each part by itself is right.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 text, at byte {error.start}.") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Document:
    """The catalog that `text` is; `name` stands for it in errors. Raises ConfigurationError like `check`."""
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_syntax(str(error), text, name)) from None
    try:
        document = Document.model_validate(raw)
    except ValidationError as error:
        found = [Problem(details["loc"], _text(details)) for details in error.errors()]
        raise ConfigurationError(_report(found, raw, text, name)) from None
    found = problems(document)
    if found:
        raise ConfigurationError(_report(found, raw, text, name))
    return document


def _syntax(error: str, text: str, name: str) -> str:
    """The parser's own words, with the line in front as in the other errors."""
    at = _AT_LINE.search(error)
    line = int(at[1]) if at else text.count("\n") + 1
    column = f", column {at[2]}" if at else ""
    return f"{name}:{line}: not valid TOML{column}: {_AT_LINE.sub('', error)}"


def _text(details: ErrorDetails) -> str:
    known = _TEXTS.get(details["type"])
    return known(details.get("ctx", {})) if known else details["msg"]


def _report(found: Sequence[Problem], raw: dict[str, Any], text: str, name: str) -> str:
    lines = locate(text)
    numbered = [(_line(lines, path), f"{_field(path, raw)}: {said}") for path, said in found]
    return "\n".join(f"{name}:{line}: {said}" for line, said in sorted(numbered))


def _line(lines: dict[Path, int], path: Path) -> int:
    """The line of a field, or where it is absent that of the table which lacks it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _field(path: Path, raw: Any) -> str:
    """The path for people, with the id of what is listed: `nodes[1] (vm02).gpus[3].type`."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            raw = raw[part]
            shown += f"[{part}]{_id(raw)}"
        else:
            raw = raw.get(part) if isinstance(raw, dict) else None
            shown += f".{part}" if shown else part
    return shown


def _id(raw: object) -> str:
    """In brackets, the id of a table that has one."""
    ids = [raw[key] for key in ("id", "vmid") if key in raw] if isinstance(raw, dict) else []
    return "".join(f" ({value})" for value in ids if isinstance(value, str | int))
