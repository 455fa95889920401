"""The kinds of value in a catalog, each with its rule. The shapes of names are those of Proxmox VE.

A rule's text never repeats a value that could be a secret.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

MAX_POOL = 65_536
"""Addresses in one entry of a static pool: a /16."""

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def _shaped(pattern: str, wanted: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def validate(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"must be {wanted}")
        return value

    return AfterValidator(validate)


def _exact(value: object) -> object:
    """A whole number of the file as a decimal, as which it may be a price."""
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _parsed(parse: Callable[[str], object], wanted: str) -> AfterValidator:
    """Keeps the text in the form in which `parse` writes it."""

    def validate(value: str) -> str:
        try:
            return str(parse(value))
        except ValueError:
            raise ValueError(f"{value!r} is not {wanted}") from None

    return AfterValidator(validate)


def address_range(entry: str) -> tuple[IPv4Address, IPv4Address]:
    """First and last address of `10.0.0.10` or `10.0.0.10-10.0.0.50`. Raises ValueError."""
    first, _, last = entry.partition("-")
    bounds = IPv4Address(first.strip()), IPv4Address((last or first).strip())
    if not 0 <= int(bounds[1]) - int(bounds[0]) < MAX_POOL:
        raise ValueError(entry)
    return bounds


def addresses_in(entry: str) -> list[IPv4Address]:
    """All addresses of such an entry, in order. Raises ValueError."""
    first, last = address_range(entry)
    return [IPv4Address(number) for number in range(int(first), int(last) + 1)]


def _pool_entry(value: str) -> str:
    try:
        address_range(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is neither an IPv4 address nor a range such as 10.0.0.10-10.0.0.50"
            f" of at most {MAX_POOL} addresses"
        ) from None
    return value


def _endpoint(value: str) -> str:
    wanted = "must look like https://host:8006, without user, path or query"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(wanted) from None
    bare = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not bare:
        raise ValueError(wanted)
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("must be https: http is only for a loopback address")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Money = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, max_digits=14, decimal_places=6)]
MoneyOrNone = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, max_digits=14, decimal_places=6)]
Percent = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, le=100, decimal_places=6)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOrNone = Annotated[int, Field(ge=0, le=1_000_000)]
Vmid = Annotated[int, Field(ge=100, le=999_999_999)]
Port = Annotated[int, Field(ge=1, le=65_535)]

Line = Annotated[str, _shaped(r"[^\x00-\x1f\x7f]{1,200}", "one line of 1 to 200 characters")]
Prose = Annotated[str, _shaped(r"[^\x00-\x08\x0b-\x1f\x7f]{0,2000}", "text of at most 2000 characters")]
Currency = Annotated[str, _shaped(r"[A-Z]{3}", "a currency code of three capitals, such as EUR")]
NodeId = Annotated[
    str, _shaped(r"[a-z0-9][a-z0-9-]{0,30}", "1 to 31 small letters, digits and hyphens, such as vm01")
]
Name = Annotated[
    str,
    _shaped(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "1 to 63 letters, digits, dots, hyphens and underscores"),
]
PveName = Annotated[str, _shaped(_LABEL, "the name of a Proxmox VE node: letters, digits and hyphens")]
Storage = Annotated[
    str, _shaped(r"[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]", "the id of a Proxmox VE storage, such as local-zfs")
]
Pool = Annotated[
    str, _shaped(r"[A-Za-z0-9.\-_]+(/[A-Za-z0-9.\-_]+){0,2}", "the id of a Proxmox VE resource pool")
]
Bridge = Annotated[
    str, _shaped(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", "the name of a bridge or VNet, such as vmbr0")
]
Mapping = Annotated[
    str, _shaped(r"[a-z][a-z0-9_-]+", "the id of a Proxmox VE resource mapping, such as gpu-vm01-0")
]
Disk = Annotated[str, _shaped(r"(ide|sata|scsi|virtio)[0-9]{1,2}", "the key of a disk, such as scsi0")]
LoginUser = Annotated[str, _shaped(r"[a-z_][a-z0-9_-]{0,31}", "the name of a Linux user, such as ubuntu")]
TokenId = Annotated[
    str,
    _shaped(
        r"[^\s:/!@]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+", "a token id like user@realm!name"
    ),
]
TokenSource = Annotated[
    str,
    _shaped(
        r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f\x7f]+",
        "env:NAME or file:PATH; the secret itself does not belong into the catalog",
    ),
]
Fingerprint = Annotated[
    str, _shaped(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}", "a SHA-256 of 32 bytes in hex, like AA:BB:…")
]
Endpoint = Annotated[str, StringConstraints(max_length=200), AfterValidator(_endpoint)]
Subnet = Annotated[str, _parsed(ip_network, "a network such as 10.0.0.0/24")]
Gateway = Annotated[str, _parsed(IPv4Address, "an IPv4 address")]
PoolEntry = Annotated[str, AfterValidator(_pool_entry)]
