"""PVE's property strings, like `virtio=BC:24:11:6D:79:74,bridge=vmbr0` or `fast:vm-100-disk-0,size=32G`."""

import re
from collections.abc import Mapping

_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")
_UNIT_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_TRUE = frozenset({"1", "on", "yes", "true"})


def parse_properties(text: str, first: str) -> dict[str, str]:
    """The keys and values. PVE lets the most important key, `first`, stand without its name."""
    parts = (part.partition("=") for part in text.split(","))
    return {key if equals else first: value if equals else key for key, equals, value in parts}


def is_true(value: object) -> bool:
    """A boolean as PVE writes it: 1 or 0 in answers, also on/yes/true in property strings."""
    return str(value).lower() in _TRUE


def mac_of(net: str) -> str | None:
    """The MAC of a netN option, upper case. It stands as the value of the card's model or as `macaddr=`."""
    found = _MAC.search(net)
    return found.group().upper() if found else None


def size_gib(text: str) -> int:
    """A disk's `size=` in whole GiB, rounded down: `1600M` is 1. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no disk size")
    number, unit = found.groups()
    return int(float(number) * _UNIT_BYTES[unit] // _UNIT_BYTES["G"])


def numbered(options: Mapping[str, str], prefix: str) -> dict[int, str]:
    """`hostpci0`, `hostpci3`, … as {0: value, 3: value}."""
    pattern = re.compile(rf"{prefix}(\d+)")
    found = ((pattern.fullmatch(key), value) for key, value in options.items())
    return {int(key[1]): value for key, value in found if key}
