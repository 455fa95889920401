"""Permission rules of API calls."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from simulator.errors import ApiError, denied

Has = Callable[[str, str], bool]
"""(path, privilege) -> does the caller have it?"""


class Rule(Protocol):
    """Decides on a call from its parameters; raises HTTP 403 with PVE's text."""

    def check(self, has: Has, given: Mapping[str, Any]) -> None: ...


class Everyone:
    """Any login will do; what is shown or allowed further is decided in the call."""

    def check(self, has: Has, given: Mapping[str, Any]) -> None:
        """Never refuses."""


@dataclass(frozen=True)
class Privilege:
    """Privileges on one path; `{name}` in the path is a parameter of the call."""

    path: str
    names: tuple[str, ...]
    any_of: bool = False

    def check(self, has: Has, given: Mapping[str, Any]) -> None:
        """All of them, or one of them with `any_of`."""
        # A parameter that is missing leaves its place empty; that it is missing is found out later.
        path = self.path.format_map(defaultdict(str, {name: str(value) for name, value in given.items()}))
        if self.any_of:
            if not any(has(path, name) for name in self.names):
                raise denied(f"{path}, {'|'.join(self.names)}")
            return
        for name in self.names:
            if not has(path, name):
                raise denied(f"{path}, {name}")


@dataclass(frozen=True)
class OneOf:
    """At least one rule; those whose parameter was not given do not count."""

    rules: tuple[tuple[Rule, str | None], ...]

    def check(self, has: Has, given: Mapping[str, Any]) -> None:
        """PVE does not say which alternative was missing."""
        for rule, required in self.rules:
            if required is not None and required not in given:
                continue
            try:
                rule.check(has, given)
            except ApiError:
                continue
            return
        raise denied()


@dataclass(frozen=True)
class AllOf:
    """Every rule, in order."""

    rules: tuple[Rule, ...]

    def check(self, has: Has, given: Mapping[str, Any]) -> None:
        """The first that refuses speaks."""
        for rule in self.rules:
            rule.check(has, given)


EVERYONE = Everyone()


def on(path: str, *names: str) -> Privilege:
    """All these privileges on a path."""
    return Privilege(path, names)


def any_on(path: str, *names: str) -> Privilege:
    """One of these privileges on a path."""
    return Privilege(path, names, any_of=True)
