"""Reading for the sweep what a cluster has: configurations of what is suspect, disks, mappings."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import PveError, PveNotHere
from orchestrator.fleet.comparison import ConfigSeen, Seen
from orchestrator.fleet.inventory import Plan
from orchestrator.fleet.sightings import GuestSeen, marked
from workers.proxmox import Gateway, VmConfig
from workers.proxmox.properties import parse_properties
from workers.steps.ownership import STUB_DESCRIPTION

MOST_CONFIGS = 200
"""Configurations read in one sweep; of more, others are read in the next."""


def read(pve: Gateway, plan: Plan) -> Seen:
    """Everything that is compared. Raises PveError when there is not even a listing."""
    snapshot = pve.resources()
    offline = {node: None for node in plan.nodes if not snapshot.reports(node)}
    looked = _Looked(pve, plan, unread=dict(offline))
    for node in plan.nodes.keys() - offline.keys():
        looked.at_node(node)
    wanted = [guest for guest in snapshot.guests.values() if plan.needs_a_look(guest, snapshot)]
    random.shuffle(wanted)
    for guest in wanted[:MOST_CONFIGS]:
        looked.at_guest(guest)
    for guest in wanted[MOST_CONFIGS:]:
        looked.unread.setdefault(guest.node, None)
    listed = snapshot.guests.keys() | plan.expected.keys()
    nobodys = {vmid for _, _, vmid in looked.volumes if vmid not in listed}
    return Seen(
        snapshot=snapshot,
        configs=looked.configs,
        volumes=looked.volumes,
        in_use={vmid: pve.vmid_in_use(vmid) for vmid in sorted(nobodys | plan.doubted)},
        mappings=looked.mappings,
        unread=looked.unread,
    )


def is_being_cloned(pve: Gateway, plan: Plan, vmid: int) -> bool:
    """Whether a running task may make that VMID; yes, when a node with templates does not tell."""
    try:
        return any(pve.find_clone_task(node, vmid) is not None for node in sorted(plan.template_nodes))
    except PveError:
        return True


@dataclass
class _Looked:
    """What was read so far."""

    pve: Gateway
    plan: Plan
    unread: dict[str, str | None]
    configs: dict[int, ConfigSeen] = field(default_factory=dict)
    volumes: list[tuple[str, str, int]] = field(default_factory=list)
    mappings: dict[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def at_node(self, node: str) -> None:
        """Its disks of our range, and what its mappings are worth."""
        storage, cards = self.plan.nodes[node]
        try:
            disks = self.pve.storage_volumes(node, storage)
            self.mappings[node] = self.pve.mapping_problems(node, cards)
        except PveError as error:
            self.unread[node] = str(error)
            return
        self.volumes += [(node, disk, vmid) for disk, vmid in disks.items() if self.plan.owns(vmid)]

    def at_guest(self, guest: GuestSeen) -> None:
        """Its configuration."""
        try:
            config = self.pve.vm_config(guest.node, guest.vmid)
            cards = self._cards(guest, config)
        except PveNotHere:
            return  # moved or removed since the listing
        except PveError as error:
            self.unread[guest.node] = str(error)
            return
        stub = config.description in ("", STUB_DESCRIPTION)
        self.configs[guest.vmid] = ConfigSeen(marked(config.description), stub, cards)

    def _cards(self, guest: GuestSeen, config: VmConfig) -> tuple[str, ...]:
        """Which GPUs of ours its devices are: by mapping, another mapping of the same card, or address."""
        if not config.hostpci or guest.node not in self.plan.nodes:
            return ()
        _, ours = self.plan.nodes[guest.node]
        devices = [parse_properties(value, "host") for value in config.hostpci.values()]
        names = {device["mapping"] for device in devices if "mapping" in device}
        behind = self.pve.mapping_addresses(guest.node, {*ours, *names})
        held = {address for name in names for address in behind.get(name, ())}
        for device in devices:
            held |= {_slot(address) for address in device.get("host", "").split(";") if address}
        return tuple(card for card in ours if card in names or not held.isdisjoint(behind.get(card, ())))


def _slot(address: str) -> str:
    """The whole device (`0000:81:00`) of an address that may lack the domain or name a function."""
    whole = address.partition(".")[0]
    return whole if whole.count(":") > 1 else f"0000:{whole}"
