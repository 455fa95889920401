"""Dataclasses as JSON and back, by their type hints."""

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
KEY_SEPARATOR = "|"


def encode(value: Any) -> Any:
    """Anything that is made of dataclasses, collections and plain values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {_key(key): encode(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def _key(key: Any) -> str:
    return KEY_SEPARATOR.join(key) if isinstance(key, tuple) else str(key)


def decode(kind: type[T], data: Any) -> T:
    """The value of a type that `encode` made this of."""
    return cast(T, _decode(kind, data))


def _decode(kind: Any, data: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        chosen = next(argument for argument in arguments if argument is not type(None))
        return None if data is None else _decode(chosen, data)
    if origin is dict:
        return {_decode_key(arguments[0], key): _decode(arguments[1], item) for key, item in data.items()}
    if origin in (list, set, frozenset):
        return origin(_decode(arguments[0], item) for item in data)
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in data)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        make: Callable[..., Any] = kind
        return make(**{name: _decode(hint, data[name]) for name, hint in hints.items() if name in data})
    return data


def _decode_key(kind: Any, key: str) -> Any:
    if get_origin(kind) is tuple:
        return tuple(key.split(KEY_SEPARATOR))
    return int(key) if kind is int else key


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
