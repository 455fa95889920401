"""How the addresses of a catalog have to fit together."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_network

from orchestrator.catalog.document import Addresses, Document
from orchestrator.catalog.fields import address_range, addresses_in
from orchestrator.catalog.positions import Path

Problems = Iterator[tuple[Path, str]]


def modes_have_what_they_need(document: Document) -> Problems:
    """Static: a pool and its one IPv4 subnet. DHCP: neither pool nor gateway."""
    for number, node in enumerate(document.nodes):
        path: Path = ("nodes", number, "addresses")
        given = node.addresses
        if given.mode == "static":
            if not given.pool:
                yield (*path, "pool"), "is needed with mode static"
            if _static_subnet(given) is None:
                yield (*path, "subnets"), "must be the one IPv4 network of the pool with mode static"
        else:
            for field in ("pool", "gateway"):
                if field in given.model_fields_set:
                    yield (*path, field), "goes with mode static only"


def static_addresses_fit_their_subnet(document: Document) -> Problems:
    """Pool and gateway are usable addresses of the subnet, and the gateway is no guest's."""
    for number, node in enumerate(document.nodes):
        path: Path = ("nodes", number, "addresses")
        subnet = _static_subnet(node.addresses)
        if subnet is None:
            continue
        for entry, text in enumerate(node.addresses.pool):
            outside = [address for address in address_range(text) if not _usable(address, subnet)]
            if outside:
                yield (*path, "pool", entry), f"{text}: {outside[0]} is not a usable address of {subnet}"
        gateway = node.addresses.gateway
        if gateway is not None and not _usable(IPv4Address(gateway), subnet):
            yield (*path, "gateway"), f"{gateway} is not a usable address of {subnet}"


def pools_do_not_overlap(document: Document) -> Problems:
    """An address of a cluster's network is in one pool, once, and is no gateway."""
    gateways = {
        (node.cluster, IPv4Address(node.addresses.gateway)): node.id
        for node in document.nodes
        if node.addresses.gateway is not None
    }
    taken: dict[tuple[str, IPv4Address], str] = {}
    for number, node in enumerate(document.nodes):
        for entry, text in enumerate(node.addresses.pool):
            path: Path = ("nodes", number, "addresses", "pool", entry)
            members = [(node.cluster, address) for address in addresses_in(text)]
            clash = next((member for member in members if member in gateways), None)
            if clash is not None:
                yield path, f"{text} contains {clash[1]}, the gateway of node {gateways[clash]}"
            double = next((member for member in members if member in taken), None)
            if double is not None:
                yield path, f"{text}: {double[1]} is in the pool of node {taken[double]} already"
            taken |= dict.fromkeys(members, node.id)


def _static_subnet(addresses: Addresses) -> IPv4Network | None:
    if addresses.mode != "static" or len(addresses.subnets) != 1:
        return None
    subnet = ip_network(addresses.subnets[0])
    return subnet if isinstance(subnet, IPv4Network) else None


def _usable(address: IPv4Address, subnet: IPv4Network) -> bool:
    """Of the subnet, and neither its network nor its broadcast address (which /31 and /32 do not have)."""
    reserved = {subnet.network_address, subnet.broadcast_address} if subnet.prefixlen < 31 else set()
    return address in subnet and address not in reserved
