"""Property strings: `virtio=BC:24:11:00:00:01,bridge=vmbr0`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.schema.parameters import Parameter


@dataclass(frozen=True)
class PropertyFormat:
    """The keys of a property string. `default_key` may stand first without a name."""

    keys: Mapping[str, Parameter]
    default_key: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of a key."""
    model_keys: frozenset[str] = frozenset()
    """Keys that are values of the default key and carry a MAC address: `virtio=<mac>`."""

    def parse(self, value: str) -> dict[str, str]:
        """The keys and values as written; raises ValueError with PVE's text."""
        result: dict[str, str] = {}
        for part in value.split(","):
            name, equals, content = part.partition("=")
            if not equals:
                if self.default_key is None:
                    raise ValueError("value without key, but schema does not define a default key\n")
                name, content = self.default_key, part
            if name in self.model_keys:
                result["model"], name = name, "macaddr"
            name = self.aliases.get(name, name)
            if name in result:
                raise ValueError(f"duplicate key in comma-separated list property: {name}\n")
            result[name] = content
        return result

    def check(self, option: str, value: str) -> None:
        """Raise ValueError with PVE's text when the value does not fit."""
        from simulator.schema.parameters import check  # the two describe each other

        _, problems = check(self.keys, self.parse(value))
        if problems:
            lines = [f"{option}.{name}: {problem}\n" for name, problem in problems.items()]
            raise ValueError("format error\n" + "".join(lines))


def parse_pairs(value: str, default_key: str = "") -> dict[str, str]:
    """A property string that has been checked before, as a dictionary."""
    result: dict[str, str] = {}
    for part in value.split(","):
        name, equals, content = part.partition("=")
        result[name if equals else default_key] = content if equals else part
    return result


def write_pairs(pairs: Mapping[str, str], first: str) -> str:
    """A property string in PVE's order: the default key without its name, then the others sorted."""
    rest = [f"{name}={pairs[name]}" for name in sorted(pairs) if name != first]
    return ",".join([pairs[first], *rest])
