"""Which of a guest's addresses Innkeeper may use, and gives to its user."""

import ipaddress
from collections.abc import Iterable, Sequence


def address_allowed(address: str, subnets: Sequence[str]) -> bool:
    """Whether an address may be a guest's.

    With `subnets` (CIDR) it has to be in one of them, whichever they are: a lab may use 127.0.0.0/8. Without,
    any address will do that another machine could reach. Text that is no address is never allowed. Raises
    ValueError for a bad subnet.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if subnets:
        return any(parsed in ipaddress.ip_network(subnet) for subnet in subnets)
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified)


def choose_address(addresses: Iterable[str], subnets: Sequence[str]) -> str | None:
    """The first address that is allowed, in the guest's order; None when there is none (yet)."""
    return next((address for address in addresses if address_allowed(address, subnets)), None)
