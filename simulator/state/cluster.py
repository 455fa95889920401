"""The cluster: everything that /etc/pve holds, and the state of each node."""

from dataclasses import dataclass, field

from simulator.access.directory import Directory
from simulator.errors import PveError, no_config
from simulator.state.mappings import Mapping
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.state.volumes import Storage, Store, Volume


@dataclass
class ResourcePool:
    """A PVE pool: a name that VMs and permissions share."""

    name: str
    comment: str = ""
    vms: set[int] = field(default_factory=set)
    storages: set[str] = field(default_factory=set)


@dataclass
class Cluster:
    """All state of one simulated cluster."""

    name: str
    directory: Directory
    nodes: dict[str, Node] = field(default_factory=dict)
    vms: dict[int, Vm] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)
    stores: dict[tuple[str, str], Store] = field(default_factory=dict)
    """By storage and node; the node is empty for shared storages."""
    mappings: dict[str, Mapping] = field(default_factory=dict)
    pools: dict[str, ResourcePool] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    """Images that a new disk can be imported from: path or volume id, and virtual size in bytes."""
    quorate: bool = True
    mac_prefix: str = "BC:24:11"
    identity: dict[str, str] = field(default_factory=dict)
    """Keys and certificates that have to outlive a restart."""

    @property
    def entry_node(self) -> Node:
        """The node that answers callers: the first one that is up."""
        return next((node for node in self.nodes.values() if node.online), next(iter(self.nodes.values())))

    def vm_on(self, node: str, vmid: int) -> Vm:
        """The VM whose configuration lies on this node; PVE's error when it does not."""
        vm = self.vms.get(vmid)
        if vm is None or vm.node != node:
            raise no_config(node, vmid)
        return vm

    def pool_of(self, vmid: int) -> ResourcePool | None:
        """The pool that a VM is in."""
        return next((pool for pool in self.pools.values() if vmid in pool.vms), None)

    def storage(self, name: str) -> Storage:
        """A storage's definition; PVE's error when there is none or it is switched off."""
        if name not in self.storages:
            raise PveError(f"storage '{name}' does not exist")
        if self.storages[name].disabled:
            raise PveError(f"storage '{name}' is disabled")
        return self.storages[name]

    def store(self, storage: str, node: str) -> Store:
        """A storage as a node sees it."""
        definition = self.storage(storage)
        place = "" if definition.shared else node
        return self.stores.setdefault((storage, place), Store(definition))

    def volume(self, volid: str, node: str) -> Volume | None:
        """The volume of that name, as a node sees it."""
        storage, colon, _ = volid.partition(":")
        if not colon or storage not in self.storages or self.storages[storage].disabled:
            return None
        return self.store(storage, node).volumes.get(volid)

    def vms_on(self, node: str) -> list[Vm]:
        """The VMs of a node, by VMID."""
        return sorted((vm for vm in self.vms.values() if vm.node == node), key=lambda vm: vm.vmid)

    def vms_by_node(self) -> dict[str, list[Vm]]:
        """The VMs of every node, for listings of the whole cluster."""
        result: dict[str, list[Vm]] = {name: [] for name in self.nodes}
        for vm in self.vms.values():
            result.setdefault(vm.node, []).append(vm)
        return result

    def assert_quorum(self) -> None:
        """No change of /etc/pve without a majority."""
        if not self.quorate:
            raise PveError("cluster not ready - no quorum?")
