"""The guest agent's view of the network: which addresses belong to the card that PVE gave the VM."""

import ipaddress
import re
from typing import Any

# Interfaces that software in the guest makes: they may carry a copied MAC, and their addresses lead nowhere.
_INNER = re.compile(
    r"lo\d*|(dummy|docker|br-|veth|cni|cali|flannel|virbr|tun|tap|wg|tailscale|podman|lxcbr)[\w.\-]*"
)


def addresses_of_mac(result: Any, mac: str) -> tuple[str, ...]:
    """The addresses in the order of the guest's list, from the agent's `guest-network-get-interfaces`.

    Entries without `ip-addresses` are interfaces that are still down. Loopback interfaces are told by their
    name: a lab may well use 127.0.0.0/8 for its guests. Link-local addresses are dropped, as no one outside
    could use them.
    """
    found = []
    for interface in result:
        if str(interface.get("hardware-address", "")).lower() != mac.lower():
            continue
        if _INNER.fullmatch(interface["name"]):
            continue
        found += [entry["ip-address"] for entry in interface.get("ip-addresses") or ()]
    return tuple(address for address in found if _usable(address))


def _usable(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_link_local
    except ValueError:
        return False
