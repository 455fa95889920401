"""Addresses of guests: one loopback address per VM, the same at every start."""

import ipaddress

from simulator.schema.properties import parse_pairs
from simulator.state.vms import Vm

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class AddressPlan:
    """The simulated DHCP server."""

    def __init__(self, network: str) -> None:
        self._network = ipaddress.ip_network(network)

    @property
    def lessor(self) -> str:
        """The address of the DHCP server itself; no guest gets it."""
        return str(self._network[1])

    def leased(self, vmid: int, taken: set[str]) -> str:
        """The address that follows from the VMID; the next free one when two VMIDs meet."""
        hosts = self._network.num_addresses - 3
        for step in range(hosts):
            address = str(self._network[2 + (vmid + step) % hosts])
            if address not in taken:
                return address
        raise RuntimeError(f"no free address in {self._network}")

    def of(self, vm: Vm, taken: set[str]) -> str | None:
        """The first card's address: the static one if it has one, else a lease; None without a card."""
        networks = vm.networks()
        if not networks:
            return None
        number = next(iter(networks)).removeprefix("net")
        configured = parse_pairs(vm.config.get(f"ipconfig{number}", "ip=dhcp")).get("ip", "dhcp")
        return self.leased(vm.vmid, taken) if configured == "dhcp" else configured.split("/")[0]


def is_loopback(address: str) -> bool:
    """Can this process listen there?"""
    return ipaddress.ip_address(address) in LOOPBACK
