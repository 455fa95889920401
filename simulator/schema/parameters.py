"""One parameter of an API call or one key of a property string, and the check of a value against it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from simulator.schema.formats import Format
from simulator.schema.properties import PropertyFormat

Kind = Literal["string", "integer", "boolean", "number", "array"]

_WRITTEN = {
    "integer": re.compile(r"[+-]?\d+"),
    "boolean": re.compile(r"[01]"),
    "number": re.compile(r"[+-]?(?=\d|\.\d)\d*(\.\d*)?([Ee][+-]?\d+)?"),
}
UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
MISSING = "property is missing and it is not optional"


@dataclass(frozen=True)
class Parameter:
    """What PVE's API description says about one parameter. Numbers are inclusive limits."""

    kind: Kind = "string"
    optional: bool = True
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    format: Format | None = None
    properties: PropertyFormat | None = None
    requires: str | None = None

    def problem(self, name: str, value: str) -> str | None:
        """PVE's text for a value that does not fit, or None."""
        if self.kind in _WRITTEN and not _WRITTEN[self.kind].fullmatch(value):
            return f"type check ('{self.kind}') failed - got '{value}'"
        return self._format_problem(name, value) or self._limit_problem(value)

    def _format_problem(self, name: str, value: str) -> str | None:
        try:
            if self.format:
                self.format(value)
            if self.properties:
                self.properties.check(name, value)
        except ValueError as error:
            return f"invalid format - {error}"
        return None

    def _limit_problem(self, value: str) -> str | None:
        if self.choices and value not in self.choices:
            return f"value '{value}' does not have a value in the enumeration '{', '.join(self.choices)}'"
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return "value does not match the regex pattern"
        if self.minimum is not None and float(value) < self.minimum:
            return f"value must have a minimum value of {self.minimum:g}"
        if self.maximum is not None and float(value) > self.maximum:
            return f"value must have a maximum value of {self.maximum:.0f}"
        if self.min_length is not None and len(value) < self.min_length:
            return f"value must be at least {self.min_length} characters long"
        if self.max_length is not None and len(value) > self.max_length:
            return f"value may only be {self.max_length} characters long"
        return None

    def read(self, value: str) -> Any:
        """The value as code uses it. Numbers stay text: PVE hands them through as written."""
        if self.kind == "integer":
            return int(value)
        if self.kind == "boolean":
            return value == "1"
        return value


def need(parameter: Parameter) -> Parameter:
    """The same parameter, but it must be there."""
    return replace(parameter, optional=False)


def integer(minimum: int | None = None, maximum: int | None = None, form: Format | None = None) -> Parameter:
    """A whole number."""
    return Parameter("integer", minimum=minimum, maximum=maximum, format=form)


def number(minimum: float | None = None, maximum: float | None = None) -> Parameter:
    """A number with a decimal point."""
    return Parameter("number", minimum=minimum, maximum=maximum)


def boolean(requires: str | None = None) -> Parameter:
    """0 or 1; nothing else."""
    return Parameter("boolean", requires=requires)


def text(
    form: Format | None = None,
    max_length: int | None = None,
    min_length: int | None = None,
    requires: str | None = None,
) -> Parameter:
    """Any string, or one in a named format."""
    return Parameter(format=form, max_length=max_length, min_length=min_length, requires=requires)


def pattern(regex: str) -> Parameter:
    """A string that one regular expression describes."""
    return Parameter(pattern=regex)


def choice(*choices: str) -> Parameter:
    """One of these words."""
    return Parameter(choices=choices)


def properties(form: PropertyFormat) -> Parameter:
    """A property string: `key=value,key=value`."""
    return Parameter(properties=form)


def array(form: Format | None = None, form_properties: PropertyFormat | None = None) -> Parameter:
    """A list, sent as a repeated key; `form` describes one item."""
    return Parameter("array", format=form, properties=form_properties)


def check(known: Mapping[str, Parameter], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read what was given: (values, problems by parameter)."""
    values: dict[str, Any] = {}
    problems = {
        name: MISSING for name, parameter in known.items() if not parameter.optional and name not in given
    }
    for name, raw in given.items():
        parameter = known.get(name)
        if parameter is None:
            problems[name] = UNKNOWN
        elif parameter.kind == "array":
            values[name] = _check_items(parameter, name, raw, problems)
        else:
            _check_one(parameter, name, raw, given, values, problems)
    return values, problems


def _check_one(
    parameter: Parameter,
    name: str,
    raw: Any,
    given: Mapping[str, Any],
    values: dict[str, Any],
    problems: dict[str, str],
) -> None:
    written = written_value(raw)
    if problem := parameter.problem(name, written):
        problems[name] = problem
    elif parameter.requires and parameter.requires not in given:
        problems[parameter.requires] = f"missing property - '{name}' requires this property"
    else:
        values[name] = parameter.read(written)


def _check_items(parameter: Parameter, name: str, raw: Any, problems: dict[str, str]) -> list[str]:
    items = [written_value(item) for item in (raw if isinstance(raw, list) else [raw])]
    item_parameter = replace(parameter, kind="string")
    for index, item in enumerate(items):
        if problem := item_parameter.problem(f"{name}[{index}]", item):
            problems[f"{name}[{index}]"] = problem
    return items


def written_value(raw: Any) -> str:
    """How PVE reads a value of a JSON body or a repeated form key."""
    if isinstance(raw, bool):
        return "1" if raw else "0"
    if isinstance(raw, list):
        # Lists for formats that end in "-list" arrive as one string with NUL between the items.
        return "\0".join(written_value(item) for item in raw)
    return "" if raw is None else str(raw)
